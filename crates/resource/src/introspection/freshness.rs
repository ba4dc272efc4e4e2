//! Whether an answer may still be used. Pure.

use std::time::{Duration, Instant};

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It is used.
    Serve,
    /// It is used, and a newer one is asked for behind the request.
    ServeAndAsk,
    /// It is too old.
    Ask,
}

/// An answer to a question of `asked_at`, for a request that came at `now`. A request that came
/// before the question may have its answer always.
pub(super) fn of(asked_at: Instant, now: Instant, at_most_stale: Duration) -> Freshness {
    let Some(age) = now.checked_duration_since(asked_at) else { return Freshness::Serve };
    if age >= at_most_stale {
        Freshness::Ask
    } else if age >= at_most_stale / 2 {
        Freshness::ServeAndAsk
    } else {
        Freshness::Serve
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_serves_for_its_time_and_is_renewed_after_half_of_it() {
        use Freshness::{Ask, Serve, ServeAndAsk};
        let asked_at = Instant::now();
        let bound = Duration::from_secs(10);
        for (millis, expected) in
            [(0, Serve), (4_999, Serve), (5_000, ServeAndAsk), (9_999, ServeAndAsk), (10_000, Ask)]
        {
            let now = asked_at + Duration::from_millis(millis);
            assert_eq!(of(asked_at, now, bound), expected, "{millis}");
        }
        let waited = asked_at + Duration::from_secs(1);
        assert_eq!(of(waited, asked_at, bound), Serve, "it waited for the question");
        assert_eq!(of(asked_at, asked_at, Duration::ZERO), Ask, "each request asks");
    }
}

//! When keys are fetched. Pure.

use std::time::{Duration, Instant};

/// Keys older than this are fetched again, behind a request.
const OLD: Duration = Duration::from_mins(5);
/// After a failure, and while keys are old, this long passes between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// Names of unknown keys cause one fetch in this time: whoever invents them buys no more.
const BETWEEN_UNKNOWN: Duration = Duration::from_secs(10);

/// What happened when.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Keys came.
    pub(super) fetched: Option<Instant>,
    /// A fetch began.
    pub(super) tried: Option<Instant>,
    /// A fetch began because of an unknown key.
    unknown: Option<Instant>,
}

/// What a request needs before the keys can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// They are as they should be, or it is too early to try again.
    Nothing,
    /// They serve, and newer ones should be fetched.
    Refresh,
    /// There are none.
    Fetch,
}

impl Times {
    /// `under_way`: a fetch has begun and not ended.
    pub(super) fn on_request(&self, now: Instant, under_way: bool) -> Need {
        let passed = |since: Option<Instant>, at_least| {
            since.is_none_or(|since| now.saturating_duration_since(since) >= at_least)
        };
        match self.fetched {
            None if under_way => Need::Fetch,
            Some(_) if !passed(self.fetched, OLD) => Need::Nothing,
            _ if !passed(self.tried, BETWEEN_ATTEMPTS) => Need::Nothing,
            Some(_) => Need::Refresh,
            None => Need::Fetch,
        }
    }

    /// Whether an unknown key is worth a fetch; if so, the next ones are not for a while.
    pub(super) fn on_unknown_key(&mut self, now: Instant) -> bool {
        let early = |since| now.saturating_duration_since(since) < BETWEEN_UNKNOWN;
        if self.unknown.is_some_and(early) {
            return false;
        }
        self.unknown = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_when_there_are_none_and_refreshed_when_old() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut times = Times::default();
        assert_eq!(times.on_request(at(0), false), Need::Fetch);
        times.tried = Some(at(0));
        assert_eq!(times.on_request(at(1), true), Need::Fetch, "joins the one under way");
        assert_eq!(times.on_request(at(999), false), Need::Nothing, "it has just failed");
        assert_eq!(times.on_request(at(1_000), false), Need::Fetch);
        times.fetched = Some(at(1_000));
        assert_eq!(times.on_request(at(300_999), false), Need::Nothing);
        assert_eq!(times.on_request(at(301_000), false), Need::Refresh);
        times.tried = Some(at(301_000));
        assert_eq!(times.on_request(at(301_999), false), Need::Nothing, "the issuer is away");
        assert_eq!(times.on_request(at(302_000), false), Need::Refresh);
    }

    #[test]
    fn unknown_keys_cause_one_fetch_in_ten_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut times = Times::default();
        let asked = [0, 1, 9, 10, 11, 20].map(|second| times.on_unknown_key(at(second)));
        assert_eq!(asked, [true, false, false, true, false, true]);
    }
}

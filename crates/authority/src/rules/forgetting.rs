//! When the row of a grant may be forgotten before its time: revoked grants, and those whose
//! refresh token nobody used for too long, say no to everything, and so does no row.
//!
//! But for one thing: while the code of a grant can still come, its row is the proof that the code
//! was used.

use std::time::Duration;

use keystile_protocol::Timestamp;

use crate::policy::Lifetimes;

/// Clocks of nodes may differ, and so may what they do in the last moment of a code.
const MARGIN: Duration = Duration::from_secs(600);

/// Which grants may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgettable {
    /// Only those approved before: no code of theirs can come any more.
    pub approved_before: Timestamp,
    /// Of those, the revoked ones, and those that were last used before this.
    pub unused_since: Timestamp,
}

/// Which grants may be forgotten now.
pub fn forgettable(lifetimes: &Lifetimes, now: Timestamp) -> Forgettable {
    // What a code comes from: a page that was pushed to (RFC 9126), or a request that waits.
    let questions = [lifetimes.page, lifetimes.device_code, lifetimes.backchannel_request];
    let question = questions.into_iter().max().unwrap_or_default();
    // The last use is noted now and then, and not with each access token.
    let unused = lifetimes.refresh_idle + lifetimes.access_token;
    Forgettable {
        approved_before: now.minus(question + lifetimes.code + MARGIN),
        unused_since: now.minus(unused + MARGIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pending::STAYS;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn finding_2_the_proof_outlives_the_code_and_its_question_by_five_minutes() {
        let five_minutes = Duration::from_secs(300);
        for (page, device_code, backchannel_request) in [(900, 600, 300), (1, 1800, 2), (1, 2, 900)]
        {
            let [page, device_code, backchannel_request] =
                [page, device_code, backchannel_request].map(Duration::from_secs);
            let lifetimes =
                Lifetimes { page, device_code, backchannel_request, ..Lifetimes::default() };
            let last = forgettable(&lifetimes, NOW).approved_before;
            assert!(last.plus(lifetimes.code + five_minutes) < NOW);
            assert!(last.plus(page + lifetimes.code + five_minutes) < NOW, "RFC 9126");
            assert!(last.plus(device_code + 2 * STAYS) <= NOW, "RFC 8628");
            assert!(last.plus(backchannel_request + 2 * STAYS) <= NOW, "CIBA");
        }
    }

    #[test]
    fn finding_11_what_is_idle_stays_for_as_long_as_its_last_access_token() {
        let lifetimes = Lifetimes::default();
        let unused = forgettable(&lifetimes, NOW).unused_since;
        // The last token that such a grant could give.
        let last_token = unused.plus(lifetimes.refresh_idle);
        assert!(last_token.plus(lifetimes.access_token) < NOW);
    }
}

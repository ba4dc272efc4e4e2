//! When a logout message is delivered, tried again, or given up (OpenID Connect Back-Channel
//! Logout 1.0 sections 2.5 and 2.8).

use std::time::Duration;

use keystile_protocol::Timestamp;

use crate::logout_message::{LogoutMessage, Settled};
use crate::ports::{Fetched, OutboundError};

/// The life of a logout token: "two minutes in the future" at most (section 2.4).
pub const TOKEN_LIFE: Duration = Duration::from_secs(120);
/// How long whoever took a message has for its delivery.
pub const LEASE: Duration = Duration::from_secs(60);
/// How long a message is tried, from the first time on.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long the log remembers a message that is settled.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

const FIRST_PAUSE: u64 = 5;
const LONGEST_PAUSE: u64 = 3600;

/// What a message's way led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The client has been removed, switched off, or wants no messages any more.
    NobodyThere,
    /// It could not be signed yet.
    NotSigned(String),
    /// It was posted.
    Posted(Result<Fetched, OutboundError>),
}

/// What becomes of the message after this try.
pub fn settle(message: &LogoutMessage, attempt: &Attempt, now: Timestamp) -> Settled {
    let for_good = |outcome: String| Settled::new(message.id, now, None, outcome);
    let outcome = match attempt {
        Attempt::NobodyThere => {
            return for_good("given up: the client wants no messages any more".to_owned());
        }
        // "200 OK" (section 2.8); frameworks make 204 of an empty answer.
        Attempt::Posted(Ok(answer)) if answer.is_success() => {
            return for_good(format!("delivered ({})", answer.status));
        }
        // Nothing will be different next time but the configuration.
        Attempt::Posted(Err(OutboundError::Refused(refusal))) => {
            return for_good(format!("given up: {refusal}"));
        }
        Attempt::Posted(Ok(answer)) => format!("the client answered {}", answer.status),
        Attempt::Posted(Err(error)) => error.to_string(),
        Attempt::NotSigned(why) => why.clone(),
    };
    let next = now.plus(pause(message.tries));
    if next >= message.give_up_at {
        return for_good(format!("given up: {outcome}"));
    }
    Settled::new(message.id, now, Some(next), outcome)
}

/// Five seconds, then four times as long each time, up to an hour.
fn pause(tries: u32) -> Duration {
    let factor = 4_u64.saturating_pow(tries.saturating_sub(1));
    Duration::from_secs(FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;
    use crate::rules::outbound::OutboundRefusal;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn message(tries: u32) -> LogoutMessage {
        LogoutMessage {
            id: 7,
            client: crate::fixtures::client_id("app"),
            account: AccountId::from_bytes([1; 16]),
            sid: [3; 16],
            tries,
            give_up_at: NOW.plus(TRIED_FOR),
        }
    }

    fn answered(status: u16) -> Attempt {
        let fresh_for = Duration::ZERO;
        Attempt::Posted(Ok(Fetched { status, content_type: None, body: Vec::new(), fresh_for }))
    }

    fn no_answer() -> Attempt {
        Attempt::Posted(Err(OutboundError::NoAnswer("timed out".into())))
    }

    #[test]
    fn back_channel_logout_2_8_any_2xx_delivers_and_anything_else_is_tried_again() {
        for (attempt, again, outcome) in [
            (answered(200), None, "delivered (200)"),
            (answered(204), None, "delivered (204)"),
            (answered(302), Some(5), "the client answered 302"),
            (answered(400), Some(5), "the client answered 400"),
            (answered(503), Some(5), "the client answered 503"),
            (no_answer(), Some(5), "no answer: timed out"),
            (Attempt::NotSigned("no key yet".into()), Some(5), "no key yet"),
            (Attempt::NobodyThere, None, "given up: the client wants no messages any more"),
        ] {
            let settled = settle(&message(1), &attempt, NOW);
            let next = again.map(|seconds| NOW.plus(Duration::from_secs(seconds)));
            assert_eq!(settled, Settled::new(7, NOW, next, outcome.into()), "{attempt:?}");
        }
        let refused = Attempt::Posted(Err(OutboundRefusal::NotPublic.into()));
        let settled = settle(&message(1), &refused, NOW);
        assert_eq!(settled.next_try_at, None);
        assert!(settled.outcome.starts_with("given up: "), "{}", settled.outcome);
    }

    #[test]
    fn the_pauses_grow_to_an_hour_and_end_after_a_day() {
        let pauses: Vec<u64> = (1..=7).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(pauses, [5, 20, 80, 320, 1280, 3600, 3600]);
        assert_eq!(pause(u32::MAX).as_secs(), 3600);
        let late = NOW.plus(TRIED_FOR).minus(Duration::from_secs(10));
        assert!(settle(&message(1), &no_answer(), late).next_try_at.is_some());
        let last = settle(&message(9), &no_answer(), late);
        assert_eq!(last.next_try_at, None);
        assert_eq!(last.outcome, "given up: no answer: timed out");
    }
}

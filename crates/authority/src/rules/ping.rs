//! When a ping is delivered, tried again, or given up (OpenID Connect CIBA Core 1.0 section 10.2).

use std::time::Duration;

use keystile_protocol::Timestamp;

use crate::ping::{Ping, PingSettled};
use crate::ports::{Fetched, OutboundError};

/// How long whoever took a ping has for its delivery.
pub const LEASE: Duration = Duration::from_secs(60);
/// The client can poll all the while: it is not called for long.
const TRIES_AT_MOST: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// What a ping's way led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The client has been removed, switched off, or wants no pings any more.
    NobodyThere,
    /// What it says was sealed in an earlier epoch, or with a master key that is gone.
    Unreadable,
    /// It was posted.
    Posted(Result<Fetched, OutboundError>),
}

/// What becomes of the ping after this try. Whatever the client answers, it was told: "The Client
/// SHOULD respond with an HTTP 204", "[the OP] MUST NOT follow redirects". Only a client that could
/// not listen is told again.
pub fn settle(ping: &Ping, attempt: &Attempt, now: Timestamp) -> PingSettled {
    let for_good = |outcome: String| PingSettled::new(ping.request, None, outcome);
    let outcome = match attempt {
        Attempt::NobodyThere => return for_good("given up: the client wants no pings".to_owned()),
        Attempt::Unreadable => return for_good("given up: it cannot be opened".to_owned()),
        // Nothing will be different next time but the configuration.
        Attempt::Posted(Err(OutboundError::Refused(refusal))) => {
            return for_good(format!("given up: {refusal}"));
        }
        Attempt::Posted(Ok(answer)) if answer.status < 500 => {
            return for_good(format!("told (the client answered {})", answer.status));
        }
        Attempt::Posted(Err(OutboundError::TooLong(_))) => {
            return for_good("told (the client answered at length)".to_owned());
        }
        Attempt::Posted(Ok(answer)) => format!("the client answered {}", answer.status),
        Attempt::Posted(Err(error)) => error.to_string(),
    };
    if ping.tries >= TRIES_AT_MOST {
        return for_good(format!("given up: {outcome}"));
    }
    let pause = FIRST_PAUSE * 4_u32.saturating_pow(ping.tries.saturating_sub(1));
    PingSettled::new(ping.request, Some(now.plus(pause)), outcome)
}

#[cfg(test)]
mod tests {
    use keystile_protocol::seal::Sealed;

    use super::*;
    use crate::ids::GrantId;
    use crate::rules::outbound::OutboundRefusal;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn ping(tries: u32) -> Ping {
        let client = crate::fixtures::client_id("app");
        let request = GrantId::from_bytes([1; 16]);
        Ping { request, client, call: Sealed::from_text("sealed"), tries }
    }

    fn answered(status: u16) -> Attempt {
        let fresh_for = Duration::ZERO;
        Attempt::Posted(Ok(Fetched { status, content_type: None, body: Vec::new(), fresh_for }))
    }

    fn no_answer() -> Attempt {
        Attempt::Posted(Err(OutboundError::NoAnswer("timed out".into())))
    }

    #[test]
    fn ciba_10_2_any_answer_ends_it_and_only_silence_and_5xx_are_tried_again() {
        let refused = OutboundError::from(OutboundRefusal::NotPublic);
        for (attempt, again, outcome) in [
            (answered(204), None, "told (the client answered 204)"),
            (answered(200), None, "told (the client answered 200)"),
            (answered(301), None, "told (the client answered 301)"),
            (answered(401), None, "told (the client answered 401)"),
            (answered(403), None, "told (the client answered 403)"),
            (answered(404), None, "told (the client answered 404)"),
            (answered(500), Some(5), "the client answered 500"),
            (answered(503), Some(5), "the client answered 503"),
            (no_answer(), Some(5), "no answer: timed out"),
            (
                Attempt::Posted(Err(OutboundError::TooLong(1))),
                None,
                "told (the client answered at length)",
            ),
            (Attempt::NobodyThere, None, "given up: the client wants no pings"),
            (Attempt::Unreadable, None, "given up: it cannot be opened"),
            (Attempt::Posted(Err(refused.clone())), None, &format!("given up: {refused}")),
        ] {
            let settled = settle(&ping(1), &attempt, NOW);
            let next = again.map(|seconds| NOW.plus(Duration::from_secs(seconds)));
            let expected = PingSettled::new(ping(1).request, next, outcome.to_owned());
            assert_eq!(settled, expected, "{attempt:?}");
        }
    }

    #[test]
    fn it_is_tried_four_times() {
        let pause = |tries| {
            let next = settle(&ping(tries), &no_answer(), NOW).next_try_at;
            next.map(|next| next.since(NOW).as_secs())
        };
        assert_eq!([1, 2, 3, 4].map(pause), [Some(5), Some(20), Some(80), None]);
        let last = settle(&ping(4), &no_answer(), NOW);
        assert_eq!(last.outcome, "given up: no answer: timed out");
    }
}

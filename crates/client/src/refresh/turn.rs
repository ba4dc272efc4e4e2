//! Whose turn it is to send a refresh token: one node's at a time, whatever becomes of that node.

use std::time::Duration;

use keystile_protocol::{Secret, Timestamp};

use crate::session::Tokens;

/// A token with less life than this is not sent any more: it could expire on its way.
pub(crate) const SPARE: Duration = Duration::from_secs(10);
/// How long a claim counts. A node that dies while it has one holds nobody up for longer.
pub(crate) const CLAIM: Duration = Duration::from_secs(5);
/// How often a node that is still at work makes its claim last longer.
pub(crate) const RENEWED_EVERY: Duration = Duration::from_millis(1500);
/// How often a node that waits for another looks again.
pub(crate) const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// How long it does so: longer than a request to the server takes.
const WAITS_AT_MOST: Duration = Duration::from_secs(20);

/// What to do for a request that needs an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Send the token that is there.
    Use,
    /// Claim the session and ask the authorization server for a new one.
    Ask,
    /// Another node asks: look again in a moment.
    Wait,
    /// Another node asks and gets no answer.
    GiveUp,
    /// There is no way to a token that the API takes; the user stays signed in.
    Refused,
    /// The token has expired and there is no refresh token: the user has to sign in again.
    Over,
}

/// What is known when that is decided.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) tokens: &'a Tokens,
    /// A token that an API did not accept.
    pub(crate) refused: Option<&'a Secret>,
    /// See [`crate::session::StoredSession::claimed_until`].
    pub(crate) claimed_until: Timestamp,
    pub(crate) waited: Waited,
    pub(crate) now: Timestamp,
}

impl<'a> Facts<'a> {
    /// Before anybody looked at claims.
    pub(crate) fn new(tokens: &'a Tokens, refused: Option<&'a Secret>, now: Timestamp) -> Self {
        let (claimed_until, waited) = (Timestamp::default(), Waited::default());
        Self { tokens, refused, claimed_until, waited, now }
    }
}

/// How long a request has waited for another node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waited {
    in_all: Duration,
    /// For this claim, which was not made to last longer meanwhile.
    on_this: Duration,
    claim: Timestamp,
}

impl Waited {
    /// One look longer, with that claim before one's eyes.
    pub(crate) fn longer(self, claim: Timestamp) -> Self {
        let before = if self.claim == claim { self.on_this } else { Duration::ZERO };
        Self { in_all: self.in_all + LOOKS_EVERY, on_this: before + LOOKS_EVERY, claim }
    }
}

/// The rules, in the order in which they apply.
pub(crate) fn next(facts: &Facts<'_>) -> Turn {
    if lasts_until(facts, facts.now.plus(SPARE)) && !was_refused(facts) {
        return Turn::Use;
    }
    if facts.tokens.refresh.is_none() {
        return without_refresh_token(facts);
    }
    if !is_claimed(facts) {
        return Turn::Ask;
    }
    if is_usable(facts) {
        return Turn::Use;
    }
    if facts.waited.in_all < WAITS_AT_MOST { Turn::Wait } else { Turn::GiveUp }
}

/// Whether the token can be sent, in the seconds between "soon" and "over" too.
pub(crate) fn is_usable(facts: &Facts<'_>) -> bool {
    lasts_until(facts, facts.now) && !was_refused(facts)
}

fn lasts_until(facts: &Facts<'_>, moment: Timestamp) -> bool {
    facts.tokens.access_expires_at.is_none_or(|expires_at| moment < expires_at)
}

fn was_refused(facts: &Facts<'_>) -> bool {
    facts.refused == Some(&facts.tokens.access)
}

/// A login brings a new token where the old one expired; where an API refused a token that has not
/// expired, nobody knows whether it would, and the user stays.
fn without_refresh_token(facts: &Facts<'_>) -> Turn {
    if is_usable(facts) {
        Turn::Use
    } else if lasts_until(facts, facts.now) {
        Turn::Refused
    } else {
        Turn::Over
    }
}

/// A claim lapses by the clock, and where clocks differ by not having been made to last longer
/// before a waiting node's eyes.
fn is_claimed(facts: &Facts<'_>) -> bool {
    let seen_for = if facts.waited.claim == facts.claimed_until {
        facts.waited.on_this
    } else {
        Duration::ZERO
    };
    facts.now < facts.claimed_until && seen_for < CLAIM
}

#[cfg(test)]
mod tests {
    use keystile_protocol::{AuthorizationDetails, Scope};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(NOW.seconds() + seconds)
    }

    fn tokens(expires_in: Option<i64>, refresh: bool) -> Tokens {
        Tokens {
            access: Secret::new("access"),
            access_expires_at: expires_in.map(at),
            refresh: refresh.then(|| Secret::new("refresh")),
            scope: Scope::default(),
            details: AuthorizationDetails::default(),
        }
    }

    fn waited(claim: Timestamp, looks: u32) -> Waited {
        (0..looks).fold(Waited::default(), |waited, _| waited.longer(claim))
    }

    fn decide(tokens: &Tokens, refused: bool, claimed_for: i64, looks: u32) -> Turn {
        let refused = refused.then(|| tokens.access.clone());
        let claimed_until = if claimed_for == 0 { Timestamp::default() } else { at(claimed_for) };
        let waited = waited(claimed_until, looks);
        next(&Facts { tokens, refused: refused.as_ref(), claimed_until, waited, now: NOW })
    }

    #[test]
    fn one_node_asks_and_the_others_wait() {
        let cases = [
            // expires in, refused, claimed for, looks so far
            (None, false, 0, 0, Turn::Use),
            (Some(11), false, 0, 0, Turn::Use),
            (Some(11), false, 5, 0, Turn::Use),
            (Some(10), false, 0, 0, Turn::Ask),
            (Some(-60), false, 0, 0, Turn::Ask),
            (Some(60), true, 0, 0, Turn::Ask),
            (None, true, 0, 0, Turn::Ask),
            // Another node asks, and the token has some seconds left.
            (Some(10), false, 5, 0, Turn::Use),
            (Some(0), false, 5, 0, Turn::Wait),
            (Some(60), true, 5, 0, Turn::Wait),
            // It died.
            (Some(0), false, -1, 0, Turn::Ask),
            (Some(0), false, 3, 49, Turn::Wait),
            // So it did where its clock is far ahead: five seconds without a sign of life.
            (Some(0), false, 3600, 49, Turn::Wait),
            (Some(0), false, 3600, 50, Turn::Ask),
        ];
        for (expires_in, refused, claimed_for, looks, expected) in cases {
            let turn = decide(&tokens(expires_in, true), refused, claimed_for, looks);
            assert_eq!(turn, expected, "{expires_in:?} {refused} {claimed_for} {looks}");
        }
    }

    #[test]
    fn a_node_that_lives_on_is_waited_for_and_not_for_ever() {
        let tokens = tokens(Some(0), true);
        let mut waited = Waited::default();
        let mut claimed_until = at(5);
        for look in 0..=200 {
            let facts = Facts { tokens: &tokens, refused: None, claimed_until, waited, now: NOW };
            assert_eq!(next(&facts), if look < 200 { Turn::Wait } else { Turn::GiveUp }, "{look}");
            waited = waited.longer(claimed_until);
            if look % 15 == 14 {
                claimed_until = claimed_until.plus(RENEWED_EVERY);
            }
        }
    }

    #[test]
    fn without_a_refresh_token_nobody_asks() {
        let cases = [
            (Some(60), false, Turn::Use),
            (Some(5), false, Turn::Use),
            (Some(60), true, Turn::Refused),
            (None, true, Turn::Refused),
            (Some(0), false, Turn::Over),
            (Some(0), true, Turn::Over),
        ];
        for (expires_in, refused, expected) in cases {
            for claimed_for in [0, 5] {
                let turn = decide(&tokens(expires_in, false), refused, claimed_for, 0);
                assert_eq!(turn, expected, "{expires_in:?} {refused}");
            }
        }
    }
}

//! Refreshing (RFC 6749 section 6, RFC 9700 section 4.14): never lose an honest user.
//!
//! A confidential client's refresh token does not rotate: it is worth nothing without the
//! client's credential. A public client's rotates, and answers get lost. So the token that was used
//! last may come again until its successor is used: for a while it gets the same successor, which
//! may be on its way in another answer; later another one, and the first is passed over. A token
//! that was passed over, or whose successor was used, is in two hands when it comes.

use std::time::Duration;

use keystile_protocol::{ErrorCode, ProtocolError, Scope, Timestamp};

use crate::decisions::Rotation;
use crate::policy::Lifetimes;
use crate::records::{Client, Grant, GrantNow, GrantType};
use crate::rules::authorization_details::still_allowed;

/// How long the token that brought the newest still gets the newest.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(20);

/// What a refresh does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// New access token; the refresh token stays. `touch`: note that it was used.
    Keep {
        /// Whether the last use is to be written.
        touch: bool,
    },
    /// New access token and the refresh token of generation [`Rotation::to`], if the counter
    /// moves.
    Rotate(Rotation),
    /// New access token and the current refresh token again.
    Repeat,
}

/// A refused refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRefusal {
    /// What the client is told.
    pub error: ProtocolError,
    /// Whether an old token was used again, so that the grant ends.
    pub revoke: bool,
}

/// Decides about an authentic refresh token (its MAC is right) of an authenticated client.
pub fn decide(
    presented: u32,
    now_in_store: &GrantNow,
    client: &Client,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Result<Refresh, RefreshRefusal> {
    let refuse = |words: &str, revoke| {
        let error = ProtocolError::new(ErrorCode::InvalidGrant, words);
        Err(RefreshRefusal { error, revoke })
    };
    let grant = &now_in_store.grant;
    if !client.may_use(GrantType::RefreshToken) {
        let words = "the client is not registered for the grant type 'refresh_token'";
        let error = ProtocolError::new(ErrorCode::UnauthorizedClient, words);
        return Err(RefreshRefusal { error, revoke: false });
    }
    if !now_in_store.alive {
        return refuse("the grant was revoked or has ended", false);
    }
    if now >= grant.expires_at {
        return refuse("the refresh token has expired; the user has to sign in again", false);
    }
    if now.since(grant.last_used) >= lifetimes.refresh_idle {
        return refuse("the refresh token was not used for too long", false);
    }
    if !client.is_public() {
        return Ok(Refresh::Keep { touch: is_worth_noting(grant, lifetimes, now) });
    }
    rotation(presented, grant, now)
}

fn rotation(presented: u32, grant: &Grant, now: Timestamp) -> Result<Refresh, RefreshRefusal> {
    let newest = grant.generation;
    let was_last_used = grant.predecessor == Some(presented);
    if was_last_used && now.since(grant.rotated_at) < REPEAT_WINDOW {
        return Ok(Refresh::Repeat);
    }
    // Greater than the newest: the store is older than the token (a restore), which is right.
    if presented >= newest || was_last_used {
        return Ok(Refresh::Rotate(Rotation::after(newest, presented, grant.id, now)));
    }
    let words = "the refresh token was used before; all tokens of its grant are revoked \
                 (RFC 9700 section 4.14.2)";
    Err(RefreshRefusal { error: ProtocolError::new(ErrorCode::InvalidGrant, words), revoke: true })
}

/// Last use is written once in a tenth of the idle lifetime.
fn is_worth_noting(grant: &Grant, lifetimes: &Lifetimes, now: Timestamp) -> bool {
    now.since(grant.last_used) >= lifetimes.refresh_idle / 10
}

/// The scope of the new access token: what is asked for, if it was granted; by default all of it
/// that today's registration still allows. The grant itself keeps its scope.
pub fn scope(asked: Option<Scope>, grant: &Grant, client: &Client) -> Result<Scope, ProtocolError> {
    if let Some(more) = asked.as_ref().and_then(|asked| asked.first_missing_in(&grant.scope)) {
        return Err(ProtocolError::new(
            ErrorCode::InvalidScope,
            format!("the scope '{more}' was not granted (RFC 6749 section 6)"),
        ));
    }
    let scope = asked.filter(|asked| !asked.is_empty()).unwrap_or_else(|| grant.scope.clone());
    let scope = scope.filter(|token| client.scope.contains(token));
    if scope.is_empty() && still_allowed(&grant.details, client).is_empty() {
        return Err(ProtocolError::new(
            ErrorCode::InvalidScope,
            "the client is no longer registered for anything that was granted",
        ));
    }
    Ok(scope)
}

/// The resources of the new access token: those asked for, if the grant allows them (RFC 8707
/// section 2.2) or its authorization details are for them; by default the grant's.
pub fn resources(
    asked: Vec<String>,
    grant: &Grant,
    locations: &[String],
) -> Result<Vec<String>, ProtocolError> {
    if asked.is_empty() {
        return Ok(grant.resources.clone());
    }
    let known = |one: &String| grant.resources.contains(one) || locations.contains(one);
    let foreign = asked.iter().find(|resource| !known(resource));
    match foreign {
        Some(foreign) if !grant.resources.is_empty() => Err(ProtocolError::new(
            ErrorCode::InvalidTarget,
            format!("the resource '{foreign}' was not granted (RFC 8707 section 2.2)"),
        )),
        _ => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::records::ClientKind;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn public() -> Client {
        let mut client = fixtures::client();
        client.kind = ClientKind::Public { native: false };
        client.grant_types.push(GrantType::RefreshToken);
        client
    }

    fn confidential() -> Client {
        let mut client = fixtures::client();
        client.grant_types.push(GrantType::RefreshToken);
        client
    }

    /// At generation 5, which came of 3 since the answer with 4 was lost, ten seconds ago.
    fn state() -> GrantNow {
        let mut grant = fixtures::grant(NOW);
        (grant.generation, grant.predecessor) = (5, Some(3));
        grant.rotated_at = NOW.minus(Duration::from_secs(10));
        GrantNow { grant, alive: true, token_revoked: false }
    }

    fn of(presented: u32, state: &GrantNow, client: &Client) -> Result<Refresh, RefreshRefusal> {
        decide(presented, state, client, &Lifetimes::default(), NOW)
    }

    #[test]
    fn a_public_clients_counter_rfc_9700_4_14_2() {
        enum Then {
            Repeat,
            Rotate { to: u32 },
            Revoke,
        }
        use Then::{Repeat, Revoke, Rotate};
        let window = REPEAT_WINDOW.as_secs();
        let table = [
            ("the newest rotates", 5, 10, Rotate { to: 6 }),
            ("also after weeks", 5, 2_000_000, Rotate { to: 6 }),
            ("its answer was lost", 3, window - 1, Repeat),
            (
                "lost, and long ago: another, and the first is passed over",
                3,
                window,
                Rotate { to: 6 },
            ),
            ("lost weeks ago", 3, 2_000_000, Rotate { to: 6 }),
            ("passed over: it was not lost, then", 4, 10, Revoke),
            ("passed over, later", 4, 2_000_000, Revoke),
            ("its successor was used", 2, 10, Revoke),
            ("the first of all", 0, 2_000_000, Revoke),
            ("the store went back in time", 9, 10, Rotate { to: 10 }),
        ];
        for (name, presented, seconds, then) in table {
            let mut state = state();
            state.grant.rotated_at = NOW.minus(Duration::from_secs(seconds));
            let (grant, from, at) = (state.grant.id, 5, NOW);
            let decided = of(presented, &state, &public());
            match then {
                Repeat => assert_eq!(decided, Ok(Refresh::Repeat), "{name}"),
                Rotate { to } => {
                    let rotation = Rotation { grant, from, to, presented, at };
                    assert_eq!(decided, Ok(Refresh::Rotate(rotation)), "{name}");
                }
                Revoke => assert!(decided.expect_err(name).revoke, "{name}"),
            }
        }
    }

    #[test]
    fn a_confidential_clients_token_does_not_rotate() {
        for presented in [0, 4, 5, 9] {
            assert_eq!(
                of(presented, &state(), &confidential()),
                Ok(Refresh::Keep { touch: false })
            );
        }
        let mut seldom = state();
        seldom.grant.last_used = NOW.minus(Lifetimes::default().refresh_idle / 10);
        assert_eq!(of(5, &seldom, &confidential()), Ok(Refresh::Keep { touch: true }));
    }

    #[test]
    fn a_dead_expired_or_idle_grant_refreshes_nothing() {
        let lifetimes = Lifetimes::default();
        let changes: [&dyn Fn(&mut GrantNow); 3] =
            [&|s| s.alive = false, &|s| s.grant.expires_at = NOW, &|s| {
                s.grant.last_used = NOW.minus(lifetimes.refresh_idle);
            }];
        for change in changes {
            for client in [public(), confidential()] {
                let mut state = state();
                change(&mut state);
                let refusal = of(5, &state, &client).expect_err("ended");
                assert!(!refusal.revoke);
                assert_eq!(refusal.error.error, ErrorCode::InvalidGrant);
            }
        }
        let unregistered = Client { grant_types: vec![GrantType::AuthorizationCode], ..public() };
        let refusal = of(5, &state(), &unregistered).expect_err("not registered");
        assert_eq!(refusal.error.error, ErrorCode::UnauthorizedClient);
    }

    #[test]
    fn scope_can_be_narrowed_and_never_widened_rfc_6749_6() {
        let text = |t: &str| Scope::try_from(t).expect("tokens");
        let grant = state().grant;
        let client = confidential();
        assert_eq!(scope(None, &grant, &client), Ok(grant.scope.clone()));
        assert_eq!(scope(Some(text("openid")), &grant, &client), Ok(text("openid")));
        assert!(scope(Some(text("openid photos:order")), &grant, &client).is_err());
        let nothing_left = Client { scope: text("mail:read"), ..client };
        assert!(scope(None, &grant, &nothing_left).is_err());
    }

    #[test]
    fn resources_can_be_narrowed_and_never_widened_rfc_8707_2_2() {
        let mut grant = state().grant;
        let names = |r: &[&str]| r.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>();
        assert_eq!(resources(names(&["a"]), &grant, &[]), Ok(names(&["a"])));
        grant.resources = names(&["a", "b"]);
        assert_eq!(resources(vec![], &grant, &[]), Ok(names(&["a", "b"])));
        assert_eq!(resources(names(&["b"]), &grant, &[]), Ok(names(&["b"])));
        assert!(resources(names(&["c"]), &grant, &[]).is_err());
        assert!(resources(names(&["c"]), &grant, &names(&["c"])).is_ok(), "RFC 9396 section 2.2");
    }
}

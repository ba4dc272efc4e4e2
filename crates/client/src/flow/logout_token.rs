use std::time::Duration;

use keystile_protocol::jose::{Algorithm, JoseError, KeySet, SignedToken};
use keystile_protocol::logout_token::{EVENT, LogoutTokenClaims, TYPE};
use keystile_protocol::{ClientId, Issuer, Timestamp};

/// A logout token that is older than this is refused, whatever its `exp` says.
pub const LOGOUT_TOKEN_LIFETIME: Duration = Duration::from_mins(10);

/// What a logout token is held against (OpenID Connect Back-Channel Logout 1.0 section 2.6).
#[derive(Clone, Copy, Debug)]
pub struct LogoutTokenRules<'a> {
    /// Compared as a string.
    pub issuer: &'a Issuer,
    /// The client itself; any other audience is refused.
    pub client_id: &'a ClientId,
    /// As for ID tokens: see [`super::allowed_algorithms`].
    pub algorithms: &'a [Algorithm],
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Why a logout token is not believed. The texts hold nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogoutTokenError {
    /// Not a JWS, an algorithm that is not allowed, an unknown key, a wrong signature.
    #[error("{0}")]
    Jose(#[from] JoseError),
    /// Another kind of token.
    #[error("its typ is not logout+jwt (section 2.4)")]
    Type,
    /// Another issuer's.
    #[error("iss is another issuer")]
    Issuer,
    /// Somebody else's.
    #[error("aud is not this client alone")]
    Audience,
    /// Too old, or from the future.
    #[error("it has expired or is not valid yet by this machine's clock: do the clocks differ?")]
    Time,
    /// Not about a logout.
    #[error("events does not name the back-channel logout event (section 2.4)")]
    Event,
    /// About nobody.
    #[error("it has neither sub nor sid (section 2.4)")]
    Nobody,
    /// It could be an ID token.
    #[error("it has a nonce, which a logout token must not have (section 2.4)")]
    Nonce,
    /// It has no name, or one without end.
    #[error("jti is empty or too long")]
    Name,
}

/// Believes a logout token, or says why not, by the steps of section 2.6. That its `jti` comes
/// once is for the caller to see to.
pub fn check_logout_token(
    token: &str,
    keys: &KeySet,
    rules: &LogoutTokenRules<'_>,
    now: Timestamp,
) -> Result<LogoutTokenClaims, LogoutTokenError> {
    let parsed = SignedToken::parse(token)?;
    let typ = parsed.header.typ.as_deref();
    let typ = typ.map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    // "JWT" is what servers write that are older than the explicit type.
    if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case(TYPE) && !typ.eq_ignore_ascii_case("JWT")) {
        return Err(LogoutTokenError::Type);
    }
    let claims: LogoutTokenClaims = parsed.verify(keys, rules.algorithms)?;
    if claims.iss != *rules.issuer {
        return Err(LogoutTokenError::Issuer);
    }
    if !claims.aud.iter().eq([rules.client_id.as_str()]) {
        return Err(LogoutTokenError::Audience);
    }
    check_times(&claims, rules.leeway, now)?;
    let empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    if empty(&claims.sub) && empty(&claims.sid) {
        return Err(LogoutTokenError::Nobody);
    }
    if !claims.events.get(EVENT).is_some_and(serde_json::Value::is_object) {
        return Err(LogoutTokenError::Event);
    }
    if claims.nonce.is_some() {
        return Err(LogoutTokenError::Nonce);
    }
    if claims.jti.is_empty() || claims.jti.len() > 256 {
        return Err(LogoutTokenError::Name);
    }
    Ok(claims)
}

fn check_times(
    claims: &LogoutTokenClaims,
    leeway: Duration,
    now: Timestamp,
) -> Result<(), LogoutTokenError> {
    let issued = Timestamp::from_seconds(claims.iat);
    let expires = Timestamp::from_seconds(claims.exp);
    let good = now < expires.plus(leeway)
        && issued <= now.plus(leeway)
        && now.since(issued) <= LOGOUT_TOKEN_LIFETIME;
    if good { Ok(()) } else { Err(LogoutTokenError::Time) }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{JwkSet, SigningKey};
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn check(typ: &str, change: impl FnOnce(&mut Value)) -> Result<(), LogoutTokenError> {
        let key = SigningKey::generate(Algorithm::ES256).expect("made").key;
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
        let mut claims = json!({
            "iss": "https://login.example", "aud": "app", "sub": "alice", "sid": "s",
            "iat": NOW, "exp": NOW + 120, "jti": "j", "events": { EVENT: {} },
        });
        change(&mut claims);
        let token = key.sign(typ, &claims).expect("signed");
        let rules = LogoutTokenRules {
            issuer: &Issuer::try_from("https://login.example").expect("good"),
            client_id: &ClientId::new("app").expect("good"),
            algorithms: &[Algorithm::ES256],
            leeway: Duration::from_secs(30),
        };
        check_logout_token(&token, &keys, &rules, Timestamp::from_seconds(NOW)).map(drop)
    }

    fn without(member: &'static str) -> impl FnOnce(&mut Value) {
        move |claims| drop(claims.as_object_mut().expect("an object").remove(member))
    }

    #[test]
    fn back_channel_logout_2_6_a_good_token_is_believed() {
        for typ in ["logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "JWT"] {
            assert_eq!(check(typ, |_| ()), Ok(()), "{typ}");
        }
        assert_eq!(check(TYPE, without("sub")), Ok(()));
        assert_eq!(check(TYPE, without("sid")), Ok(()));
        assert_eq!(check(TYPE, |c| c["aud"] = json!(["app"])), Ok(()));
    }

    #[test]
    fn back_channel_logout_2_6_each_rule_refuses() {
        use LogoutTokenError as E;
        assert_eq!(check("at+jwt", |_| ()), Err(E::Type));
        assert_eq!(check(TYPE, |c| c["iss"] = json!("https://evil.example")), Err(E::Issuer));
        assert_eq!(check(TYPE, |c| c["aud"] = json!("other")), Err(E::Audience));
        assert_eq!(check(TYPE, |c| c["aud"] = json!(["app", "other"])), Err(E::Audience));
        assert_eq!(check(TYPE, |c| c["exp"] = json!(NOW - 30)), Err(E::Time));
        assert_eq!(check(TYPE, |c| c["iat"] = json!(NOW + 31)), Err(E::Time));
        assert_eq!(check(TYPE, |c| c["iat"] = json!(NOW - 601)), Err(E::Time));
        assert_eq!(check(TYPE, |c| c["events"] = json!({})), Err(E::Event));
        assert_eq!(check(TYPE, |c| c["events"] = json!({ EVENT: "x" })), Err(E::Event));
        assert_eq!(check(TYPE, |c| c["nonce"] = json!("n")), Err(E::Nonce));
        assert_eq!(check(TYPE, |c| c["jti"] = json!("")), Err(E::Name));
        for missing in ["iss", "aud", "iat", "exp", "jti", "events"] {
            assert!(matches!(check(TYPE, without(missing)), Err(E::Jose(_))), "{missing}");
        }
        let nobody = |c: &mut Value| {
            without("sub")(c);
            without("sid")(c);
        };
        assert_eq!(check(TYPE, nobody), Err(E::Nobody));
    }
}

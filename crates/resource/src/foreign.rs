//! Claims of servers that do not keep to RFC 9068, and of introspection answers (RFC 7662 section
//! 2.2), where everything but `active` is optional: made into those of an access token, or refused.

use std::time::Duration;

use keystile_protocol::access_token::Confirmation;
use keystile_protocol::encoding::base64url;
use keystile_protocol::messages::Audience;
use keystile_protocol::time::numeric_date;
use keystile_protocol::token_exchange::Actor;
use keystile_protocol::{ClientId, Issuer, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::{AccessTokenClaims, AccessTokenError, AuthorizationDetails, Scope};

/// As much as is understood.
#[derive(Debug, Deserialize)]
pub(crate) struct ForeignClaims {
    /// Of introspection answers.
    #[serde(default)]
    pub(crate) active: bool,
    #[serde(default)]
    iss: Option<Issuer>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    username: Option<IgnoredAny>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "numeric_date")]
    exp: Option<i64>,
    #[serde(default, deserialize_with = "numeric_date")]
    iat: Option<i64>,
    #[serde(default, deserialize_with = "numeric_date")]
    nbf: Option<i64>,
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    client_id: Option<ClientId>,
    /// The client, where `client_id` is absent: Keycloak, Auth0, Entra ID.
    #[serde(default)]
    azp: Option<ClientId>,
    /// The same at Okta.
    #[serde(default)]
    cid: Option<ClientId>,
    #[serde(default)]
    scope: Option<Words>,
    /// The scope at Okta (a list) and Entra ID (text).
    #[serde(default)]
    scp: Option<Words>,
    #[serde(default, deserialize_with = "numeric_date")]
    auth_time: Option<i64>,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    cnf: Option<Confirmation>,
    #[serde(default)]
    authorization_details: AuthorizationDetails,
    #[serde(default)]
    act: Option<Actor>,
    #[serde(default)]
    may_act: Option<Actor>,
    #[serde(default)]
    token_type: Option<String>,
    /// Which kind of token it is: Keycloak.
    #[serde(default)]
    typ: Option<String>,
    /// Which kind of token it is: Cognito.
    #[serde(default)]
    token_use: Option<String>,
    /// Of ID tokens alone.
    #[serde(default)]
    at_hash: Option<IgnoredAny>,
    #[serde(default)]
    c_hash: Option<IgnoredAny>,
    /// Of logout tokens and other security events.
    #[serde(default)]
    events: Option<IgnoredAny>,
}

/// Words as text with spaces, or as a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::List(list) => list.join(" "),
        }
    }
}

/// What stands in where claims are absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults<'a> {
    /// SHA-256 of the token: its name, if it has no other.
    pub(crate) digest: &'a [u8; 32],
    /// When it was seen.
    pub(crate) now: Timestamp,
    /// Who was asked about it; nobody about a JWT, which has to say more by itself.
    pub(crate) asked: Option<Asked<'a>>,
}

/// What is known by asking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Whoever vouches for a token without saying whose it is vouches for its own.
    pub(crate) issuer: &'a Issuer,
    /// How long the answer counts.
    pub(crate) life: Duration,
}

impl ForeignClaims {
    /// The claims of an access token. Absent claims that nobody may miss are an error.
    pub(crate) fn into_access_token(
        self,
        defaults: &Defaults<'_>,
    ) -> Result<AccessTokenClaims, AccessTokenError> {
        self.is_access_token()?;
        let missing = |name: &str| AccessTokenError::Missing(name.to_owned());
        let client_id = self.client_id.or(self.azp).or(self.cid);
        // An answer without any user is about a client that comes for itself. A JWT without `sub`
        // may be some user's, and all of those would be one.
        let itself = client_id.clone().filter(|_| defaults.asked.is_some());
        let sub = self.sub.or(itself.filter(|_| self.username.is_none()).map(String::from));
        let scope = self.scope.or(self.scp).map(Words::text).unwrap_or_default();
        let by_life = defaults.asked.map(|asked| defaults.now.plus(asked.life).seconds());
        let asked = defaults.asked.map(|asked| asked.issuer.clone());
        Ok(AccessTokenClaims {
            iss: self.iss.or(asked).ok_or_else(|| missing("iss"))?,
            sub: sub.ok_or_else(|| missing("sub"))?,
            aud: self.aud.unwrap_or_else(|| Audience::from(Vec::new())),
            exp: self.exp.or(by_life).ok_or_else(|| missing("exp"))?,
            iat: self.iat.or(self.nbf).unwrap_or_else(|| defaults.now.seconds()),
            nbf: self.nbf,
            jti: self.jti.unwrap_or_else(|| base64url(defaults.digest)),
            client_id: client_id.ok_or_else(|| missing("client_id"))?,
            scope: Scope::try_from(scope.as_str()).map_err(|_| missing("scope"))?,
            auth_time: self.auth_time,
            acr: self.acr,
            gid: None,
            cnf: self.cnf,
            authorization_details: self.authorization_details,
            act: self.act,
            may_act: self.may_act,
        })
    }

    /// Where `typ` in the header does not tell an access token from its neighbours, claims have to
    /// (RFC 8725 section 3.12).
    fn is_access_token(&self) -> Result<(), AccessTokenError> {
        let named = |name: &Option<String>, allowed: &[&str]| {
            name.as_ref().is_none_or(|n| allowed.iter().any(|a| n.eq_ignore_ascii_case(a)))
        };
        let by_name = named(&self.typ, &["Bearer", "DPoP", "at+jwt"])
            && named(&self.token_use, &["access", "access_token"]);
        let hashes = self.at_hash.is_some() || self.c_hash.is_some();
        if !by_name || hashes || self.events.is_some() {
            return Err(AccessTokenError::AnotherKind);
        }
        let said_bound = self.token_type.as_ref().is_some_and(|t| t.eq_ignore_ascii_case("DPoP"));
        if said_bound && self.cnf.as_ref().is_none_or(|cnf| cnf.jkt.is_none()) {
            return Err(AccessTokenError::Bound);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// As an answer about a token that counts for that many seconds, or as a JWT.
    fn read(claims: &Value, life: Option<u64>) -> Result<AccessTokenClaims, AccessTokenError> {
        let issuer = Issuer::try_from("https://login.example").expect("good");
        let asked = life.map(|life| Asked { issuer: &issuer, life: Duration::from_secs(life) });
        let defaults = Defaults { digest: &[7; 32], now: NOW, asked };
        let foreign: ForeignClaims = serde_json::from_value(claims.clone()).expect("readable");
        foreign.into_access_token(&defaults)
    }

    #[test]
    fn the_claims_of_other_servers_are_understood() {
        let keycloak = json!({
            "exp": 1_800_000_300, "iat": 1_800_000_000, "jti": "onrtac:1", "typ": "Bearer",
            "iss": "https://login.example", "sub": "f81d", "azp": "printer", "sid": "s",
            "aud": ["https://photos.example", "account"], "acr": "1",
            "realm_access": { "roles": ["user"] }, "scope": "openid photos:read",
        });
        let claims = read(&keycloak, None).expect("good");
        assert_eq!(claims.client_id.as_str(), "printer");
        assert!(claims.aud.contains("https://photos.example"));
        assert!(claims.scope.contains("photos:read"));
        let okta = json!({
            "iss": "https://login.example", "sub": "alice@example.com", "cid": "printer",
            "scp": ["a", "b"], "exp": 1_800_000_300.5,
        });
        let claims = read(&okta, None).expect("good");
        assert_eq!((claims.scope.as_str(), claims.client_id.as_str()), ("a b", "printer"));
        assert_eq!((claims.exp, claims.iat), (1_800_000_300, NOW.seconds()));
        let entra = json!({
            "iss": "https://login.example", "azp": "printer", "scp": "a b", "sub": "s", "exp": 1,
        });
        assert_eq!(read(&entra, None).expect("good").scope.as_str(), "a b");
    }

    #[test]
    fn what_an_introspection_answer_may_leave_out_rfc_7662_2_2() {
        let claims = read(&json!({ "active": true, "client_id": "c" }), Some(30)).expect("good");
        assert_eq!(claims.exp, NOW.seconds() + 30);
        assert_eq!(claims.jti, base64url([7; 32]));
        assert_eq!(claims.aud.iter().count(), 0, "it names none");
        assert_eq!(claims.sub, "c", "it comes for itself");
        for claims in [
            json!({ "active": true, "sub": "alice" }),
            json!({ "active": true, "client_id": "c", "username": "alice" }),
            json!({ "active": true, "client_id": "c", "scope": "a\"b" }),
        ] {
            let refused = read(&claims, Some(30));
            assert!(matches!(refused, Err(AccessTokenError::Missing(_))), "{claims}");
        }
    }

    #[test]
    fn a_jwt_has_to_say_by_itself_whose_and_until_when_it_is() {
        let whole = json!({
            "iss": "https://login.example", "sub": "alice", "client_id": "c", "exp": 1,
        });
        assert!(read(&whole, None).is_ok());
        for name in ["iss", "sub", "client_id", "exp"] {
            let mut claims = whole.clone();
            claims.as_object_mut().expect("an object").remove(name);
            assert_eq!(read(&claims, None), Err(AccessTokenError::Missing(name.to_owned())));
        }
    }

    #[test]
    fn what_is_no_access_token_is_refused_rfc_8725_3_12() {
        let with = |name: &str, value: Value| {
            let mut claims =
                json!({ "iss": "https://a.example", "sub": "s", "client_id": "c", "exp": 1 });
            claims[name] = value;
            claims
        };
        for claims in [
            with("typ", json!("ID")),
            with("typ", json!("Refresh")),
            with("typ", json!("Logout")),
            with("token_use", json!("id")),
            with("at_hash", json!("x")),
            with("c_hash", json!("x")),
            with("events", json!({})),
        ] {
            assert_eq!(read(&claims, None), Err(AccessTokenError::AnotherKind), "{claims}");
        }
        for claims in [with("typ", json!("DPoP")), with("token_use", json!("access"))] {
            assert!(read(&claims, None).is_ok(), "{claims}");
        }
        let unsaid = with("token_type", json!("DPoP"));
        assert_eq!(read(&unsaid, None), Err(AccessTokenError::Bound), "to which key?");
    }
}

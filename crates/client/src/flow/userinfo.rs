use keystile_protocol::jose::{Algorithm, JoseError, KeySet, SignedToken};
use keystile_protocol::messages::Audience;
use keystile_protocol::{ClientId, Issuer};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Members that are about the response and not about the user.
const NOT_ABOUT_THE_USER: [&str; 7] = ["sub", "iss", "aud", "exp", "iat", "nonce", "azp"];

/// Why a userinfo response is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserinfoError {
    /// No claims.
    #[error("it is not a JSON object")]
    Malformed,
    /// "if they do not match, the UserInfo Response values MUST NOT be used"
    #[error("sub is not the ID token's")]
    Subject,
    /// The client is registered for signed ones (`userinfo_signed_response_alg`).
    #[error("it is not signed, as the client is registered")]
    Plain,
    /// Not a JWS, an algorithm that is not allowed, an unknown key, a wrong signature.
    #[error("{0}")]
    Jose(#[from] JoseError),
    /// Signed by somebody else.
    #[error("iss is another issuer")]
    Issuer,
    /// Signed for somebody else.
    #[error("aud does not name this client")]
    Audience,
}

/// What a signed userinfo response is held against (OpenID Connect Core 1.0 section 5.3.2).
#[derive(Clone, Copy, Debug)]
pub struct UserinfoRules<'a> {
    /// `iss`, where it is there.
    pub issuer: &'a Issuer,
    /// Among `aud`, where it is there.
    pub client_id: &'a ClientId,
    /// What may have signed it.
    pub algorithms: &'a [Algorithm],
    /// The ID token's.
    pub subject: &'a str,
}

/// "SHOULD contain the Claims iss (issuer) and aud (audience)".
#[derive(Deserialize)]
struct About {
    iss: Option<Issuer>,
    aud: Option<Audience>,
}

/// Reads the user's claims out of a userinfo response (OpenID Connect Core 1.0 section 5.3.2), or
/// says why they are not to be believed. `subject` is the ID token's.
pub fn read_userinfo(body: &[u8], subject: &str) -> Result<Map<String, Value>, UserinfoError> {
    let claims = serde_json::from_slice(body).map_err(|_| UserinfoError::Malformed)?;
    of_subject(claims, subject)
}

/// The same of one that is signed (`application/jwt`).
pub fn read_signed_userinfo(
    token: &str,
    keys: &KeySet,
    rules: &UserinfoRules<'_>,
) -> Result<Map<String, Value>, UserinfoError> {
    let claims: Value = SignedToken::parse(token)?.verify(keys, rules.algorithms)?;
    let about = About::deserialize(&claims).map_err(|_| UserinfoError::Malformed)?;
    if about.iss.is_some_and(|iss| iss != *rules.issuer) {
        return Err(UserinfoError::Issuer);
    }
    if about.aud.is_some_and(|aud| !aud.contains(rules.client_id.as_str())) {
        return Err(UserinfoError::Audience);
    }
    let Value::Object(claims) = claims else { return Err(UserinfoError::Malformed) };
    of_subject(claims, rules.subject)
}

fn of_subject(
    mut claims: Map<String, Value>,
    subject: &str,
) -> Result<Map<String, Value>, UserinfoError> {
    if claims.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(UserinfoError::Subject);
    }
    claims.retain(|name, _| !NOT_ABOUT_THE_USER.contains(&name.as_str()));
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{JwkSet, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::flow::test_values::issuer;

    #[test]
    fn only_the_same_users_claims_openid_core_5_3_2() {
        let body = br#"{"sub":"a","iss":"x","aud":"y","email":"a@b"}"#;
        let claims = read_userinfo(body, "a").expect("good");
        assert_eq!(Value::from(claims), json!({"email": "a@b"}));
        for other in [&body[..], b"{}", br#"{"sub":1}"#, b"[]", b"eyJhbGciOi.x.y", b""] {
            assert!(read_userinfo(other, "b").is_err());
        }
    }

    #[test]
    fn a_signed_response_is_the_issuers_for_this_client_openid_core_5_3_2() {
        use UserinfoError as E;
        let made = |algorithm| SigningKey::generate(algorithm).expect("made").key;
        let (key, stranger) = (made(Algorithm::ES256), made(Algorithm::ES256));
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
        let client_id = ClientId::new("app").expect("valid");
        let read = |key: &SigningKey, algorithms: &[Algorithm], claims: Value| {
            let rules = UserinfoRules {
                issuer: &issuer(),
                client_id: &client_id,
                algorithms,
                subject: "a",
            };
            let token = key.sign("JWT", &claims).expect("signed");
            read_signed_userinfo(&token, &keys, &rules)
        };
        let es256 = &[Algorithm::ES256][..];
        let good = json!({"iss": issuer(), "aud": ["app"], "sub": "a", "email": "a@b"});
        let claims = read(&key, es256, good.clone()).expect("good");
        assert_eq!(Value::from(claims), json!({"email": "a@b"}));
        assert!(read(&key, es256, json!({"sub": "a"})).is_ok(), "SHOULD");
        for (member, value, error) in [
            ("iss", json!("https://evil.example"), E::Issuer),
            ("aud", json!("another"), E::Audience),
            ("aud", json!({}), E::Malformed),
            ("sub", json!("b"), E::Subject),
        ] {
            let mut claims = good.clone();
            claims[member] = value;
            assert_eq!(read(&key, es256, claims), Err(error), "{member}");
        }
        assert_eq!(read(&key, es256, json!([])), Err(E::Malformed));
        assert!(matches!(read(&stranger, es256, good.clone()), Err(E::Jose(_))));
        assert!(matches!(read(&key, &[Algorithm::RS256], good), Err(E::Jose(_))));
    }
}

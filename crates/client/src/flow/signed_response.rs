use std::time::Duration;

use keystile_protocol::jose::{Algorithm, JoseError, KeySet, SignedToken};
use keystile_protocol::messages::{Audience, Metadata};
use keystile_protocol::{ClientId, Issuer, Params, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a signed authorization response is held against (JARM section 2.4).
#[derive(Clone, Copy, Debug)]
pub struct SignedResponseRules<'a> {
    /// Whom the app trusts; compared as a string.
    pub issuer: &'a Issuer,
    /// The client itself; any other audience is refused.
    pub client_id: &'a ClientId,
    /// See [`response_algorithms`].
    pub algorithms: &'a [Algorithm],
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Why a signed authorization response is not believed. The texts hold nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedResponseError {
    /// A plain one came, though a signed one was asked for.
    #[error("it is not signed, though response_mode=jwt was asked for")]
    Missing,
    /// Not a JWS, an algorithm that is not allowed, an unknown key, a wrong signature.
    #[error("{0}")]
    Jose(#[from] JoseError),
    /// Section 2.4, rule 3: another server's, which is mix-up.
    #[error("iss is another issuer")]
    Issuer,
    /// Section 2.4, rule 4.
    #[error("aud is not this client alone")]
    Audience,
    /// Section 2.4, rule 5.
    #[error("it has expired by this machine's clock: do the clocks differ?")]
    Expired,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// The algorithms that signed responses are believed with: what the server offers among those that
/// we know and `allowed`, otherwise the standard's default RS256 (JARM section 3).
pub fn response_algorithms(allowed: &[Algorithm], metadata: &Metadata) -> Vec<Algorithm> {
    let offered = &metadata.authorization_signing_alg_values_supported;
    let known: Vec<_> = if offered.is_empty() {
        vec![Algorithm::RS256]
    } else {
        offered.iter().filter_map(|name| Algorithm::from_name(name)).collect()
    };
    known.into_iter().filter(|algorithm| allowed.contains(algorithm)).collect()
}

/// Believes a signed authorization response, or says why not. What comes out is for
/// [`super::check_callback`], as if it had come unsigned.
pub fn open_response(
    response: &str,
    keys: &KeySet,
    rules: &SignedResponseRules<'_>,
    now: Timestamp,
) -> Result<Params, SignedResponseError> {
    let token = SignedToken::parse(response)?;
    let claims: Claims = token.verify(keys, rules.algorithms)?;
    if claims.iss != rules.issuer.as_str() {
        return Err(SignedResponseError::Issuer);
    }
    if !claims.aud.iter().eq([rules.client_id.as_str()]) {
        return Err(SignedResponseError::Audience);
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far from 2^52")]
    let oldest = now.minus(rules.leeway).seconds() as f64;
    if claims.exp <= oldest {
        return Err(SignedResponseError::Expired);
    }
    let texts = claims.rest.into_iter().filter_map(|(name, value)| match value {
        Value::String(text) => Some((name, text)),
        _ => None,
    });
    Ok(texts.chain([("iss".to_owned(), claims.iss)]).collect())
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{JwkSet, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::flow::test_values::{NOW, issuer, metadata};

    fn opened(key: &SigningKey, claims: &Value) -> Result<Params, SignedResponseError> {
        let published = SigningKey::generate(Algorithm::ES256).expect("a key").key;
        let keys = vec![published.public().clone(), key.public().clone()];
        let id = ClientId::new("app").expect("valid");
        let rules = SignedResponseRules {
            issuer: &issuer(),
            client_id: &id,
            algorithms: &[Algorithm::ES256],
            leeway: Duration::from_secs(30),
        };
        let response = key.sign("JWT", claims).expect("signed");
        open_response(&response, &KeySet::from_jwks(&JwkSet { keys }), &rules, NOW)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = json!({
            "iss": "https://login.example", "aud": "app", "exp": NOW.seconds() + 60,
            "code": "abc", "state": "s", "expires_in": 5,
        });
        claims[name] = value;
        claims
    }

    #[test]
    fn a_signed_response_is_held_against_jarm_2_4() {
        use SignedResponseError::{Audience, Expired, Issuer};
        let key = SigningKey::generate(Algorithm::ES256).expect("a key").key;
        let params = opened(&key, &with("error_uri", json!("x"))).expect("good");
        for (name, value) in [("code", "abc"), ("state", "s"), ("iss", "https://login.example")] {
            assert_eq!(params.required(name), Ok(value));
        }
        assert!(opened(&key, &with("aud", json!(["app"]))).is_ok());
        assert!(opened(&key, &with("exp", json!(NOW.seconds() - 29))).is_ok());
        for (name, value, error) in [
            ("iss", json!("https://evil.example"), Issuer),
            ("iss", json!("https://login.example/"), Issuer),
            ("aud", json!("other"), Audience),
            ("aud", json!(["app", "other"]), Audience),
            ("aud", json!([]), Audience),
            ("exp", json!(NOW.seconds() - 30), Expired),
        ] {
            assert_eq!(opened(&key, &with(name, value.clone())), Err(error), "{name} {value}");
        }
        for name in ["iss", "aud", "exp"] {
            let answer = opened(&key, &with(name, Value::Null));
            assert!(matches!(answer, Err(SignedResponseError::Jose(_))), "{name}");
        }
    }

    #[test]
    fn who_signs_and_with_what_is_checked_rfc_8725_3_1() {
        let rsa = SigningKey::generate(Algorithm::RS256).expect("a key").key;
        let other = opened(&rsa, &with("state", json!("s")));
        assert!(matches!(other, Err(SignedResponseError::Jose(JoseError::Algorithm(_)))));
        let id = ClientId::new("app").expect("valid");
        let algorithms = [Algorithm::ES256];
        let leeway = Duration::ZERO;
        let rules = SignedResponseRules {
            issuer: &issuer(),
            client_id: &id,
            algorithms: &algorithms,
            leeway,
        };
        let stranger = SigningKey::generate(Algorithm::ES256).expect("a key").key;
        let signed = stranger.sign("JWT", &with("state", json!("s"))).expect("signed");
        let keys = KeySet::from_jwks(&JwkSet::default());
        for response in [signed.as_str(), "", "a.b.c", "e30.e30."] {
            let answer = open_response(response, &keys, &rules, NOW);
            assert!(matches!(answer, Err(SignedResponseError::Jose(_))), "{response}");
        }
    }

    #[test]
    fn algorithms_are_the_servers_among_the_allowed_and_rs256_by_default_jarm_3() {
        let mut metadata = metadata();
        assert_eq!(response_algorithms(&Algorithm::ALL, &metadata), [Algorithm::RS256]);
        assert!(response_algorithms(&[Algorithm::ES256], &metadata).is_empty());
        let offered = ["none", "HS256", "PS256", "RS256", "ES256"].map(str::to_owned);
        metadata.authorization_signing_alg_values_supported = offered.into();
        let both = [Algorithm::ES256, Algorithm::PS256];
        assert_eq!(response_algorithms(&both, &metadata), [Algorithm::PS256, Algorithm::ES256]);
    }
}

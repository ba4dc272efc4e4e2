use std::time::Duration;

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::JoseError;
use keystile_protocol::{ClientId, Issuer, Secret, Timestamp, client_assertion};
use serde_json::json;

use super::ClientKey;

/// An assertion is made for one request and sent at once.
const LIFETIME: Duration = Duration::from_mins(1);

/// The parameters by which a client proves itself with its key (RFC 7523 section 2.2). They are
/// good for one request: a repeated one needs new ones. `random` becomes the assertion's name.
///
/// The audience is the issuer, and that alone: an assertion that names an endpoint can be used by
/// whoever made the app believe in that endpoint (FAPI 2.0 Security Profile section 5.3.3.1).
pub fn client_assertion(
    key: &ClientKey,
    client_id: &ClientId,
    issuer: &Issuer,
    now: Timestamp,
    random: [u8; 16],
) -> Result<[(&'static str, Secret); 2], JoseError> {
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": base64url(random),
        "iat": now.seconds(),
        "exp": now.plus(LIFETIME).seconds(),
    });
    let assertion = Secret::new(key.sign("JWT", &claims)?);
    Ok([
        ("client_assertion_type", Secret::new(client_assertion::TYPE)),
        ("client_assertion", assertion),
    ])
}

#[cfg(test)]
mod tests {
    use keystile_protocol::client_assertion::ClientAssertionClaims;
    use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SignedToken};

    use super::*;
    use crate::flow::test_values::{NOW, issuer};

    #[test]
    fn an_assertion_has_the_claims_of_rfc_7523_3_and_one_audience() {
        let id = ClientId::new("photo-printer").expect("valid");
        for algorithm in Algorithm::ALL {
            let key = ClientKey::generate(algorithm).expect("a key");
            let made = client_assertion(&key, &id, &issuer(), NOW, [7; 16]).expect("signed");
            assert_eq!(made[0].1.expose(), client_assertion::TYPE);
            let token = SignedToken::parse(made[1].1.expose()).expect("a JWS");
            let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
            let claims: ClientAssertionClaims = token.verify(&keys, &[algorithm]).expect("good");
            assert_eq!(claims.iss.as_deref(), Some("photo-printer"));
            assert_eq!(claims.sub, claims.iss);
            let audience = claims.aud.expect("one");
            assert!(audience.iter().eq([issuer().as_str()]), "a string, not a list of endpoints");
            assert_eq!(claims.exp, Some(NOW.seconds() + 60));
            assert_eq!(claims.iat, Some(NOW.seconds()));
            assert_eq!(claims.jti.expect("named").len(), 22);
        }
    }
}

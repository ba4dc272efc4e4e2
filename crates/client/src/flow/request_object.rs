use std::time::Duration;

use keystile_protocol::jose::JoseError;
use keystile_protocol::{ClientId, Issuer, Timestamp};
use serde_json::{Map, Value, json};

use super::{ClientKey, Parameters};

/// FAPI 2.0 Message Signing section 5.3.1 allows 60 minutes; a request is sent at once.
const LIFETIME: Duration = Duration::from_mins(5);
/// The type that says which standard it follows (RFC 9101 section 10.8).
const TYPE: &str = "oauth-authz-req+jwt";

/// The request as a signed object (RFC 9101 section 4): nobody on the way through the browser can
/// change it. What comes back is to be sent instead of `parameters`.
///
/// `response_type` and `scope` stand beside it too, for servers that follow OpenID Connect Core 1.0
/// section 6.1, which wants them there.
pub fn signed_request(
    parameters: &Parameters,
    key: &ClientKey,
    client_id: &ClientId,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<Parameters, JoseError> {
    let mut claims = Map::new();
    for (name, value) in parameters {
        let value = in_json(name, value);
        // A parameter that came before makes a list of both, as `resource` is one (RFC 8707).
        match claims.get_mut(name) {
            None => {
                claims.insert(name.clone(), value);
            }
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    let about_itself = json!({
        "iss": client_id,
        "aud": issuer,
        "iat": now.seconds(),
        "nbf": now.seconds(),
        "exp": now.plus(LIFETIME).seconds(),
    });
    if let Value::Object(members) = about_itself {
        claims.extend(members);
    }
    let object = key.sign(TYPE, &Value::Object(claims))?;
    let beside = ["client_id", "response_type", "scope"];
    let beside = parameters.iter().filter(|(name, _)| beside.contains(&name.as_str())).cloned();
    Ok(beside.chain([("request".to_owned(), object)]).collect())
}

/// What is JSON as a parameter is JSON in the object too (RFC 9101 section 4, RFC 9396 section 3),
/// and so is a number.
fn in_json(name: &str, value: &str) -> Value {
    let is_json = ["claims", "authorization_details", "max_age"].contains(&name);
    let read = is_json.then(|| serde_json::from_str(value).ok()).flatten();
    read.unwrap_or_else(|| Value::from(value))
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SignedToken};

    use super::*;
    use crate::flow::test_values::{NOW, issuer};

    #[test]
    fn an_object_says_all_of_it_in_its_own_types_rfc_9101_4() {
        let key = ClientKey::generate(Algorithm::ES256).expect("a key");
        let id = ClientId::new("app").expect("valid");
        let parameters: Parameters = [
            ("response_type", "code"),
            ("client_id", "app"),
            ("scope", "openid"),
            ("state", "7"),
            ("max_age", "60"),
            ("resource", "https://one/"),
            ("resource", "https://two/"),
            ("resource", "https://three/"),
            ("authorization_details", r#"[{"type":"payment"}]"#),
            ("claims", r#"{"id_token":{"email":null}}"#),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let sent = signed_request(&parameters, &key, &id, &issuer(), NOW).expect("signed");
        let names: Vec<_> = sent.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["response_type", "client_id", "scope", "request"]);
        let token = SignedToken::parse(&sent[3].1).expect("a JWS");
        assert_eq!(token.header.typ.as_deref(), Some("oauth-authz-req+jwt"));
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![key.public().clone()] });
        let claims: Value = token.verify(&keys, &[Algorithm::ES256]).expect("good");
        let now = NOW.seconds();
        let expected = json!({
            "iss": "app", "aud": "https://login.example", "iat": now, "nbf": now, "exp": now + 300,
            "response_type": "code", "client_id": "app", "scope": "openid", "state": "7",
            "max_age": 60, "resource": ["https://one/", "https://two/", "https://three/"],
            "authorization_details": [{"type": "payment"}],
            "claims": {"id_token": {"email": null}},
        });
        assert_eq!(claims, expected);
    }
}

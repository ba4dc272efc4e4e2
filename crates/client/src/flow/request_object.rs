use std::time::Duration;

use keystile_protocol::encoding::base64url;
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
pub fn signed_request(
    parameters: &Parameters,
    key: &ClientKey,
    client_id: &ClientId,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<Parameters, JoseError> {
    let object = request_object(parameters, Some(key), client_id, issuer, now)?;
    Ok(with_object(parameters, "request", object))
}

/// The request as a reference to its object (RFC 9101 section 5.2, OpenID Connect Core 1.0 section
/// 6.2), which the server fetches from `uri`: see [`request_object`].
pub fn referred_request(parameters: &Parameters, uri: String) -> Parameters {
    with_object(parameters, "request_uri", uri)
}

/// `response_type` and `scope` stand beside it too, for servers that follow OpenID Connect Core 1.0
/// section 6.1, which wants them there.
fn with_object(parameters: &Parameters, name: &str, value: String) -> Parameters {
    let beside = ["client_id", "response_type", "scope"];
    let beside = parameters.iter().filter(|(name, _)| beside.contains(&name.as_str())).cloned();
    beside.chain([(name.to_owned(), value)]).collect()
}

/// The object itself. Without a key it is not signed (`none`, OpenID Connect Core 1.0 section 6.1):
/// good for one that the server fetches from the app over https, and for no other.
pub fn request_object(
    parameters: &Parameters,
    key: Option<&ClientKey>,
    client_id: &ClientId,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<String, JoseError> {
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
    let claims = Value::Object(claims);
    match key {
        Some(key) => key.sign(TYPE, &claims),
        // RFC 7519 section 6.
        None => Ok([json!({"alg": "none", "typ": TYPE}), claims]
            .map(|part| base64url(part.to_string()) + ".")
            .concat()),
    }
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
    use keystile_protocol::encoding::from_base64url;
    use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SignedToken};

    use super::*;
    use crate::flow::test_values::{NOW, issuer};

    #[test]
    fn an_object_that_the_server_fetches_may_go_unsigned_openid_core_6_1_and_6_2() {
        let id = ClientId::new("app").expect("valid");
        let parameters: Parameters =
            [("response_type", "code"), ("client_id", "app"), ("state", "7")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let object = request_object(&parameters, None, &id, &issuer(), NOW).expect("made");
        let parts: Vec<_> = object.split('.').collect();
        let read = |part: &str| -> Value {
            serde_json::from_slice(&from_base64url(part).expect("base64url")).expect("json")
        };
        assert_eq!((parts.len(), parts[2]), (3, ""), "no signature");
        assert_eq!(read(parts[0]), json!({"alg": "none", "typ": "oauth-authz-req+jwt"}));
        assert_eq!(read(parts[1])["state"], "7");
        let sent = referred_request(&parameters, "https://app.example/requests/1".into());
        let pairs: Vec<_> = sent.iter().map(|(name, value)| (&**name, &**value)).collect();
        let uri = ("request_uri", "https://app.example/requests/1");
        assert_eq!(pairs, [("response_type", "code"), ("client_id", "app"), uri]);
    }

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

//! Request objects (RFC 9101, OpenID Connect Core 1.0 section 6), by value or fetched: signed ones
//! alone.

use std::time::Duration;

use keystile_protocol::jose::{Algorithm, KeySet, SignedToken};
use keystile_protocol::messages::Audience;
use keystile_protocol::{ErrorCode, Issuer, Params, ProtocolError, Timestamp};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::records::Client;
use crate::rules::fapi2;

/// Longest request object, in bytes. Its parameters travel in pages.
pub const AT_MOST: usize = 8 * 1024;
/// Longest one that is pushed, and may wait in the store.
const PUSHED_AT_MOST: usize = 16 * 1024;
/// Members of a request object that are read.
const MEMBERS_AT_MOST: usize = 60;
/// How far the client's clock may be ahead of ours.
const LEEWAY: Duration = Duration::from_secs(15);
/// The type of a request object that says which standard it follows (RFC 9101 section 10.8).
const TYPE: &str = "oauth-authz-req+jwt";
/// What the JWT says of itself (RFC 7519 section 4.1): no parameters of the request.
const ABOUT_ITSELF: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];

/// What a request object asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedObject {
    /// The request's parameters.
    pub params: Params,
    /// The object's `exp`.
    pub expires_at: Option<Timestamp>,
}

/// What becomes of parameters beside the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// They count where the object is silent, unless its type is RFC 9101's own (OpenID Connect
    /// Core 1.0 section 6.1, RFC 9101 section 5).
    FillIn,
    /// They do not count (RFC 9126 section 3).
    Ignored,
}

pub(super) fn refuse<T>(words: impl AsRef<str>) -> Result<T, ProtocolError> {
    Err(ProtocolError::new(ErrorCode::InvalidRequestObject, words))
}

/// Opens the object of a request: signed by the client, for us, now, and in agreement with what
/// stands beside it.
pub fn open(
    object: &str,
    outer: &Params,
    beside: Beside,
    client: &Client,
    keys: &KeySet,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<OpenedObject, ProtocolError> {
    let at_most = if beside == Beside::Ignored { PUSHED_AT_MOST } else { AT_MOST };
    let (members, typ) = verified(object, client, keys, at_most, client.request_object_algorithm)?;
    from_client_for_us(&members, client, issuer)?;
    let expires_at = in_its_time(&members, now)?;
    fapi2::request_object_life(client, time(&members, "nbf")?, expires_at, now)?;
    agrees(&members, outer, client)?;
    let mut params = parameters(&members)?;
    if beside == Beside::FillIn && !is_own_type(typ.as_deref()) {
        params = params.filled_from(outer, &["request", "request_uri"]).map_err(|problem| {
            ProtocolError::new(ErrorCode::InvalidRequest, problem.to_string())
        })?;
    } else if !params.has("client_id") {
        params = params.with("client_id", client.id.as_str());
    }
    Ok(OpenedObject { params, expires_at })
}

/// A client may bind itself to send signed objects alone (RFC 9101 section 10.5).
pub fn not_required(client: &Client) -> Result<(), ProtocolError> {
    if !client.require_signed_request_object {
        return Ok(());
    }
    Err(ProtocolError::new(
        ErrorCode::InvalidRequest,
        "the client is registered with require_signed_request_object; send the request as a \
         signed request object (RFC 9101 section 10.5)",
    ))
}

pub(super) fn is_own_type(typ: Option<&str>) -> bool {
    let typ = typ.unwrap_or_default();
    typ.eq_ignore_ascii_case(TYPE)
        || typ.strip_prefix("application/").is_some_and(|rest| rest.eq_ignore_ascii_case(TYPE))
}

/// The signature is the client's, by the algorithm that it registered, or by any that it may use.
/// `none` does not exist here.
pub(super) fn verified(
    object: &str,
    client: &Client,
    keys: &KeySet,
    at_most: usize,
    registered: Option<Algorithm>,
) -> Result<(Map<String, Value>, Option<String>), ProtocolError> {
    if object.len() > at_most {
        return refuse(format!(
            "the request object has {} bytes, at most {at_most} are taken",
            object.len()
        ));
    }
    if client.keys.is_none() {
        return refuse(
            "the client has no registered keys ('jwks' or 'jwks_uri') to verify a request object",
        );
    }
    let cannot = |problem| {
        let words = format!("the request object is refused: {problem} (RFC 9101 section 6)");
        ProtocolError::new(ErrorCode::InvalidRequestObject, words)
    };
    let token = SignedToken::parse(object).map_err(cannot)?;
    let one = registered.map(|algorithm| [algorithm]);
    let allowed = one.as_ref().map_or(fapi2::algorithms(client.profile), |one| &one[..]);
    let members: Map<String, Value> = token.verify(keys, allowed).map_err(cannot)?;
    if members.len() > MEMBERS_AT_MOST {
        return refuse(format!("the request object has more than {MEMBERS_AT_MOST} members"));
    }
    Ok((members, token.header.typ))
}

/// RFC 9101 section 4: `iss` is the client, `aud` is the authorization server.
pub(super) fn from_client_for_us(
    members: &Map<String, Value>,
    client: &Client,
    issuer: &Issuer,
) -> Result<(), ProtocolError> {
    if members.get("iss").and_then(Value::as_str) != Some(client.id.as_str()) {
        return refuse("the request object's 'iss' is not the client_id (RFC 9101 section 4)");
    }
    let audience = members.get("aud").and_then(|aud| Audience::deserialize(aud).ok());
    if !audience.is_some_and(|audience| audience.contains(issuer.as_str())) {
        return refuse(format!(
            "the request object's 'aud' does not contain {issuer} (RFC 9101 section 4)"
        ));
    }
    Ok(())
}

/// `exp` and `nbf` where they are present (RFC 7519 sections 4.1.4 and 4.1.5).
fn in_its_time(
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ProtocolError> {
    let expires_at = time(members, "exp")?;
    if expires_at.is_some_and(|end| now >= end) {
        return refuse("the request object has expired; make a new one");
    }
    for begin in ["nbf", "iat"] {
        if time(members, begin)?.is_some_and(|begin| begin > now.plus(LEEWAY)) {
            return refuse(format!("the request object's '{begin}' lies ahead; compare clocks"));
        }
    }
    Ok(expires_at)
}

pub(super) fn time(
    members: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Timestamp>, ProtocolError> {
    let Some(value) = members.get(name) else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "a number out of range saturates")]
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    match seconds {
        Some(seconds) => Ok(Some(Timestamp::from_seconds(seconds))),
        None => refuse(format!("the request object's '{name}' is not a number (RFC 7519)")),
    }
}

/// What stands both in and beside the object must be the same (OpenID Connect Core 1.0 section
/// 6.1, RFC 9101 section 5), and no object stands in another (RFC 9101 section 4).
fn agrees(
    members: &Map<String, Value>,
    outer: &Params,
    client: &Client,
) -> Result<(), ProtocolError> {
    for nested in ["request", "request_uri"] {
        if members.contains_key(nested) {
            return refuse(format!("the request object has a '{nested}' of its own (RFC 9101)"));
        }
    }
    let inner = |name: &str| members.get(name).map(|value| value.as_str().unwrap_or_default());
    if inner("client_id").is_some_and(|id| id != client.id.as_str()) {
        return refuse("the request object's 'client_id' differs from the one beside it");
    }
    let beside = outer.optional("response_type").ok().flatten();
    match (inner("response_type"), beside) {
        (Some(inner), Some(beside)) if inner != beside => {
            refuse("the request object's 'response_type' differs from the one beside it")
        }
        _ => Ok(()),
    }
}

/// The members as parameters: JSON values that are no text go as their JSON (RFC 9101 section 4).
pub(super) fn parameters(members: &Map<String, Value>) -> Result<Params, ProtocolError> {
    let mut pairs = Vec::new();
    for (name, value) in members {
        if ABOUT_ITSELF.contains(&name.as_str()) {
            continue;
        }
        match value {
            // A JSON array, as it is there (RFC 9396 section 2); text would be JSON within JSON.
            value if name == "authorization_details" && !value.is_array() && !value.is_null() => {
                return Err(ProtocolError::new(
                    ErrorCode::InvalidAuthorizationDetails,
                    "the request object's 'authorization_details' is not an array (RFC 9396 \
                     section 5)",
                ));
            }
            Value::String(text) => pairs.push((name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) | Value::Object(_) => {
                pairs.push((name.clone(), value.to_string()));
            }
            Value::Array(all) if name == "resource" => {
                for one in all {
                    let Some(text) = one.as_str() else {
                        return refuse("the request object's 'resource' is not a list of text");
                    };
                    pairs.push((name.clone(), text.to_owned()));
                }
            }
            Value::Array(_) => pairs.push((name.clone(), value.to_string())),
            Value::Null => {}
        }
    }
    Ok(pairs.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use keystile_protocol::encoding::base64url;
    use keystile_protocol::jose::SigningKey;
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn key() -> SigningKey {
        SigningKey::generate(Algorithm::ES256).expect("generated").key
    }

    fn client(key: &SigningKey) -> Client {
        Client { keys: Some(fixtures::keys_of(key)), ..fixtures::client() }
    }

    fn members() -> Value {
        json!({
            "iss": "app", "aud": "https://login.example", "exp": 1_800_000_060,
            "nbf": 1_800_000_000, "client_id": "app", "response_type": "code",
            "scope": "openid", "max_age": 5, "resource": ["https://a", "https://b"],
        })
    }

    fn open_as(
        typ: &str,
        change: &Value,
        outer: &str,
        beside: Beside,
    ) -> Result<OpenedObject, ErrorCode> {
        let key = key();
        let mut members = members();
        for (name, value) in change.as_object().expect("an object") {
            members[name] = value.clone();
        }
        members.as_object_mut().expect("one").retain(|_, value| !value.is_null());
        let object = key.sign(typ, &members).expect("signed");
        let outer = Params::parse(outer.as_bytes()).expect("few");
        let issuer = fixtures::policy().issuer;
        let client = client(&key);
        let keys = fixtures::key_set(&client);
        open(&object, &outer, beside, &client, &keys, &issuer, NOW).map_err(|error| error.error)
    }

    const OUTER: &str = "client_id=app&response_type=code&request=x&state=s&scope=all";

    #[test]
    fn the_objects_parameters_win_oidc_core_6_1() {
        let opened = open_as("JWT", &json!({}), OUTER, Beside::FillIn).expect("good");
        let params = opened.params;
        assert_eq!(params.optional("scope"), Ok(Some("openid")));
        assert_eq!(params.optional("state"), Ok(Some("s")), "what it does not say stands beside");
        assert_eq!(params.optional("max_age"), Ok(Some("5")));
        assert_eq!(params.all("resource"), Ok(vec!["https://a", "https://b"]));
        assert!(!params.has("request") && !params.has("iss") && !params.has("exp"));
        assert_eq!(opened.expires_at, Some(Timestamp::from_seconds(1_800_000_060)));
    }

    #[test]
    fn the_objects_parameters_are_the_only_ones_rfc_9101_5_and_rfc_9126_3() {
        let only_its_own = |typ: &str, beside| {
            let change = json!({"client_id": null});
            let params = open_as(typ, &change, OUTER, beside).expect("good").params;
            assert!(!params.has("state"), "{typ}");
            assert_eq!(params.optional("client_id"), Ok(Some("app")), "{typ}");
        };
        only_its_own("oauth-authz-req+jwt", Beside::FillIn);
        only_its_own("application/oauth-authz-req+jwt", Beside::FillIn);
        only_its_own("JWT", Beside::Ignored);
    }

    #[test]
    fn claims_that_are_wrong_are_refused_rfc_9101_4_and_6() {
        let cases = [
            json!({"iss": null}),
            json!({"iss": "other"}),
            json!({"aud": null}),
            json!({"aud": "https://other.example"}),
            json!({"aud": ["https://other.example"]}),
            json!({"exp": 1_800_000_000}),
            json!({"exp": "soon"}),
            json!({"nbf": 1_800_000_016}),
            json!({"iat": 1_800_000_016}),
            json!({"client_id": "other"}),
            json!({"client_id": 1}),
            json!({"response_type": "token"}),
            json!({"request": "x"}),
            json!({"request_uri": "urn:x"}),
            json!({"resource": [1]}),
        ];
        for change in cases {
            let error = open_as("JWT", &change, OUTER, Beside::FillIn).expect_err("bad");
            assert_eq!(error, ErrorCode::InvalidRequestObject, "{change}");
        }
        let good = [
            json!({"exp": null, "nbf": null}),
            json!({"nbf": 1_800_000_015}),
            json!({"authorization_details": [{"type": "a"}]}),
            json!({"aud": ["https://other.example", "https://login.example"]}),
        ];
        for change in good {
            assert!(open_as("JWT", &change, OUTER, Beside::FillIn).is_ok(), "{change}");
        }
    }

    #[test]
    fn authorization_details_are_an_array_in_an_object_rfc_9396_2() {
        let change = json!({"authorization_details": [{"type": "a"}]});
        let params = open_as("JWT", &change, OUTER, Beside::FillIn).expect("good").params;
        assert_eq!(params.optional("authorization_details"), Ok(Some(r#"[{"type":"a"}]"#)));
        for bad in [json!("[]"), json!({"type": "a"}), json!(1)] {
            let change = json!({"authorization_details": bad});
            let error = open_as("JWT", &change, OUTER, Beside::FillIn).expect_err("no array");
            assert_eq!(error, ErrorCode::InvalidAuthorizationDetails, "{change}");
        }
    }

    #[test]
    fn signatures_that_are_wrong_are_refused_rfc_9101_6_2() {
        let (key, other) = (key(), key());
        let issuer = fixtures::policy().issuer;
        let refused = |object: &str, client: &Client| {
            let outer = Params::parse(OUTER.as_bytes()).expect("few");
            let keys = fixtures::key_set(client);
            open(object, &outer, Beside::FillIn, client, &keys, &issuer, NOW).map_err(|e| e.error)
                == Err(ErrorCode::InvalidRequestObject)
        };
        let good = key.sign("JWT", &members()).expect("signed");
        assert!(!refused(&good, &client(&key)));
        assert!(refused(&good, &client(&other)), "another's key");
        assert!(refused(&good, &fixtures::client()), "no key");
        let (_, rest) = good.split_once('.').expect("parts");
        let none = base64url(r#"{"alg":"none"}"#);
        assert!(refused(&format!("{none}.{rest}"), &client(&key)));
        let (unsigned, _) = rest.split_once('.').expect("parts");
        assert!(refused(&format!("{none}.{unsigned}."), &client(&key)));
        assert!(refused(&"a".repeat(AT_MOST + 1), &client(&key)));
        let rsa_alone = Client { request_object_algorithm: Some(Algorithm::PS256), ..client(&key) };
        assert!(refused(&good, &rsa_alone), "another algorithm than registered");
        let bound = Client { require_signed_request_object: true, ..client(&key) };
        assert!(not_required(&client(&key)).is_ok() && not_required(&bound).is_err());
        let list = key.sign("JWT", &json!([1])).expect("signed");
        assert!(refused(&list, &client(&key)));
    }
}

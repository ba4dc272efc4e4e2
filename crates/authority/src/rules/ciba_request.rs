//! Signed authentication requests (OpenID Connect CIBA Core 1.0 section 7.1.1, FAPI-CIBA section
//! 5.2.2).

use std::time::Duration;

use keystile_protocol::jose::KeySet;
use keystile_protocol::{ErrorCode, Issuer, Params, ProtocolError, Timestamp};
use serde_json::{Map, Value};

use crate::decisions::{OnceKind, UsedOnce};
use crate::records::Client;
use crate::rules::request_object::{
    AT_MOST, from_client_for_us, is_own_type, parameters, time, verified,
};

/// How long a request may live, and how old it may be (FAPI-CIBA section 5.2.2).
const LIFE_AT_MOST: Duration = Duration::from_secs(3600);
/// How far the client's clock may be ahead of ours.
const LEEWAY: Duration = Duration::from_secs(15);
/// Longest `jti`, in bytes.
const JTI_AT_MOST: usize = 256;
/// What has to stand in the signed request, and nowhere else.
const ITS_OWN: [&str; 12] = [
    "scope",
    "client_notification_token",
    "acr_values",
    "login_hint_token",
    "id_token_hint",
    "login_hint",
    "binding_message",
    "user_code",
    "requested_expiry",
    "request_context",
    "resource",
    "authorization_details",
];

/// What a signed request asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// The request's parameters.
    pub params: Params,
    /// The name that it may come by once. It has to be used up.
    pub once: UsedOnce,
}

fn refuse<T>(words: impl AsRef<str>) -> Result<T, ProtocolError> {
    Err(ProtocolError::new(ErrorCode::InvalidRequest, words))
}

/// A client that registered how its requests are signed sends no others (section 7.1.1).
pub fn not_required(client: &Client) -> Result<(), ProtocolError> {
    match client.ciba.request_algorithm {
        None => Ok(()),
        Some(_) => refuse(
            "the client is registered with backchannel_authentication_request_signing_alg; send \
             the parameters in a signed 'request' (OpenID Connect CIBA Core 1.0 section 7.1.1)",
        ),
    }
}

/// Opens a signed request: of the client, for us, now, once, and with all parameters in it.
pub fn open(
    object: &str,
    outer: &Params,
    client: &Client,
    keys: &KeySet,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<SignedRequest, ProtocolError> {
    // The standard has one word for all that may be wrong with it (section 13).
    opened(object, outer, client, keys, issuer, now).map_err(|error| match error.error {
        ErrorCode::InvalidRequestObject => {
            ProtocolError { error: ErrorCode::InvalidRequest, ..error }
        }
        _ => error,
    })
}

fn opened(
    object: &str,
    outer: &Params,
    client: &Client,
    keys: &KeySet,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<SignedRequest, ProtocolError> {
    if let Some(beside) = ITS_OWN.into_iter().find(|name| outer.has(name)) {
        return refuse(format!(
            "'{beside}' stands beside the signed request; all parameters are in it (OpenID \
             Connect CIBA Core 1.0 section 7.1.1)"
        ));
    }
    let (members, typ) = verified(object, client, keys, AT_MOST, client.ciba.request_algorithm)?;
    is_no_other_kind(typ.as_deref())?;
    from_client_for_us(&members, client, issuer)?;
    let end = in_its_time(&members, now)?;
    let once = once(&members, client, end)?;
    Ok(SignedRequest { params: parameters(&members)?, once })
}

/// A JWT that says that it is something else is not taken for one (RFC 8725 section 3.11).
fn is_no_other_kind(typ: Option<&str>) -> Result<(), ProtocolError> {
    let other = typ.is_some_and(|typ| typ.to_ascii_lowercase().ends_with("+jwt"));
    if other && !is_own_type(typ) {
        return refuse("the signed request's typ is that of another kind of JWT");
    }
    Ok(())
}

/// "The JWT MUST contain … exp, iat, nbf" (section 7.1.1), and lives for an hour at most. Gives
/// back its end.
fn in_its_time(members: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, ProtocolError> {
    let required = |name| match time(members, name)? {
        Some(time) => Ok(time),
        None => missing(name),
    };
    let (end, begin, made) = (required("exp")?, required("nbf")?, required("iat")?);
    if now >= end {
        return refuse("the signed request has expired; make a new one");
    }
    if end > begin.plus(LIFE_AT_MOST) {
        return refuse(
            "the signed request's exp is more than an hour after its nbf (FAPI-CIBA section 5.2.2)",
        );
    }
    for (name, time) in [("nbf", begin), ("iat", made)] {
        if time > now.plus(LEEWAY) {
            return refuse(format!("the signed request's {name} lies ahead; compare clocks"));
        }
    }
    if begin < now.minus(LIFE_AT_MOST) {
        return refuse(
            "the signed request's nbf is more than an hour ago (FAPI-CIBA section 5.2.2)",
        );
    }
    Ok(end)
}

fn once(
    members: &Map<String, Value>,
    client: &Client,
    end: Timestamp,
) -> Result<UsedOnce, ProtocolError> {
    let jti = members.get("jti").and_then(Value::as_str).filter(|jti| !jti.is_empty());
    let Some(jti) = jti else { return missing("jti") };
    if jti.len() > JTI_AT_MOST {
        return refuse("the signed request's jti is too long");
    }
    let signer = client.id.as_str().as_bytes();
    Ok(UsedOnce::new(OnceKind::AuthenticationRequest, signer, jti, end))
}

fn missing<T>(name: &str) -> Result<T, ProtocolError> {
    refuse(format!(
        "the signed request has no '{name}' (OpenID Connect CIBA Core 1.0 section 7.1.1)"
    ))
}

#[cfg(test)]
mod tests {
    use keystile_protocol::encoding::base64url;
    use keystile_protocol::jose::{Algorithm, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::fixtures;
    use crate::records::CibaOptions;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const T: i64 = 1_800_000_000;

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm).expect("generated").key
    }

    fn client(key: &SigningKey) -> Client {
        let ciba = CibaOptions { request_algorithm: Some(key.algorithm()), ..Default::default() };
        Client { ciba, ..fixtures::signing_client(key) }
    }

    fn members() -> Value {
        json!({
            "iss": "app", "aud": "https://login.example", "exp": T + 300, "nbf": T, "iat": T,
            "jti": "once", "scope": "openid", "login_hint": "ada", "binding_message": "1234",
            "requested_expiry": 30,
        })
    }

    fn open_with(object: &str, outer: &str, client: &Client) -> Result<SignedRequest, ErrorCode> {
        let outer = Params::parse(outer.as_bytes()).expect("few");
        let (keys, issuer) = (fixtures::key_set(client), fixtures::policy().issuer);
        open(object, &outer, client, &keys, &issuer, NOW).map_err(|error| error.error)
    }

    fn opened_as(typ: &str, change: &Value) -> Result<SignedRequest, ErrorCode> {
        let key = key(Algorithm::ES256);
        let mut members = members();
        for (name, value) in change.as_object().expect("an object") {
            members[name] = value.clone();
        }
        members.as_object_mut().expect("one").retain(|_, value| !value.is_null());
        let object = key.sign(typ, &members).expect("signed");
        open_with(&object, "client_id=app&request=x", &client(&key))
    }

    #[test]
    fn all_parameters_are_in_it_ciba_7_1_1() {
        for typ in ["JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"] {
            let opened = opened_as(typ, &json!({})).expect("good");
            assert_eq!(opened.params.optional("login_hint"), Ok(Some("ada")));
            assert_eq!(opened.params.optional("requested_expiry"), Ok(Some("30")));
            assert!(!opened.params.has("jti") && !opened.params.has("iss"));
            assert_eq!(opened.once.expires_at, Timestamp::from_seconds(T + 300));
        }
        let text = opened_as("JWT", &json!({"requested_expiry": "30"})).expect("good");
        assert_eq!(text.params.optional("requested_expiry"), Ok(Some("30")));
        let key = key(Algorithm::ES256);
        let object = key.sign("JWT", &members()).expect("signed");
        for beside in ITS_OWN {
            let outer = format!("client_id=app&request=x&{beside}=y");
            let got = open_with(&object, &outer, &client(&key));
            assert_eq!(got, Err(ErrorCode::InvalidRequest), "{beside}");
        }
    }

    #[test]
    fn what_fapi_ciba_5_2_2_asks_of_it() {
        let bad = [
            json!({"iss": null}),
            json!({"iss": "other"}),
            json!({"aud": null}),
            json!({"aud": "https://other.example"}),
            json!({"aud": ["https://other.example"]}),
            json!({"exp": null}),
            json!({"exp": T}),
            json!({"exp": T - 300}),
            json!({"exp": T + 4200}),
            json!({"exp": "soon"}),
            json!({"nbf": null}),
            json!({"nbf": T + 600}),
            json!({"nbf": T - 4200}),
            json!({"nbf": T - 3500, "exp": T + 101}),
            json!({"iat": null}),
            json!({"iat": T + 600}),
            json!({"jti": null}),
            json!({"jti": ""}),
            json!({"jti": 7}),
            json!({"jti": "j".repeat(257)}),
            json!({"resource": [1]}),
        ];
        for change in bad {
            let got = opened_as("JWT", &change);
            assert_eq!(got, Err(ErrorCode::InvalidRequest), "{change}");
        }
        for typ in ["at+jwt", "logout+jwt", "dpop+jwt", "client-authentication+jwt"] {
            assert_eq!(opened_as(typ, &json!({})), Err(ErrorCode::InvalidRequest), "{typ}");
        }
        let good = [
            json!({"nbf": T + 15, "iat": T + 15}),
            json!({"nbf": T - 3000, "iat": T - 9000}),
            json!({"exp": T + 3600}),
            json!({"aud": ["https://other.example", "https://login.example"]}),
        ];
        for change in good {
            assert!(opened_as("JWT", &change).is_ok(), "{change}");
        }
    }

    #[test]
    fn it_is_signed_by_the_client_as_registered() {
        let (mine, others) = (key(Algorithm::ES256), key(Algorithm::ES256));
        let good = mine.sign("JWT", &members()).expect("signed");
        let outer = "client_id=app&request=x";
        let refused = |object: &str, client: &Client| {
            open_with(object, outer, client) == Err(ErrorCode::InvalidRequest)
        };
        assert!(!refused(&good, &client(&mine)));
        assert!(refused(&good, &client(&others)), "another's key");
        assert!(refused(&good, &fixtures::client()), "no key");
        let ciba = CibaOptions { request_algorithm: Some(Algorithm::PS256), ..Default::default() };
        assert!(refused(&good, &Client { ciba, ..client(&mine) }), "another algorithm");
        let any = Client { ciba: CibaOptions::default(), ..client(&mine) };
        assert!(!refused(&good, &any), "none registered");
        let (_, rest) = good.split_once('.').expect("parts");
        let none = base64url(r#"{"alg":"none"}"#);
        let (unsigned, _) = rest.split_once('.').expect("parts");
        assert!(refused(&format!("{none}.{unsigned}."), &client(&mine)));
        assert!(refused("", &client(&mine)) && refused("a.b.c", &client(&mine)));
        let list = mine.sign("JWT", &json!([1])).expect("signed");
        assert!(refused(&list, &client(&mine)));
        assert!(not_required(&client(&mine)).is_err() && not_required(&any).is_ok());
    }
}

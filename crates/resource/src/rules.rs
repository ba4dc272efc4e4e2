//! The decision alone: from a request's head, the issuer's keys, what is expected and the time to
//! the token's claims or a [`Refusal`]. Pure: for APIs that are not built with axum.
//!
//! ```
//! use http::{HeaderMap, header};
//! use keystile_resource::{Refusal, rules};
//!
//! let mut headers = HeaderMap::new();
//! assert_eq!(rules::bearer_token(&headers, None), Err(Refusal::NoCredentials));
//! headers.insert(header::AUTHORIZATION, "Bearer abc".parse().unwrap());
//! assert_eq!(rules::bearer_token(&headers, Some("page=2")), Ok("abc"));
//! ```

use std::time::Duration;

use http::{HeaderMap, header};
use keystile_protocol::access_token::AccessTokenError;
pub use keystile_protocol::access_token::{Expectations, verify};
pub use keystile_protocol::jose::{JwkSet, KeySet};
pub use keystile_protocol::{Issuer, Timestamp};

use crate::{AccessTokenClaims, ClientCertificate, Refusal, Scope};

/// A longer token is refused unread, in bytes.
const TOKEN_AT_MOST: usize = 16 * 1024;

/// All rules in order: the token is in the one place where it may be, it is believed, it came from
/// its holder, and it allows what is `required`. `certificate` is the connection's.
pub fn authorize(
    headers: &HeaderMap,
    query: Option<&str>,
    certificate: Option<&ClientCertificate>,
    keys: &KeySet,
    expected: &Expectations<'_>,
    required: &Scope,
    now: Timestamp,
) -> Result<AccessTokenClaims, Refusal> {
    let token = bearer_token(headers, query)?;
    let claims = verify(token, keys, expected, now);
    let claims = claims
        .and_then(|claims| from_holder(claims, certificate))
        .map_err(Refusal::InvalidToken)?;
    check_scope(&claims.scope, required)?;
    Ok(claims)
}

/// A token that is bound to a certificate comes over a connection with it (RFC 8705 section 3). One
/// that is bound to a key is worth nothing as a bearer token (RFC 9449 section 7.1): until this
/// crate checks proofs it is refused.
pub(crate) fn from_holder(
    claims: AccessTokenClaims,
    certificate: Option<&ClientCertificate>,
) -> Result<AccessTokenClaims, AccessTokenError> {
    claims.check_certificate(certificate)?;
    if claims.dpop_key().is_some() { Err(AccessTokenError::Bound) } else { Ok(claims) }
}

/// The token of `Authorization: Bearer …` (RFC 6750 section 2.1), the one method that is taken.
///
/// "because of the security weaknesses associated with the URI method … it SHOULD NOT be used"
/// (section 2.3): a token in the query is refused, also beside a good header.
pub fn bearer_token<'h>(headers: &'h HeaderMap, query: Option<&str>) -> Result<&'h str, Refusal> {
    if query.is_some_and(|query| names_a_token(query.as_bytes())) {
        return Err(Refusal::InvalidRequest(
            "an access token in the query is not taken (it ends up in logs and histories); send \
             it in the Authorization header (RFC 6750 section 2.1)",
        ));
    }
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoCredentials)?;
    if values.next().is_some() {
        return Err(Refusal::InvalidRequest("there are two Authorization headers; send one"));
    }
    let malformed = Refusal::InvalidRequest(
        "the Authorization header is malformed; 'Bearer', a space and the token are needed (RFC \
         6750 section 2.1)",
    );
    let Ok(text) = value.to_str() else { return Err(malformed) };
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refusal::NoCredentials);
    }
    let token = token.trim_start_matches(' ');
    if token.len() > TOKEN_AT_MOST {
        return Err(Refusal::InvalidRequest("the access token is longer than 16 KiB"));
    }
    if is_b64token(token) { Ok(token) } else { Err(malformed) }
}

/// `b64token` of RFC 6750 section 2.1.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(allowed)
}

/// Whether form encoded text (a query, a form body) has a parameter `access_token`.
pub fn names_a_token(encoded: &[u8]) -> bool {
    url::form_urlencoded::parse(encoded).any(|(name, _)| name == "access_token")
}

/// What is asked of the authentication of the user behind a token (RFC 9470).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// How strong it has to be: one of these, the one to prefer first. Any will do if there are
    /// none.
    pub acr_values: Vec<String>,
    /// How old it may be.
    pub max_age: Option<Duration>,
}

/// The user was authenticated as strongly and as lately as is required (RFC 9470 section 3). A
/// token that does not say so is not enough. `leeway` is how far clocks may differ.
pub fn check_authentication(
    claims: &AccessTokenClaims,
    required: &Authentication,
    leeway: Duration,
    now: Timestamp,
) -> Result<(), Refusal> {
    let refused = |problem| {
        Err(Refusal::InsufficientUserAuthentication { required: required.clone(), problem })
    };
    let strong = |acr: &String| required.acr_values.contains(acr);
    if !required.acr_values.is_empty() && !claims.acr.as_ref().is_some_and(strong) {
        return refused("a different authentication level is required (RFC 9470 section 3)");
    }
    let Some(max_age) = required.max_age else { return Ok(()) };
    let authenticated = claims.auth_time.map(Timestamp::from_seconds);
    if authenticated.is_some_and(|at| now.since(at) <= max_age.saturating_add(leeway)) {
        return Ok(());
    }
    refused("more recent authentication is required (RFC 9470 section 3)")
}

/// Every scope that is required was granted.
pub fn check_scope(granted: &Scope, required: &Scope) -> Result<(), Refusal> {
    match required.first_missing_in(granted) {
        None => Ok(()),
        Some(missing) => Err(Refusal::InsufficientScope {
            required: required.clone(),
            missing: missing.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(values: &[&'static [u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            headers.append(header::AUTHORIZATION, value);
        }
        headers
    }

    #[test]
    fn where_a_token_is_taken_from_rfc_6750_section_2() {
        for good in [&b"Bearer abc"[..], b"bearer abc", b"BEARER  abc"] {
            assert_eq!(bearer_token(&with(&[good]), None), Ok("abc"));
        }
        let full: &[u8] = b"Bearer aZ0-._~+/==";
        assert_eq!(bearer_token(&with(&[full]), Some("a=1")), Ok("aZ0-._~+/=="));
    }

    #[test]
    fn other_schemes_are_no_credentials_rfc_6750_section_3_1() {
        for none in [&[][..], &[&b"Basic YTpi"[..]], &[b"Digest x"], &[b""], &[b"Bearerabc"]] {
            assert_eq!(bearer_token(&with(none), None), Err(Refusal::NoCredentials));
        }
    }

    #[test]
    fn malformed_credentials_are_an_invalid_request_rfc_6750_section_3_1() {
        let malformed: &[&[&[u8]]] = &[
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer a b"],
            &[b"Bearer a, Bearer b"],
            &[b"Bearer \"a\""],
            &[b"Bearer ="],
            &[b"Bearer a=b"],
            &[b"Bearer \xff"],
            &[b"Bearer a", b"Bearer a"],
            &[b"Bearer a", b"Basic YTpi"],
        ];
        for values in malformed {
            let headers = with(values);
            let refusal = bearer_token(&headers, None);
            assert!(matches!(refusal, Err(Refusal::InvalidRequest(_))), "{values:?}");
        }
        let mut long = HeaderMap::new();
        let value = format!("Bearer {}", "a".repeat(TOKEN_AT_MOST + 1));
        long.insert(header::AUTHORIZATION, value.parse().expect("a header value"));
        assert!(matches!(bearer_token(&long, None), Err(Refusal::InvalidRequest(_))));
    }

    #[test]
    fn a_token_in_the_query_is_refused_also_beside_a_header_rfc_6750_section_2_3() {
        let headers = with(&[b"Bearer abc"]);
        for query in ["access_token=a", "a=1&access_token", "acces%73_token=a", "%61ccess_token"] {
            let refusal = bearer_token(&headers, Some(query));
            assert!(matches!(refusal, Err(Refusal::InvalidRequest(_))), "{query}");
        }
        assert_eq!(bearer_token(&headers, Some("xaccess_token=a")), Ok("abc"));
    }

    #[test]
    fn every_required_scope_is_needed() {
        let scope = |text| Scope::try_from(text).expect("tokens");
        assert_eq!(check_scope(&scope("a b c"), &scope("c a")), Ok(()));
        assert_eq!(check_scope(&scope(""), &scope("")), Ok(()));
        let refusal = Refusal::InsufficientScope { required: scope("a d"), missing: "d".into() };
        assert_eq!(check_scope(&scope("a b"), &scope("a d")), Err(refusal));
        assert!(check_scope(&scope("photos:read2"), &scope("photos:read")).is_err());
    }

    fn claims(acr: Option<&str>, auth_time: Option<i64>) -> AccessTokenClaims {
        let claims = serde_json::json!({
            "iss": "https://login.example", "sub": "alice", "aud": "a", "exp": 2, "iat": 1,
            "jti": "j", "client_id": "c", "acr": acr, "auth_time": auth_time,
        });
        serde_json::from_value(claims).expect("claims")
    }

    #[test]
    fn the_authentication_is_strong_and_new_enough_rfc_9470_section_3() {
        let now = Timestamp::from_seconds(1000);
        let check = |claims: &AccessTokenClaims, acr_values: &[&str], max_age: Option<u64>| {
            let acr_values = acr_values.iter().map(|value| (*value).to_owned()).collect();
            let max_age = max_age.map(Duration::from_secs);
            let required = Authentication { acr_values, max_age };
            check_authentication(claims, &required, Duration::from_secs(5), now).is_ok()
        };
        let told = claims(Some("silver"), Some(900));
        assert!(check(&told, &[], None) && check(&claims(None, None), &[], None));
        assert!(check(&told, &["gold", "silver"], None));
        assert!(!check(&told, &["gold"], None));
        assert!(!check(&told, &["silver gold"], None));
        assert!(!check(&claims(None, Some(900)), &["silver"], None), "it does not say");
        assert!(check(&told, &[], Some(100)) && check(&told, &[], Some(95)), "leeway");
        assert!(!check(&told, &[], Some(94)));
        assert!(!check(&claims(Some("silver"), None), &[], Some(1_000_000)), "it does not say");
        assert!(check(&claims(None, Some(1003)), &[], Some(0)), "a clock that goes before ours");
        assert!(!check(&told, &["silver"], Some(10)), "both are needed");
    }
}

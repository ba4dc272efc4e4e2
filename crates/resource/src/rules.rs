//! The decision alone: from a request's head, the issuer's keys, what is expected and the time to
//! the token's claims or a [`Refusal`]. Pure: for APIs that are not built with axum.
//!
//! ```
//! use http::{HeaderMap, header};
//! use keystile_resource::rules::{Request, presented_token};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert(header::AUTHORIZATION, "Bearer abc".parse().unwrap());
//! let urls = ["https://photos.example/albums".to_owned()];
//! let request = Request {
//!     method: "GET",
//!     urls: &urls,
//!     query: Some("page=2"),
//!     headers: &headers,
//!     certificate: None,
//! };
//! let came = presented_token(&request).unwrap();
//! assert_eq!((came.scheme.as_str(), came.token), ("Bearer", "abc"));
//! ```

use std::time::Duration;

use http::{HeaderMap, header};
use keystile_protocol::access_token::AccessTokenError;
pub use keystile_protocol::access_token::{Expectations, Scheme, verify};
pub use keystile_protocol::dpop::Proved;
use keystile_protocol::dpop::{self, Expected};
pub use keystile_protocol::jose::{JwkSet, KeySet};
pub use keystile_protocol::{Issuer, Timestamp};

use crate::{AccessTokenClaims, AuthorizationDetails, ClientCertificate, Detail, Refusal, Scope};

/// A longer token is refused unread, in bytes.
const TOKEN_AT_MOST: usize = 16 * 1024;

/// As much of a request as the rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a str,
    /// The URL that was called, in each of the forms in which the API is published. Without any, no
    /// DPoP proof is taken.
    pub urls: &'a [String],
    /// Its query.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The certificate that its connection came with.
    pub certificate: Option<&'a ClientCertificate>,
}

/// All rules in order: the token is in the one place where it may be, it is believed, it came from
/// its holder, and it allows what is `required`. Whether the proof that comes with the claims was
/// used before is for the caller to remember
/// ([`RecentProofs`](keystile_protocol::recent_proofs::RecentProofs)).
pub fn authorize(
    request: &Request<'_>,
    keys: &KeySet,
    expected: &Expectations<'_>,
    required: &Scope,
    now: Timestamp,
) -> Result<(AccessTokenClaims, Option<Proved>), Refusal> {
    let came = presented_token(request)?;
    let claims = verify(came.token, keys, expected, now).map_err(Refusal::InvalidToken)?;
    let proof = from_holder(&claims, came, request, now)?;
    check_scope(&claims.scope, required)?;
    Ok((claims, proof))
}

/// A token that is bound to a certificate comes over a connection with it (RFC 8705 section 3), one
/// that is bound to a key with a proof of it (RFC 9449 section 7). A downgrade to a bearer token is
/// refused.
pub fn from_holder(
    claims: &AccessTokenClaims,
    came: Presented<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Option<Proved>, Refusal> {
    claims.check_certificate(request.certificate).map_err(Refusal::InvalidToken)?;
    if request.urls.is_empty() && claims.dpop_key().is_some() {
        return Err(Refusal::InvalidToken(AccessTokenError::Bound));
    }
    let proof = match came.scheme {
        Scheme::Bearer => None,
        Scheme::Dpop => {
            let headers: Vec<_> = request.headers.get_all("dpop").iter().collect();
            let headers: Vec<_> = headers.iter().map(|value| value.as_bytes()).collect();
            let Request { method, urls, .. } = *request;
            let expected = Expected { method, urls, access_token: Some(came.token) };
            dpop::verify_headers(&headers, &expected, now).map_err(Refusal::InvalidProof)?
        }
    };
    let key = proof.as_ref().map(|proof| proof.key);
    claims.check_key(came.scheme, key).map_err(Refusal::InvalidToken)?;
    Ok(proof)
}

/// The scheme that a request's credentials name; [`Scheme::Bearer`] if they name none of ours.
pub(crate) fn scheme(headers: &HeaderMap) -> Scheme {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let word = value.and_then(|text| text.split(' ').next());
    word.and_then(scheme_of).unwrap_or(Scheme::Bearer)
}

fn scheme_of(word: &str) -> Option<Scheme> {
    let named = |scheme: &Scheme| word.eq_ignore_ascii_case(scheme.as_str());
    [Scheme::Bearer, Scheme::Dpop].into_iter().find(named)
}

/// A token, and the word before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented<'h> {
    /// How it came.
    pub scheme: Scheme,
    /// The token.
    pub token: &'h str,
}

/// The token of `Authorization: Bearer …` (RFC 6750 section 2.1) or `Authorization: DPoP …` (RFC
/// 9449 section 7.1), the one place from which it is taken.
///
/// "because of the security weaknesses associated with the URI method … it SHOULD NOT be used"
/// (RFC 6750 section 2.3): a token in the query is refused, also beside a good header.
pub fn presented_token<'h>(request: &Request<'h>) -> Result<Presented<'h>, Refusal> {
    let Request { headers, query, .. } = *request;
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
    let (word, token) = text.split_once(' ').unwrap_or((text, ""));
    let scheme = match scheme_of(word) {
        Some(Scheme::Dpop) if request.urls.is_empty() => None,
        known => known,
    };
    let scheme = scheme.ok_or(Refusal::NoCredentials)?;
    let token = token.trim_start_matches(' ');
    if token.len() > TOKEN_AT_MOST {
        return Err(Refusal::InvalidRequest("the access token is longer than 16 KiB"));
    }
    if is_b64token(token) { Ok(Presented { scheme, token }) } else { Err(malformed) }
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

/// One of the token's details is of this type and allows the request, as `allows` says (RFC 9396
/// section 9).
pub fn check_detail(
    granted: &AuthorizationDetails,
    kind: &str,
    allows: impl Fn(&Detail) -> bool,
) -> Result<(), Refusal> {
    if granted.iter().any(|detail| detail.kind() == kind && allows(detail)) {
        return Ok(());
    }
    Err(Refusal::InsufficientDetails { kind: kind.to_owned() })
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

    fn presented(headers: &HeaderMap, query: Option<&str>) -> Result<(Scheme, String), Refusal> {
        let urls = &["https://api.example/".to_owned()];
        let request = Request { method: "GET", urls, query, headers, certificate: None };
        presented_token(&request).map(|came| (came.scheme, came.token.to_owned()))
    }

    #[test]
    fn where_a_token_is_taken_from_rfc_6750_section_2() {
        let cases: [(&[u8], Scheme, &str); 6] = [
            (b"Bearer abc", Scheme::Bearer, "abc"),
            (b"bearer abc", Scheme::Bearer, "abc"),
            (b"BEARER  abc", Scheme::Bearer, "abc"),
            (b"Bearer aZ0-._~+/==", Scheme::Bearer, "aZ0-._~+/=="),
            (b"DPoP abc", Scheme::Dpop, "abc"),
            (b"dpop abc", Scheme::Dpop, "abc"),
        ];
        for (header, scheme, token) in cases {
            let expected = Ok((scheme, token.to_owned()));
            assert_eq!(presented(&with(&[header]), Some("a=1")), expected, "{token}");
        }
    }

    #[test]
    fn other_schemes_are_no_credentials_rfc_6750_section_3_1() {
        for none in [&[][..], &[&b"Basic YTpi"[..]], &[b"Digest x"], &[b""], &[b"Bearerabc"]] {
            assert_eq!(presented(&with(none), None), Err(Refusal::NoCredentials));
        }
    }

    #[test]
    fn dpop_is_no_scheme_of_an_api_that_cannot_check_proofs() {
        let headers = &with(&[b"DPoP abc"]);
        let request = Request { method: "GET", urls: &[], query: None, headers, certificate: None };
        assert_eq!(presented_token(&request), Err(Refusal::NoCredentials));
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
            let refusal = presented(&headers, None);
            assert!(matches!(refusal, Err(Refusal::InvalidRequest(_))), "{values:?}");
        }
        let mut long = HeaderMap::new();
        let value = format!("Bearer {}", "a".repeat(TOKEN_AT_MOST + 1));
        long.insert(header::AUTHORIZATION, value.parse().expect("a header value"));
        assert!(matches!(presented(&long, None), Err(Refusal::InvalidRequest(_))));
    }

    #[test]
    fn a_token_in_the_query_is_refused_also_beside_a_header_rfc_6750_section_2_3() {
        let headers = with(&[b"Bearer abc"]);
        for query in ["access_token=a", "a=1&access_token", "acces%73_token=a", "%61ccess_token"] {
            let refusal = presented(&headers, Some(query));
            assert!(matches!(refusal, Err(Refusal::InvalidRequest(_))), "{query}");
        }
        assert!(presented(&headers, Some("xaccess_token=a")).is_ok());
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

    #[test]
    fn a_detail_of_the_type_has_to_allow_it_rfc_9396_9() {
        let details = r#"[{"type":"payment","amount":5},{"type":"payment","amount":9}]"#;
        let granted = AuthorizationDetails::parse(details).expect("good");
        let up_to = |kind, limit: u64| {
            check_detail(&granted, kind, |detail| {
                detail.members()["amount"].as_u64().is_some_and(|amount| amount <= limit)
            })
        };
        assert_eq!(up_to("payment", 5), Ok(()));
        for (kind, limit) in [("payment", 4), ("account", 9), ("Payment", 9)] {
            let kind_named = Refusal::InsufficientDetails { kind: kind.to_owned() };
            assert_eq!(up_to(kind, limit), Err(kind_named));
        }
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

//! DPoP (RFC 9449) on the way out: a proof for each request, and the nonces that servers gave.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use keystile_protocol::Secret;
use url::Url;

use crate::client::Inner;
use crate::entropy::random;
use crate::flow::{ProofKey, Proven, wants_nonce};
use crate::outbound::secret_header;

/// The header that a proof travels in (section 4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header that a nonce comes in (section 8.1).
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Servers whose nonces are remembered; more are no app's.
const SERVERS_AT_MOST: usize = 100;
/// A longer nonce is not remembered, in bytes.
const NONCE_AT_MOST: usize = 1024;

/// What each server gave out last, by its origin (sections 8 and 9).
#[derive(Default)]
pub(crate) struct Nonces(Mutex<HashMap<String, String>>);

impl Nonces {
    fn of(&self, url: &str) -> Option<String> {
        let nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.get(&origin(url)?).cloned()
    }

    /// Remembers the nonce of an answer, and says whether there was one that is new.
    pub(crate) fn learn(&self, url: &str, headers: &HeaderMap) -> bool {
        let nonce = headers.get(NONCE).and_then(|value| value.to_str().ok());
        let fits = |nonce: &&str| !nonce.is_empty() && nonce.len() <= NONCE_AT_MOST;
        let (Some(nonce), Some(origin)) = (nonce.filter(fits), origin(url)) else { return false };
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nonces.len() >= SERVERS_AT_MOST && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.to_owned()).as_deref() != Some(nonce)
    }
}

fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}

impl Inner {
    /// The `DPoP` header of one request; nothing without a key.
    pub(crate) fn proof_header(
        &self,
        key: Option<&ProofKey>,
        (method, url): (&str, &str),
        access_token: Option<&Secret>,
    ) -> Result<Option<(HeaderName, HeaderValue)>, String> {
        let Some(key) = key else { return Ok(None) };
        let nonce = self.nonces.of(url);
        let access_token = access_token.map(Secret::expose);
        let about = Proven { method, url, access_token, nonce: nonce.as_deref() };
        let proof = key.proof(&about, self.now(), random()).map_err(|e| e.to_string())?;
        HeaderValue::from_str(&proof)
            .map(|value| Some((DPOP, value)))
            .map_err(|_| "a proof fits no header".to_owned())
    }

    /// The headers that a call to an API carries its access token in: as a bearer token (RFC 6750
    /// section 2.1), or with a proof beside it (RFC 9449 section 7.1).
    pub(crate) fn authorization(
        &self,
        key: Option<&ProofKey>,
        token: &Secret,
        request: (&str, &str),
    ) -> Result<HeaderMap, String> {
        let scheme = if key.is_some() { "DPoP" } else { "Bearer" };
        let text = Secret::new(format!("{scheme} {}", token.expose()));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, secret_header(text.expose())?);
        headers.extend(self.proof_header(key, request, Some(token))?);
        Ok(headers)
    }

    /// Remembers the nonce of an API's answer, and says whether the call is to be repeated with it
    /// (RFC 9449 section 9).
    pub(crate) fn asks_for_nonce(
        &self,
        key: Option<&ProofKey>,
        url: &str,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> bool {
        let learned = key.is_some() && self.nonces.learn(url, headers);
        learned && status == StatusCode::UNAUTHORIZED && wants_nonce(challenge_texts(headers))
    }
}

/// The texts of the `WWW-Authenticate` headers.
pub(crate) fn challenge_texts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(nonce: &str) -> HeaderMap {
        let value = HeaderValue::from_str(nonce).expect("fits");
        [(NONCE, value)].into_iter().collect()
    }

    #[test]
    fn each_server_has_its_own_nonce_and_the_last_counts_rfc_9449_8_2() {
        let nonces = Nonces::default();
        assert!(nonces.learn("https://a.example/token", &answer("one")));
        assert!(!nonces.learn("https://a.example/par", &answer("one")), "known");
        assert!(nonces.learn("https://b.example/", &answer("two")));
        assert!(nonces.learn("https://a.example/token", &answer("three")));
        assert!(!nonces.learn("https://a.example/", &HeaderMap::new()));
        assert!(!nonces.learn("https://a.example/", &answer(&"x".repeat(NONCE_AT_MOST + 1))));
        assert_eq!(nonces.of("https://a.example:443/userinfo").as_deref(), Some("three"));
        assert_eq!(nonces.of("https://b.example/x").as_deref(), Some("two"));
        assert_eq!(nonces.of("http://b.example/x"), None);
    }

    #[test]
    fn there_is_a_bound() {
        let nonces = Nonces::default();
        for number in 0..=SERVERS_AT_MOST {
            nonces.learn(&format!("https://{number}.example"), &answer("n"));
        }
        assert!(nonces.0.lock().expect("not poisoned").len() <= SERVERS_AT_MOST);
    }
}

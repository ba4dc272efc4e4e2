//! What the authorization server says of itself: metadata and keys, fetched on first use, kept,
//! and served on while the server is away.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use keystile_protocol::jose::{JwkSet, KeySet};
use keystile_protocol::messages::Metadata;
use keystile_protocol::redirect_uri::is_loopback;
use keystile_protocol::{Issuer, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

use crate::outbound::Http;

/// What is older than this is fetched again on the next use.
const KEPT: Duration = Duration::from_hours(24);
/// The least time between two fetches of what is there already: the first is made at once, so that
/// a server that changes its keys just after it was asked keeps nobody out.
const PAUSE: Duration = Duration::from_secs(5);

/// The authorization server, as the app knows it.
pub(crate) struct Provider {
    issuer: Issuer,
    http: Http,
    metadata: Cached<Metadata>,
    keys: Cached<KeySet>,
}

impl Provider {
    pub(crate) fn new(issuer: Issuer, http: Http) -> Self {
        Self { issuer, http, metadata: Cached::default(), keys: Cached::default() }
    }

    /// The server's metadata.
    pub(crate) async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, String> {
        let good = |held: &Held<Metadata>| now.since(held.fetched_at) < KEPT;
        self.metadata.get(now, good, || self.fetch_metadata()).await
    }

    /// The server's keys, fetched again if there is none of that name.
    pub(crate) async fn keys(
        &self,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, String> {
        let metadata = self.metadata(now).await?;
        let url = metadata.jwks_uri.as_deref().ok_or("its metadata name no jwks_uri")?;
        let good = |held: &Held<KeySet>| {
            now.since(held.fetched_at) < KEPT && kid.is_none_or(|kid| held.value.has(kid))
        };
        self.keys.get(now, good, || self.fetch_keys(url)).await
    }

    /// The server's keys that are newer than `old`, if there are any: for a signature without a
    /// `kid` that none of the old ones made. As rarely as for an unknown `kid`.
    pub(crate) async fn newer_keys(
        &self,
        old: &Arc<KeySet>,
        now: Timestamp,
    ) -> Option<Arc<KeySet>> {
        let metadata = self.metadata(now).await.ok()?;
        let url = metadata.jwks_uri.as_deref()?;
        let good = |held: &Held<KeySet>| !Arc::ptr_eq(&held.value, old);
        let keys = self.keys.get(now, good, || self.fetch_keys(url)).await.ok()?;
        (!Arc::ptr_eq(&keys, old)).then_some(keys)
    }

    /// OpenID Connect Discovery 1.0 section 4, or else RFC 8414 section 3.
    async fn fetch_metadata(&self) -> Result<Metadata, String> {
        let metadata = match self.fetch(&self.issuer.openid_metadata_url()).await {
            Ok(metadata) => metadata,
            Err(Trouble::NotThere(why)) => self
                .fetch(&self.issuer.oauth_metadata_url())
                .await
                .map_err(|other| format!("{why}; {}", other.text()))?,
            Err(other) => return Err(other.text()),
        };
        check_metadata(&metadata, &self.issuer)?;
        Ok(metadata)
    }

    async fn fetch_keys(&self, url: &str) -> Result<KeySet, String> {
        let keys: JwkSet = self.fetch(url).await.map_err(Trouble::text)?;
        let keys = KeySet::from_jwks(&keys);
        if keys.is_empty() {
            Err("its key set has no key that can be used".into())
        } else {
            Ok(keys)
        }
    }

    async fn fetch<T: DeserializeOwned>(&self, url: &str) -> Result<T, Trouble> {
        let answer = self
            .http
            .get(url, HeaderMap::new())
            .await
            .map_err(|e| Trouble::Other(format!("{url}: {e}")))?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map_err(|e| Trouble::Other(format!("{url} is not what it should be: {e}"))),
            status @ 400..500 => Err(Trouble::NotThere(format!("{url} answered {status}"))),
            status => Err(Trouble::Other(format!("{url} answered {status}"))),
        }
    }
}

enum Trouble {
    NotThere(String),
    Other(String),
}

impl Trouble {
    fn text(self) -> String {
        match self {
            Self::NotThere(text) | Self::Other(text) => text,
        }
    }
}

/// "The issuer value returned MUST be identical" (OpenID Connect Discovery 1.0 section 4.3); and no
/// token goes over plain http, except to a development issuer on loopback.
fn check_metadata(metadata: &Metadata, issuer: &Issuer) -> Result<(), String> {
    if metadata.issuer != *issuer {
        let named = &metadata.issuer;
        return Err(format!(
            "its metadata name the issuer '{named}', configured is '{issuer}': they must be equal, \
             to the last slash"
        ));
    }
    let endpoints = [
        Some(&metadata.authorization_endpoint),
        Some(&metadata.token_endpoint),
        metadata.jwks_uri.as_ref(),
        metadata.userinfo_endpoint.as_ref(),
        metadata.end_session_endpoint.as_ref(),
        metadata.revocation_endpoint.as_ref(),
        metadata.device_authorization_endpoint.as_ref(),
        metadata.registration_endpoint.as_ref(),
        metadata.pushed_authorization_request_endpoint.as_ref(),
    ];
    let aliases = metadata.mtls_endpoint_aliases.values();
    for endpoint in endpoints.into_iter().flatten().chain(aliases) {
        let safe = Url::parse(endpoint).is_ok_and(|url| {
            url.scheme() == "https"
                || issuer.is_development() && url.scheme() == "http" && is_loopback(&url)
        });
        if !safe || endpoint.contains('#') {
            return Err(format!("its metadata name an endpoint that is not https: {endpoint:?}"));
        }
    }
    Ok(())
}

struct Held<T> {
    value: Arc<T>,
    fetched_at: Timestamp,
    /// When it was last asked for again.
    asked_again_at: Option<Timestamp>,
}

/// A value that one caller fetches while the others wait for it.
struct Cached<T> {
    held: RwLock<Option<Held<T>>>,
    /// Counts finished fetches, so that who waited knows that there was one.
    rounds: AtomicU64,
    flight: Mutex<String>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { held: RwLock::new(None), rounds: AtomicU64::new(0), flight: Mutex::default() }
    }
}

impl<T> Cached<T> {
    async fn get<F: Future<Output = Result<T, String>>>(
        &self,
        now: Timestamp,
        good: impl Fn(&Held<T>) -> bool,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, String> {
        let soon = |at: Option<Timestamp>| at.is_some_and(|at| now.since(at) < PAUSE);
        let serve = |held: &Held<T>| good(held) || soon(held.asked_again_at);
        if let Some(value) = self.held_if(serve) {
            return Ok(value);
        }
        let round = self.rounds.load(Ordering::Acquire);
        let mut failure = self.flight.lock().await;
        if self.rounds.load(Ordering::Acquire) != round {
            return self.held_if(|_| true).ok_or_else(|| failure.clone());
        }
        let fetched = fetch().await;
        self.rounds.fetch_add(1, Ordering::Release);
        match fetched {
            Ok(value) => Ok(self.hold(value, now)),
            Err(why) => {
                failure.clone_from(&why);
                self.asked_in_vain(now);
                self.held_if(|_| true).inspect(|_| tracing::warn!(%why, "kept the old")).ok_or(why)
            }
        }
    }

    fn held_if(&self, serve: impl Fn(&Held<T>) -> bool) -> Option<Arc<T>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| serve(held)).map(|held| Arc::clone(&held.value))
    }

    fn hold(&self, value: T, now: Timestamp) -> Arc<T> {
        let value = Arc::new(value);
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let asked_again_at = held.is_some().then_some(now);
        *held = Some(Held { value: Arc::clone(&value), fetched_at: now, asked_again_at });
        value
    }

    fn asked_in_vain(&self, now: Timestamp) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_mut() {
            held.asked_again_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(issuer: &str, token_endpoint: &str) -> Metadata {
        serde_json::from_value(serde_json::json!({
            "issuer": issuer,
            "authorization_endpoint": "https://login.example/authorize",
            "token_endpoint": token_endpoint,
        }))
        .expect("metadata")
    }

    #[test]
    fn metadata_name_their_issuer_and_https_endpoints_alone() {
        let issuer = Issuer::try_from("https://login.example").expect("an issuer");
        let good = metadata("https://login.example", "https://api.login.example/token");
        assert_eq!(check_metadata(&good, &issuer), Ok(()));
        for (other, endpoint) in [
            ("https://login.example/", "https://login.example/token"),
            ("https://evil.example", "https://login.example/token"),
            ("https://login.example", "http://login.example/token"),
            ("https://login.example", "http://localhost/token"),
            ("https://login.example", "javascript:alert(1)"),
            ("https://login.example", "/token"),
        ] {
            assert!(check_metadata(&metadata(other, endpoint), &issuer).is_err(), "{endpoint}");
        }
        let local = Issuer::try_from("http://localhost:4000").expect("an issuer");
        let development = metadata("http://localhost:4000", "http://localhost:4000/token");
        assert_eq!(check_metadata(&development, &local), Ok(()));
    }
}

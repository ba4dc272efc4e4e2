//! Metadata and key set over HTTP, with bounds on everything.

use std::time::Duration;

use keystile_protocol::Issuer;
use keystile_protocol::jose::{JwkSet, KeySet};
use reqwest::{Client, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A larger document is refused, in bytes.
const DOCUMENT_AT_MOST: usize = 256 * 1024;

/// Fetches one issuer's keys.
#[derive(Debug)]
pub(super) struct Fetcher {
    http: Client,
    issuer: Issuer,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{url} does not answer: {error}")]
    Away { url: String, error: reqwest::Error },
    #[error("{url} answers with status {status}")]
    Status { url: String, status: u16 },
    #[error("{url} is longer than {DOCUMENT_AT_MOST} bytes")]
    TooLong { url: String },
    #[error("{url} cannot be read: {error}")]
    Unreadable { url: String, error: serde_json::Error },
    #[error(
        "{url} is the metadata of '{found}', not of '{expected}': they are compared as strings \
         (RFC 8414 section 3.3)"
    )]
    OtherIssuer { url: String, found: String, expected: Issuer },
    #[error("{url} names no jwks_uri")]
    NoKeySet { url: String },
    #[error("the key set at {url} is not fetched: https is needed")]
    Insecure { url: String },
}

/// As much of the metadata as matters here.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Option<String>,
}

impl Fetcher {
    pub(super) fn new(issuer: Issuer) -> Result<Self, reqwest::Error> {
        let mut http = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .user_agent(concat!("keystile-resource/", env!("CARGO_PKG_VERSION")));
        if issuer.is_development() {
            // It is on this machine, where no proxy leads.
            http = http.no_proxy();
        }
        Ok(Self { http: http.build()?, issuer })
    }

    /// The metadata's location may have changed with the keys, so it is read each time.
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        let url = self.key_set_url().await?;
        let set: JwkSet = self.get(&url).await?;
        Ok(KeySet::from_jwks(&set))
    }

    async fn key_set_url(&self) -> Result<String, FetchError> {
        let mut url = self.issuer.oauth_metadata_url();
        let document: Document = match self.get(&url).await {
            // OpenID providers need not know RFC 8414.
            Err(FetchError::Status { .. } | FetchError::Unreadable { .. }) => {
                url = self.issuer.openid_metadata_url();
                self.get(&url).await?
            }
            answer => answer?,
        };
        if document.issuer != self.issuer.as_str() {
            let found = document.issuer.chars().take(200).collect();
            return Err(FetchError::OtherIssuer { url, found, expected: self.issuer.clone() });
        }
        let key_set = document.jwks_uri.ok_or(FetchError::NoKeySet { url })?;
        let allowed = key_set.starts_with("https://")
            || (self.issuer.is_development() && key_set.starts_with("http://"));
        if allowed { Ok(key_set) } else { Err(FetchError::Insecure { url: key_set }) }
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, FetchError> {
        let away = |error: reqwest::Error| FetchError::Away {
            url: url.to_owned(),
            error: error.without_url(),
        };
        let request = self.http.get(url).header("accept", "application/json");
        let mut response = request.send().await.map_err(away)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status { url: url.to_owned(), status });
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if document.len() + chunk.len() > DOCUMENT_AT_MOST {
                return Err(FetchError::TooLong { url: url.to_owned() });
            }
            document.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&document)
            .map_err(|error| FetchError::Unreadable { url: url.to_owned(), error })
    }
}

//! Requests to an issuer, with bounds on everything.

use std::time::Duration;

use keystile_protocol::Issuer;
use reqwest::{Client, RequestBuilder, redirect};
use serde::de::DeserializeOwned;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// From the first byte sent to the last one received.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A larger document is refused, in bytes.
const DOCUMENT_AT_MOST: usize = 256 * 1024;

/// Talks to one issuer.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    pub(crate) http: Client,
    pub(crate) issuer: Issuer,
}

/// Why an issuer's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    #[error("{url} does not answer: {error}")]
    Away { url: String, error: reqwest::Error },
    #[error("{url} answers with status {status}")]
    Status { url: String, status: u16 },
    #[error("{url} is longer than {DOCUMENT_AT_MOST} bytes")]
    TooLong { url: String },
    #[error("{url} cannot be read: {error}")]
    Unreadable { url: String, error: serde_json::Error },
}

impl Outbound {
    pub(crate) fn new(issuer: Issuer) -> Result<Self, reqwest::Error> {
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

    /// Whether an endpoint of the issuer may be called: https, or http beside a development issuer.
    pub(crate) fn may_call(&self, url: &str) -> bool {
        url.starts_with("https://") || self.issuer.is_development() && url.starts_with("http://")
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, OutboundError> {
        let request = self.http.get(url).header("accept", "application/json");
        let document = Self::read(url, request).await?;
        serde_json::from_slice(&document)
            .map_err(|error| OutboundError::Unreadable { url: url.to_owned(), error })
    }

    /// The body of the answer, which has to have status 200. `url` is for the words alone.
    pub(crate) async fn read(url: &str, request: RequestBuilder) -> Result<Vec<u8>, OutboundError> {
        let away = |error: reqwest::Error| OutboundError::Away {
            url: url.to_owned(),
            error: error.without_url(),
        };
        let mut response = request.send().await.map_err(away)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(OutboundError::Status { url: url.to_owned(), status });
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if document.len() + chunk.len() > DOCUMENT_AT_MOST {
                return Err(OutboundError::TooLong { url: url.to_owned() });
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }
}

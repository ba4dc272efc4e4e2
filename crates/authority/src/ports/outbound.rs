//! Requests that the server makes itself, to addresses that clients name.

use std::time::Duration;

use async_trait::async_trait;
use keystile_protocol::Secret;
use serde_json::Value;

use crate::rules::outbound::OutboundRefusal;

/// The way out: every request to an address that somebody else named goes through here.
///
/// Whatever stands behind it asks [`crate::rules::outbound`] about the URL and about every address
/// that its name stands for, connects to one of those and no other, follows no redirect, and keeps
/// the bounds on size and time that are written there.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Fetches a document.
    async fn get(&self, url: &str, kind: Fetching) -> Result<Fetched, OutboundError>;
    /// Posts a form.
    async fn post_form(&self, url: &str, fields: &[(&str, &str)])
    -> Result<Fetched, OutboundError>;
    /// Posts JSON, with a token that says who we are (RFC 6750 section 2.1).
    async fn post_json(
        &self,
        url: &str,
        bearer: &Secret,
        body: &Value,
    ) -> Result<Fetched, OutboundError>;
}

/// What is fetched; it says so in `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetching {
    /// A JSON document: keys, metadata, a list of redirect URIs.
    Json,
    /// A request object (RFC 9101 section 5.2).
    RequestObject,
    /// A client's logo.
    Image,
}

impl Fetching {
    /// The request's `Accept`.
    pub const fn accept(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::RequestObject => "application/oauth-authz-req+jwt, application/jwt, text/plain",
            Self::Image => "image/png, image/jpeg, image/webp",
        }
    }
}

/// An answer, whatever its status, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// HTTP status. A redirect is an answer like any other: nobody has followed it.
    pub status: u16,
    /// `Content-Type`, in lower case and without parameters.
    pub content_type: Option<String>,
    /// What it holds.
    pub body: Vec<u8>,
    /// How long it may be used without asking again.
    pub fresh_for: Duration,
}

impl Fetched {
    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// What it holds, as JSON. Types that file servers use for want of a better one are taken, one
    /// that says something else is not: a page with status 200 is no document.
    pub fn json(&self) -> Result<Value, String> {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let json = matches!(
            content_type,
            "" | "application/json" | "text/plain" | "application/octet-stream"
        ) || content_type.ends_with("+json");
        if !json {
            return Err("the answer's Content-Type is not application/json".to_owned());
        }
        serde_json::from_slice(&self.body).map_err(|error| format!("it is not JSON: {error}"))
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It is an address that is not called.
    #[error(transparent)]
    Refused(#[from] OutboundRefusal),
    /// Nobody answered, not in time, or not with a certificate that is trusted.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is longer than anything that is needed.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_json_by_its_type_and_by_what_it_holds() {
        let json = |content_type: Option<&str>, body: &str| {
            let content_type = content_type.map(str::to_owned);
            let body = body.as_bytes().to_vec();
            Fetched { status: 200, content_type, body, fresh_for: Duration::ZERO }.json().is_ok()
        };
        for content_type in [
            "application/json",
            "application/jwk-set+json",
            "text/plain",
            "application/octet-stream",
        ] {
            assert!(json(Some(content_type), "{}"), "{content_type}");
            assert!(!json(Some(content_type), "<html>"), "{content_type}");
        }
        assert!(json(None, "[1]"));
        for content_type in ["text/html", "application/jwt", "image/png", "json"] {
            assert!(!json(Some(content_type), "{}"), "{content_type}");
        }
        assert!(!json(None, &"[".repeat(10_000)), "nested without end");
        assert!(!json(None, ""));
    }
}

//! Metadata and key set over HTTP.

use keystile_protocol::Issuer;
use keystile_protocol::jose::{JwkSet, KeySet};
use serde::Deserialize;

use super::Published;
use crate::outbound::{Outbound, OutboundError};

/// Why there is nothing published that could be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error(
        "{url} is the metadata of '{found}', not of '{expected}': they are compared as strings \
         (RFC 8414 section 3.3)"
    )]
    OtherIssuer { url: String, found: String, expected: Issuer },
    #[error("{url} names no jwks_uri")]
    NoKeySet { url: String },
    #[error("{url} is not called: https is needed")]
    Insecure { url: String },
}

/// As much of the metadata as matters here.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
}

/// The metadata's location of things may have changed with the keys, so it is read each time.
/// Whoever `introspects` needs no keys.
pub(super) async fn fetch(from: &Outbound, introspects: bool) -> Result<Published, FetchError> {
    let (url, document) = metadata(from).await?;
    let endpoint = document.introspection_endpoint.filter(|_| introspects);
    if let Some(endpoint) = &endpoint {
        callable(from, endpoint)?;
    }
    let keys = match document.jwks_uri {
        Some(key_set) => {
            callable(from, &key_set)?;
            KeySet::from_jwks(&from.get::<JwkSet>(&key_set).await?)
        }
        None if endpoint.is_some() => KeySet::default(),
        None => return Err(FetchError::NoKeySet { url }),
    };
    Ok(Published { keys, introspection_endpoint: endpoint })
}

async fn metadata(from: &Outbound) -> Result<(String, Document), FetchError> {
    let mut url = from.issuer.oauth_metadata_url();
    let document: Document = match from.get(&url).await {
        // OpenID providers need not know RFC 8414.
        Err(OutboundError::Status { .. } | OutboundError::Unreadable { .. }) => {
            url = from.issuer.openid_metadata_url();
            from.get(&url).await?
        }
        answer => answer?,
    };
    if document.issuer != from.issuer.as_str() {
        let found = document.issuer.chars().take(200).collect();
        return Err(FetchError::OtherIssuer { url, found, expected: from.issuer.clone() });
    }
    Ok((url, document))
}

fn callable(from: &Outbound, url: &str) -> Result<(), FetchError> {
    if from.may_call(url) { Ok(()) } else { Err(FetchError::Insecure { url: url.to_owned() }) }
}

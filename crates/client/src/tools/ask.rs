use keystile_protocol::messages::Metadata;

use super::ToolError;
use crate::client::Inner;
use crate::exchange::{About, send};
use crate::flow::{TokenError, TokenRequest};
use crate::observe::Step;

/// An endpoint, by its name in the metadata.
#[derive(Clone, Copy)]
pub(super) enum Endpoint {
    Token,
    DeviceAuthorization,
    Revocation,
}

impl Endpoint {
    fn url(self, metadata: &Metadata) -> Result<&str, ToolError> {
        match self {
            Self::Token => Ok(&metadata.token_endpoint),
            Self::DeviceAuthorization => metadata
                .device_authorization_endpoint
                .as_deref()
                .ok_or(ToolError::NotOffered("device_authorization_endpoint")),
            Self::Revocation => metadata
                .revocation_endpoint
                .as_deref()
                .ok_or(ToolError::NotOffered("revocation_endpoint")),
        }
    }
}

/// Posts to an endpoint, and reads the answer.
pub(super) async fn ask<T>(
    inner: &Inner,
    endpoint: Endpoint,
    request: &TokenRequest,
    about: About<'_>,
    read: impl Fn(u16, &[u8]) -> Result<T, TokenError>,
) -> Result<T, ToolError> {
    let metadata = inner.provider.metadata(inner.now()).await.map_err(TokenError::Unavailable)?;
    let url = endpoint.url(&metadata)?;
    let steps = match endpoint {
        Endpoint::Token => (Step::TokenRequest, Step::TokenResponse),
        Endpoint::DeviceAuthorization => (Step::DeviceRequest, Step::DeviceResponse),
        Endpoint::Revocation => (Step::RevocationRequest, Step::RevocationResponse),
    };
    let answer = send(inner, url, request, steps, about).await?;
    Ok(read(answer.status, &answer.body)?)
}

//! Whether a client may say that it is of a sector: whoever registers one asks.

use super::Authority;
use crate::ports::{DocumentError, Fetching, Outbound};
use crate::records::Client;
use crate::rules::registration::MetadataError;
use crate::rules::sector::SectorDocument;

/// Why a client is not known to be of its sector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectorError {
    /// The document cannot be had, for now or for good.
    #[error("sector_identifier_uri: the document cannot be had: {}", .0.told())]
    Away(DocumentError),
    /// It does not say so.
    #[error(transparent)]
    Refused(#[from] MetadataError),
}

impl Authority {
    /// See [`check_sector`].
    pub async fn check_sector(&self, client: &Client) -> Result<(), SectorError> {
        check_sector(client, &*self.outbound).await
    }
}

/// "The AS MUST verify" what stands at a client's `sector_identifier_uri`, if it has one, when it
/// is registered (OpenID Connect Dynamic Client Registration 1.0 section 5). It is fetched anew:
/// this is about what stands there now.
pub async fn check_sector(client: &Client, outbound: &dyn Outbound) -> Result<(), SectorError> {
    let Some(uri) = &client.openid.sector_identifier_uri else { return Ok(()) };
    let fetched = outbound.get(uri, Fetching::Json).await;
    let fetched = fetched.map_err(|error| SectorError::Away(error.into()))?;
    if !fetched.is_success() {
        return Err(SectorError::Away(DocumentError::Status(fetched.status)));
    }
    Ok(SectorDocument::read(&fetched)?.holds(client)?)
}

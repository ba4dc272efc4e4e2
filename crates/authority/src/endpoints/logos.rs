//! Clients' logos: fetched once, and shown from our own origin, so that no page of ours calls
//! elsewhere.

use keystile_protocol::{ClientId, Timestamp};

use super::Authority;
use super::answer::{EndpointError, Fault};
use crate::ports::{Fetching, Outbound, OutboundError, StoreError};
use crate::records::Client;
use crate::rules::logo::{self, Logo, NoLogo};

/// Why a logo could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoError {
    /// There was no answer.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The answer is no picture that is shown.
    #[error(transparent)]
    NoLogo(#[from] NoLogo),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fetches a logo.
pub async fn fetch_logo(outbound: &dyn Outbound, logo_uri: &str) -> Result<Logo, LogoError> {
    Ok(logo::fetched(outbound.get(logo_uri, Fetching::Image).await?)?)
}

impl Authority {
    /// The picture of that name.
    pub async fn logo(&self, name: &str) -> Result<Option<Logo>, Fault> {
        Ok(self.store.logo(name).await?)
    }

    /// Fetches a client's logo, if it has one that is not here yet. True: it is here now.
    pub async fn complete_logo(&self, client: &ClientId) -> Result<bool, LogoError> {
        let client = self.store.client(client, true).await?;
        let missing = client.filter(|client| client.about.logo.is_none());
        let Some((client, logo_uri)) =
            missing.and_then(|client| Some((client.id.clone(), client.about.logo_uri.clone()?)))
        else {
            return Ok(false);
        };
        let logo = fetch_logo(&*self.outbound, &logo_uri).await?;
        self.store.keep_logo(&client, &logo_uri, logo).await?;
        Ok(true)
    }

    /// The logo of a client that registers itself or changes, if it is not here yet; with it, what
    /// went wrong. A logo that cannot be had refuses nobody: it is an ornament, and its server may
    /// be away for a moment.
    pub(super) async fn logo_for(
        &self,
        client: &mut Client,
        network: &str,
        now: Timestamp,
    ) -> Result<(Option<Logo>, Option<LogoError>), EndpointError> {
        if client.about.logo.is_some() {
            return Ok((None, None));
        }
        let Some(logo_uri) = client.about.logo_uri.as_deref() else { return Ok((None, None)) };
        self.may_fetch(network, now)?;
        match fetch_logo(&*self.outbound, logo_uri).await {
            Ok(logo) => {
                client.about.logo = Some(logo.name.clone());
                Ok((Some(logo), None))
            }
            Err(error) => Ok((None, Some(error))),
        }
    }

    /// Strangers make this server call others only so often.
    pub(super) fn may_fetch(&self, network: &str, now: Timestamp) -> Result<(), EndpointError> {
        match &self.throttle {
            Some(throttle) => throttle.fetch(network, now).map_err(EndpointError::Throttled),
            None => Ok(()),
        }
    }
}

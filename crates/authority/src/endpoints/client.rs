//! Who calls: client authentication, shared by the endpoints that clients call.

use keystile_protocol::{ErrorCode, Params, Timestamp};

use super::Authority;
use super::answer::EndpointError;
use crate::rules::client_auth::{self, AuthenticatedClient};

/// A request of a client to one of its endpoints.
#[derive(Debug)]
pub struct ClientRequest<'a> {
    /// Its form.
    pub params: Params,
    /// Its `Authorization` headers.
    pub authorization: Vec<&'a [u8]>,
    /// Its network: /24 or /56 of its address.
    pub network: String,
}

impl Authority {
    pub(super) async fn authenticated(
        &self,
        request: &ClientRequest<'_>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, EndpointError> {
        let presented = client_auth::presented(&request.authorization, &request.params)?;
        if let Some(throttle) = &self.throttle {
            let throttled = EndpointError::Throttled;
            throttle.client_attempt(&request.network, now).map_err(throttled)?;
        }
        let remembered = self.store.client(&presented.client_id, false).await?;
        if let Ok(client) = client_auth::prove(remembered, &presented, now) {
            return Ok(client);
        }
        // Another node, or the command line, may have changed the client a moment ago.
        let read_again = self.store.client(&presented.client_id, true).await?;
        client_auth::prove(read_again, &presented, now).map_err(|error| {
            if let Some(throttle) = &self.throttle {
                throttle.client_failed(&request.network, now);
            }
            error.into()
        })
    }
}

/// The parameters of a form, or `invalid_request`.
impl ClientRequest<'_> {
    pub(super) fn required(&self, name: &'static str) -> Result<&str, EndpointError> {
        Ok(self.params.required(name)?)
    }

    pub(super) fn scope(&self) -> Result<Option<keystile_protocol::Scope>, EndpointError> {
        self.params
            .optional_as("scope")
            .map_err(|e| EndpointError::protocol(ErrorCode::InvalidScope, e.to_string()))
    }
}

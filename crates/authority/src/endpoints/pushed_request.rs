//! `/par` (RFC 9126).

use std::sync::Arc;

use keystile_protocol::messages::PushedResponse;
use keystile_protocol::{ErrorCode, ProtocolError, Timestamp};

use super::Authority;
use super::answer::EndpointError;
use super::client::ClientRequest;
use crate::ids::GrantId;
use crate::incident::Reference;
use crate::records::Client;
use crate::rules::request_object::Beside;
use crate::rules::{dpop, pushed_request, redirect, request, request_object};
use crate::sealed::{FORMAT, ParamsAt, PushedRequest};

impl Authority {
    /// Takes an authorization request before it comes through a browser. What is given back is
    /// the request itself, sealed: nothing is stored, unless it is large.
    pub async fn push(&self, request: &ClientRequest<'_>) -> Result<PushedResponse, EndpointError> {
        let now = self.clock.now();
        let caller = self.proved(request, now).await?;
        let client = caller.client();
        let key = self.proved_key(&request.dpop, ("POST", request.path), None, now)?;
        let once = caller.once().into_iter().chain(key.map(|key| key.once)).collect();
        self.use_up(once, self.entropy.bytes()).await?;
        let mut params = pushed_request::authorization_request(request.params, &client.id)?;
        if params.has("request") {
            let object = params.required("request")?;
            params = self.open_object(object, &params, Beside::Ignored, client, now).await?.0;
        } else {
            request_object::not_required(client)?;
        }
        let params = dpop::pushed(params, key.as_ref())?;
        let known = Some(Arc::new(client.clone()));
        redirect::reply_to(&params, client.id.clone(), known).map_err(|problem| {
            let words = problem.incident(Reference::from_random([0; 5]), now).summary;
            ProtocolError::new(ErrorCode::InvalidRequest, words)
        })?;
        request::check(&params, client, &self.policy)?;
        let params = params.encode();
        pushed_request::fits(&params)?;
        let waiting = if params.len() <= pushed_request::TRAVELS_AT_MOST {
            ParamsAt::Here(params)
        } else {
            self.park_request(params, client, request, now).await?
        };
        Ok(self.pushed(client, waiting, now))
    }

    fn pushed(&self, client: &Client, params: ParamsAt, now: Timestamp) -> PushedResponse {
        let sealed = self.seal(
            &PushedRequest {
                format: FORMAT,
                client: client.id.clone(),
                params,
                grant: GrantId::new(now, self.entropy.bytes()),
                expires_at: now.plus(pushed_request::LIFETIME),
            },
            now,
        );
        PushedResponse {
            request_uri: format!("{}{}", pushed_request::REQUEST_URI_PREFIX, sealed.as_str()),
            expires_in: pushed_request::LIFETIME.as_secs(),
        }
    }
}

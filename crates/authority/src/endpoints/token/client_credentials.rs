//! The client credentials grant (RFC 6749 section 4.4).

use keystile_protocol::Timestamp;
use keystile_protocol::messages::TokenResponse;

use super::Caller;
use super::tokens::response;
use crate::endpoints::answer::EndpointError;
use crate::endpoints::{Authority, ClientRequest};
use crate::mint::AccessToken;
use crate::rules::{authorization_details, client_credentials, scope};

impl Authority {
    pub(super) fn for_client(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let policy = &self.policy;
        let details = authorization_details::requested_for_client(request.params, client, policy)?;
        let scope = client_credentials::grant(request.scope()?, &details, client, policy)?;
        let resources = self.resources(request)?;
        let locations = if resources.is_empty() {
            authorization_details::locations(&details, policy)
        } else {
            Vec::new()
        };
        let audience = scope::audience_with(&scope, &resources, &locations, client, policy)?;
        let details = authorization_details::for_audience(&details, &audience, policy);
        let life = policy.lifetimes.access_token;
        let token = AccessToken {
            subject: client.id.to_string(),
            client: &client.id,
            grant: None,
            scope: scope::for_audience(&scope, &audience, &self.policy),
            audience,
            auth_time: None,
            acr: None,
            expires_at: now.plus(life),
            jti: self.entropy.bytes(),
            bound_to: caller.bound_to,
            details: details.clone(),
            act: None,
            may_act: None,
        };
        let access_token = self.access_token(token, now)?;
        let mut response = response(access_token, scope, caller.bound_to, life);
        response.authorization_details = details;
        Ok(response)
    }
}

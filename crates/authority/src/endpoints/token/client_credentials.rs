//! The client credentials grant (RFC 6749 section 4.4).

use keystile_protocol::Timestamp;
use keystile_protocol::messages::TokenResponse;

use super::Caller;
use super::tokens::response;
use crate::endpoints::answer::EndpointError;
use crate::endpoints::{Authority, ClientRequest};
use crate::mint::AccessToken;
use crate::rules::{client_credentials, scope};

impl Authority {
    pub(super) fn for_client(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let scope = client_credentials::grant(request.scope()?, client, &self.policy)?;
        let resources = self.resources(request)?;
        let audience = scope::audience(&scope, &resources, client, &self.policy)?;
        let life = self.policy.lifetimes.access_token;
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
            act: None,
            may_act: None,
        };
        Ok(response(self.access_token(token, now)?, scope, caller.bound_to, life))
    }
}

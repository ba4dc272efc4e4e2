//! `/revoke` (RFC 7009).

use keystile_protocol::Timestamp;

use super::Authority;
use super::answer::EndpointError;
use super::client::ClientRequest;
use crate::records::Client;
use crate::refresh_token::{Binding, PresentedRefreshToken};
use crate::rules::revoke::{self, Revocation};

impl Authority {
    /// Ends a token of the client that asks. A token that is none, or another's, is no error
    /// (section 2.2).
    pub async fn revoke(&self, request: &ClientRequest<'_>) -> Result<(), EndpointError> {
        let now = self.clock.now();
        let caller = self.authenticated(request, now).await?;
        let token = request.required("token")?;
        match self.revocation(token, caller.client(), now).await? {
            Revocation::Grant(grant) => self.store.revoke_grant(&grant, now).await?,
            Revocation::AccessToken { jti, expires_at } => {
                self.store.revoke_token(&jti, expires_at).await?;
            }
            Revocation::Nothing => {}
        }
        Ok(())
    }

    async fn revocation(
        &self,
        token: &str,
        caller: &Client,
        now: Timestamp,
    ) -> Result<Revocation, EndpointError> {
        if let Some(presented) = PresentedRefreshToken::parse(token) {
            let Some(state) = self.store.grant(&presented.grant, None, now).await? else {
                return Ok(Revocation::Nothing);
            };
            let salt = &state.grant.salt;
            let binding = Binding { issuer: &self.policy.issuer, client: &caller.id, salt };
            let own = state.grant.client == caller.id;
            return Ok(if own && presented.is_authentic(&self.seals, binding) {
                Revocation::Grant(presented.grant)
            } else {
                Revocation::Nothing
            });
        }
        Ok(match self.believed(token, now).await {
            Ok(claims) => revoke::access_token(&claims, &caller.id),
            Err(_) => Revocation::Nothing,
        })
    }
}

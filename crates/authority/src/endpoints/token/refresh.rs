//! The refresh grant (RFC 6749 section 6).

use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{AuthorizationDetails, Scope, Timestamp};

use super::tokens::TokenFacts;
use super::{Caller, invalid_grant};
use crate::decisions::Rotated;
use crate::endpoints::answer::{EndpointError, Fault};
use crate::endpoints::{Authority, ClientRequest};
use crate::records::{Client, Grant, GrantNow};
use crate::refresh_token::{Binding, PresentedRefreshToken};
use crate::rules::refresh::{self, Refresh};
use crate::rules::{authorization_details, scope, sender_constraint};

/// What one access token has of its grant.
struct Narrowed {
    scope: Scope,
    audience: Vec<String>,
    details: AuthorizationDetails,
}

impl Authority {
    pub(super) async fn refresh(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let presented = PresentedRefreshToken::parse(request.required("refresh_token")?)
            .ok_or_else(|| invalid_grant("the refresh token is not one of this server's"))?;
        let asked_scope = request.scope()?;
        let asked_resources = self.resources(request)?;
        // Whoever loses a race for the counter reads and decides again, once.
        for _ in 0..2 {
            let state = self.own_grant(&presented, client, now).await?;
            sender_constraint::grant_is_for(&state.grant, caller.bound_to)?;
            let lifetimes = &self.policy.lifetimes;
            let decided = refresh::decide(presented.generation, &state, client, lifetimes, now);
            let step = match decided {
                Ok(step) => step,
                Err(refusal) => {
                    if refusal.revoke {
                        self.store.revoke_grant(&state.grant.id, now).await?;
                    }
                    return Err(refusal.error.into());
                }
            };
            let grant = &state.grant;
            let scope = refresh::scope(asked_scope.clone(), grant, client)?;
            let details = authorization_details::still_allowed(&grant.details, client);
            let details = authorization_details::narrowed(request.params, &details)?;
            let locations = authorization_details::locations(&details, &self.policy);
            let resources = refresh::resources(asked_resources.clone(), grant, &locations)?;
            // Named in this request, APIs are the only ones.
            let locations = if asked_resources.is_empty() { &locations[..] } else { &[] };
            let policy = &self.policy;
            let audience = scope::audience_with(&scope, &resources, locations, client, policy)?;
            let narrowed = Narrowed { scope, audience, details };
            let response = self.refreshed(grant, narrowed, caller, step, now).await?;
            if self.commit(step, grant, now).await? {
                return Ok(response);
            }
        }
        Err(Fault::Unavailable("a refresh token's counter moved twice meanwhile".into()).into())
    }

    /// The grant that a refresh token is of, if the token is authentic and the client's.
    async fn own_grant(
        &self,
        presented: &PresentedRefreshToken,
        client: &Client,
        now: Timestamp,
    ) -> Result<GrantNow, EndpointError> {
        let refused = || invalid_grant("the refresh token is not one of this client's");
        let state = self.store.grant(&presented.grant, None, now).await?.ok_or_else(refused)?;
        let salt = &state.grant.salt;
        let binding = Binding { issuer: &self.policy.issuer, client: &client.id, salt };
        if state.grant.client != client.id || !presented.is_authentic(&self.seals, binding) {
            return Err(refused());
        }
        Ok(state)
    }

    async fn refreshed(
        &self,
        grant: &Grant,
        narrowed: Narrowed,
        caller: &Caller<'_>,
        step: Refresh,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let facts = TokenFacts {
            grant: grant.id,
            account: grant.account,
            sid: grant.sid,
            audience: narrowed.audience,
            scope: narrowed.scope,
            details: narrowed.details,
            nonce: None,
            auth_time: grant.auth_time,
            methods: grant.methods.clone(),
            claims: grant.claims.clone(),
            bound_to: caller.bound_to,
        };
        let generation = match step {
            Refresh::Rotate(rotation) => rotation.to,
            Refresh::Keep { .. } | Refresh::Repeat => grant.generation,
        };
        let mut response = self.mint(facts, client, now).await?;
        response.refresh_token =
            Some(self.refresh_token(&grant.id, generation, client, &grant.salt, now)?);
        Ok(response)
    }

    /// Writes what the refresh decided. False: somebody else was first.
    async fn commit(
        &self,
        step: Refresh,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<bool, EndpointError> {
        match step {
            Refresh::Rotate(rotation) => {
                return Ok(self.store.rotate(rotation).await? == Rotated::Done);
            }
            Refresh::Keep { touch: true } => self.store.touch_grant(&grant.id, now).await?,
            Refresh::Keep { touch: false } | Refresh::Repeat => {}
        }
        Ok(true)
    }
}

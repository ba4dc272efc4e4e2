//! `/introspect` (RFC 7662).

use std::sync::Arc;

use keystile_protocol::Timestamp;
use keystile_protocol::messages::{Audience, IntrospectionResponse};

use super::Authority;
use super::answer::EndpointError;
use super::client::ClientRequest;
use super::life::Life;
use crate::mint;
use crate::records::Client;
use crate::refresh_token::{Binding, PresentedRefreshToken};
use crate::rules::{authorization_details, introspect};

impl Authority {
    /// What a token is worth right now, for those who may know.
    pub async fn introspect(
        &self,
        request: &ClientRequest<'_>,
    ) -> Result<IntrospectionResponse, EndpointError> {
        let now = self.clock.now();
        let caller = self.authenticated(request, now).await?;
        self.known_of(request.required("token")?, caller.client(), now).await
    }

    /// The same, signed for whoever asks (RFC 9701).
    pub async fn introspect_signed(
        &self,
        request: &ClientRequest<'_>,
    ) -> Result<String, EndpointError> {
        let now = self.clock.now();
        let caller = self.authenticated(request, now).await?;
        let client = caller.client();
        let answer = self.known_of(request.required("token")?, client, now).await?;
        Ok(mint::introspection(answer, client, &self.policy.issuer, &self.keys(), now)?)
    }

    async fn known_of(
        &self,
        token: &str,
        caller: &Client,
        now: Timestamp,
    ) -> Result<IntrospectionResponse, EndpointError> {
        if let Some(presented) = PresentedRefreshToken::parse(token) {
            return self.introspect_refresh_token(&presented, caller, now).await;
        }
        let Ok(claims) = self.believed(token, now).await else {
            return Ok(introspect::inactive());
        };
        let alive = introspect::may_ask(caller, &claims)
            && !matches!(self.life((&*claims).into(), now).await?, Life::Ended);
        if !alive {
            return Ok(introspect::inactive());
        }
        let mut answer = introspect::active(Arc::unwrap_or_clone(claims), None);
        // An API learns what is meant for it (RFC 9396 section 9.2); a client knows its own.
        if answer.client_id.as_ref() != Some(&caller.id) {
            let details = &answer.authorization_details;
            answer.authorization_details =
                authorization_details::for_audience(details, &caller.apis, &self.policy);
        }
        Ok(answer)
    }

    async fn introspect_refresh_token(
        &self,
        presented: &PresentedRefreshToken,
        caller: &Client,
        now: Timestamp,
    ) -> Result<IntrospectionResponse, EndpointError> {
        let Some(state) = self.store.grant(&presented.grant, None, now).await? else {
            return Ok(introspect::inactive());
        };
        let grant = state.grant;
        let binding =
            Binding { issuer: &self.policy.issuer, client: &caller.id, salt: &grant.salt };
        let live = state.alive
            && now < grant.expires_at
            && grant.client == caller.id
            && !caller.is_public()
            && presented.is_authentic(&self.seals, binding);
        if !live {
            return Ok(introspect::inactive());
        }
        Ok(IntrospectionResponse {
            active: true,
            iss: Some(self.policy.issuer.clone()),
            sub: Some(self.subject(&grant.account, caller)?),
            aud: Some(Audience::One(self.policy.issuer.to_string())),
            client_id: Some(grant.client),
            scope: Some(grant.scope).filter(|scope| !scope.is_empty()),
            authorization_details: grant.details,
            exp: Some(grant.expires_at.seconds()),
            ..IntrospectionResponse::default()
        })
    }
}

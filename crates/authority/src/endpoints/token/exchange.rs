//! Token exchange (RFC 8693).

use keystile_protocol::access_token::Confirmation;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::token_exchange::TokenType;
use keystile_protocol::{AuthorizationDetails, ErrorCode, Timestamp};

use super::Caller;
use super::tokens::{may_act, response};
use crate::endpoints::answer::EndpointError;
use crate::endpoints::life::{Hangs, Life};
use crate::endpoints::{Authority, ClientRequest};
use crate::mint::AccessToken;
use crate::records::Grant;
use crate::rules::acr;
use crate::rules::token_exchange::{self, ShownToken};

/// "MUST be the invalid_request error code" (section 2.2.2).
fn refused(words: String) -> EndpointError {
    EndpointError::protocol(ErrorCode::InvalidRequest, words)
}

impl Authority {
    pub(super) async fn exchange(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let asked =
            token_exchange::request(request.params, request.scope()?, client, &self.policy)?;
        let mut subject = self.shown("subject_token", asked.subject, now).await?;
        token_exchange::subject_is_for(&subject, client)?;
        if asked.subject.1 == TokenType::IdToken {
            // It does not say who may act; its client's registration does.
            let issued_to = self.store.client(&subject.client, false).await?;
            subject.may_act = issued_to.and_then(|client| may_act(&client));
        }
        let grant = self.living("subject_token", &subject, now).await?;
        let mut actor = None;
        if let Some(shown) = asked.actor {
            let shown = self.shown("actor_token", shown, now).await?;
            token_exchange::actor_is_for(&shown, client)?;
            self.living("actor_token", &shown, now).await?;
            actor = Some(shown);
        }
        let proved = caller.bound_to.map(Confirmation::from);
        let exchanged = token_exchange::decide(
            &asked,
            (&subject, grant.as_ref()),
            actor.as_ref(),
            (client, proved.as_ref()),
            &self.policy,
            now.plus(self.policy.lifetimes.access_token),
        )?;
        // An ID token says it only where it was asked to.
        let acr = subject.acr.or_else(|| Some(acr::of(&grant.as_ref()?.methods)?.to_owned()));
        let of = subject.grant.as_deref().zip(grant.as_ref());
        let token = AccessToken {
            grant: of.map(|(gid, grant)| self.next_grant_name(gid, &grant.id, client, now)),
            // What it said of its user, and no more: pairwise where that was pairwise.
            subject: subject.subject,
            client: &client.id,
            scope: exchanged.scope.clone(),
            audience: exchanged.audience,
            auth_time: subject.auth_time,
            acr,
            expires_at: exchanged.expires_at,
            jti: self.entropy.bytes(),
            bound_to: caller.bound_to,
            // What the user read was about the client that asked (RFC 9396 section 12).
            details: AuthorizationDetails::default(),
            act: exchanged.act,
            may_act: subject.may_act,
        };
        let signed = self.access_token(token, now)?;
        let life = exchanged.expires_at.since(now);
        let mut response = response(signed, exchanged.scope, caller.bound_to, life);
        response.issued_token_type = Some(asked.wanted.as_str().to_owned());
        Ok(response)
    }

    /// A token of ours that a request shows.
    async fn shown(
        &self,
        name: &str,
        (token, kind): (&str, TokenType),
        now: Timestamp,
    ) -> Result<ShownToken, EndpointError> {
        let shown = if kind == TokenType::IdToken {
            self.hint(token).ok().and_then(|claims| ShownToken::of_id_token(&claims))
        } else {
            self.believed(token, now).await.ok().map(|claims| ShownToken::from(&*claims))
        };
        match shown {
            Some(shown) if shown.expires_at <= now => {
                Err(refused(format!("the {name} has expired")))
            }
            Some(shown) => Ok(shown),
            None => Err(refused(format!("the {name} is not a token of this server and that type"))),
        }
    }

    /// The grant of a token that is shown, which is alive; a client's own token has none.
    async fn living(
        &self,
        name: &str,
        shown: &ShownToken,
        now: Timestamp,
    ) -> Result<Option<Grant>, EndpointError> {
        let ShownToken { client, grant, jti, .. } = shown;
        let hangs = Hangs { client, grant: grant.as_deref(), jti: jti.as_deref() };
        match self.life(hangs, now).await? {
            Life::OfGrant(grant) => Ok(Some(grant)),
            Life::OfClient => Ok(None),
            Life::Ended => Err(refused(format!("the {name} was revoked or its grant has ended"))),
        }
    }
}

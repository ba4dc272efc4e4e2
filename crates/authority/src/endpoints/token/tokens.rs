//! What every grant ends in: its tokens, signed.

use std::time::Duration;

use keystile_protocol::access_token::SenderConstraint;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::token_exchange::Actor;
use keystile_protocol::{AuthorizationDetails, ErrorCode, Nonce, Scope, Secret, Timestamp};

use super::Caller;
use crate::decisions::Redemption;
use crate::endpoints::answer::{EndpointError, Fault};
use crate::endpoints::{Authority, ClientRequest};
use crate::ids::{AccountId, GrantId};
use crate::mint::{self, AccessToken, IdToken};
use crate::opaque_token;
use crate::policy::TokenForm;
use crate::records::{Client, UserClaims};
use crate::refresh_token::{self, Binding};
use crate::rules::asked_claims::{self, AskedClaims};
use crate::rules::{acr, authorization_details, exchange_policy, scope, sender_constraint};

/// What the tokens of a grant are made of, whether it was born just now or is refreshed.
pub(super) struct TokenFacts<'a> {
    pub(super) grant: GrantId,
    pub(super) account: AccountId,
    pub(super) sid: [u8; 16],
    pub(super) scope: Scope,
    pub(super) audience: Vec<String>,
    pub(super) nonce: Option<&'a Nonce>,
    pub(super) auth_time: Timestamp,
    pub(super) methods: Vec<String>,
    pub(super) claims: AskedClaims,
    pub(super) bound_to: Option<SenderConstraint>,
    pub(super) details: AuthorizationDetails,
}

impl Authority {
    /// The tokens of a grant that is about to be born. The request may narrow its resources
    /// (RFC 8707 section 2.2) and its authorization details (RFC 9396 section 6).
    pub(super) async fn first_tokens(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        redemption: &Redemption,
        nonce: Option<&Nonce>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let allowed = &redemption.resources;
        let details = authorization_details::narrowed(request.params, &redemption.details)?;
        let locations = authorization_details::locations(&details, &self.policy);
        let asked = self.resources(request)?;
        let known = |one: &String| allowed.contains(one) || locations.contains(one);
        if !allowed.is_empty() && !asked.iter().all(known) {
            let words = "the resource was not part of the authorization request (RFC 8707)";
            return Err(EndpointError::protocol(ErrorCode::InvalidTarget, words));
        }
        // Named in this request, APIs are the only ones.
        let (resources, locations) =
            if asked.is_empty() { (allowed.clone(), locations) } else { (asked, Vec::new()) };
        let scope = &redemption.scope;
        let facts = TokenFacts {
            grant: redemption.grant,
            account: redemption.account,
            sid: redemption.sid,
            audience: scope::audience_with(scope, &resources, &locations, client, &self.policy)?,
            scope: scope.clone(),
            details,
            nonce,
            auth_time: redemption.auth_time,
            methods: redemption.methods.clone(),
            claims: redemption.claims.clone(),
            bound_to: caller.bound_to,
        };
        let mut response = self.mint(facts, client, now).await?;
        if redemption.offline {
            let refresh_token =
                self.refresh_token(&redemption.grant, 0, client, &redemption.salt, now)?;
            response.refresh_token = Some(refresh_token);
        }
        Ok(response)
    }

    /// Signs a grant's access token and, for `openid`, its ID token.
    pub(super) async fn mint(
        &self,
        facts: TokenFacts<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        if client.origin.is_strangers() {
            // Somebody let it in: it stays.
            self.store.note_first_use(&client.id, now).await?;
        }
        let subject = self.subject(&facts.account, client)?;
        let acr = acr::of(&facts.methods);
        let expires_at = now.plus(self.policy.lifetimes.access_token);
        let grant = self.grant_name(&facts.grant, client, now);
        let details =
            authorization_details::for_audience(&facts.details, &facts.audience, &self.policy);
        let access_token = self.access_token(
            AccessToken {
                subject: subject.clone(),
                client: &client.id,
                grant: Some(grant.clone()),
                scope: scope::for_audience(&facts.scope, &facts.audience, &self.policy),
                audience: facts.audience,
                auth_time: Some(facts.auth_time),
                acr: acr.map(str::to_owned),
                expires_at,
                jti: self.entropy.bytes(),
                bound_to: facts.bound_to,
                details: details.clone(),
                act: None,
                may_act: may_act(client),
            },
            now,
        )?;
        let id_token = if facts.scope.contains("openid") {
            let token = IdToken {
                subject,
                client: &client.id,
                algorithm: client.id_token_algorithm,
                nonce: facts.nonce,
                auth_time: facts.auth_time,
                user: self.claims_in_id_token(&facts.account, &facts.claims).await?,
                methods: facts.methods,
                acr: acr.filter(|_| facts.claims.acr()),
                sid: facts.sid,
                access_token: &access_token,
                grant: exchange_policy::may_be_exchanged(client).then_some(grant),
            };
            let policy = &self.policy;
            let token =
                mint::id_token(token, &policy.issuer, &self.keys(), &policy.lifetimes, now)?;
            Some(self.nested(token, client.encryption.id_token, None, client, now).await?)
        } else {
            None
        };
        let life = expires_at.since(now);
        let mut response = response(access_token, facts.scope, facts.bound_to, life);
        response.id_token = id_token.map(Secret::new);
        response.authorization_details = details;
        Ok(response)
    }

    /// The claims about the user that were asked for in the ID token (OpenID Connect Core 1.0
    /// section 5.5); without any the account is not read.
    async fn claims_in_id_token(
        &self,
        account: &AccountId,
        asked: &AskedClaims,
    ) -> Result<UserClaims, EndpointError> {
        let mut claims = UserClaims::new();
        if asked.needs_account()
            && let Some(account) = self.store.account(account).await?
        {
            asked_claims::give(&mut claims, &asked.id_token, &account.claims);
        }
        Ok(claims)
    }

    /// An access token in the form that its audiences want.
    pub(super) fn access_token(
        &self,
        token: AccessToken<'_>,
        now: Timestamp,
    ) -> Result<String, EndpointError> {
        let claims = mint::access_token_claims(token, &self.policy.issuer, now);
        match self.policy.token_form(claims.aud.iter()) {
            TokenForm::Jwt => {
                let keys = self.keys();
                let token = mint::access_token(&claims, &keys)?;
                self.recognised.note_signed(&token, keys.load());
                Ok(token)
            }
            TokenForm::Opaque => {
                Ok(opaque_token::seal(&claims, &self.seals, now, self.entropy.bytes()))
            }
        }
    }

    pub(super) fn refresh_token(
        &self,
        grant: &GrantId,
        generation: u32,
        client: &Client,
        salt: &[u8; 16],
        now: Timestamp,
    ) -> Result<Secret, EndpointError> {
        let binding = Binding { issuer: &self.policy.issuer, client: &client.id, salt };
        refresh_token::issue(&self.seals, grant, generation, binding, now)
            .ok_or_else(|| Fault::Broken("there is no master key".into()).into())
    }
}

/// Who may exchange the tokens of a client's users (RFC 8693 section 4.4).
pub(super) fn may_act(client: &Client) -> Option<Actor> {
    client.token_exchange.may_act.as_ref().map(|who| Actor::new(who.as_str()))
}

/// The answer with an access token that lives that long.
pub(super) fn response(
    access_token: String,
    scope: Scope,
    bound_to: Option<SenderConstraint>,
    life: Duration,
) -> TokenResponse {
    TokenResponse {
        access_token: Secret::new(access_token),
        token_type: sender_constraint::token_type(bound_to).to_owned(),
        expires_in: Some(life.as_secs()),
        refresh_token: None,
        scope: Some(scope).filter(|scope| !scope.is_empty()),
        authorization_details: AuthorizationDetails::default(),
        id_token: None,
        issued_token_type: None,
    }
}

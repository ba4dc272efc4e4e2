//! What every grant ends in: its tokens, signed.

use keystile_protocol::jose::Thumbprint;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{Nonce, Scope, Secret, Timestamp};

use crate::endpoints::Authority;
use crate::endpoints::answer::{EndpointError, Fault};
use crate::ids::{AccountId, GrantId};
use crate::mint::{self, AccessToken, IdToken};
use crate::records::{Client, UserClaims};
use crate::refresh_token::{self, Binding};
use crate::rules::asked_claims::{self, AskedClaims};
use crate::rules::{acr, dpop, scope};

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
    pub(super) key: Option<Thumbprint>,
}

impl Authority {
    /// Signs a grant's access token and, for `openid`, its ID token.
    pub(super) async fn mint(
        &self,
        facts: TokenFacts<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        if client.open_registration {
            // Somebody let it in: it stays.
            self.store.note_first_use(&client.id, now).await?;
        }
        let subject = self.subject(&facts.account, client)?;
        let acr = if facts.claims.acr() { acr::of(&facts.methods) } else { None };
        let access_token = self.sign(
            AccessToken {
                subject: subject.clone(),
                client: &client.id,
                grant: Some(self.grant_name(&facts.grant, client, now)),
                scope: scope::for_audience(&facts.scope, &facts.audience, &self.policy),
                audience: facts.audience,
                auth_time: Some(facts.auth_time),
                acr,
                jti: self.entropy.bytes(),
                key: facts.key,
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
                acr,
                sid: facts.sid,
                access_token: &access_token,
            };
            let policy = &self.policy;
            Some(mint::id_token(token, &policy.issuer, &self.keys(), &policy.lifetimes, now)?)
        } else {
            None
        };
        let mut response = self.response(access_token, facts.scope, facts.key);
        response.id_token = id_token.map(Secret::new);
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

    pub(super) fn sign(
        &self,
        token: AccessToken<'_>,
        now: Timestamp,
    ) -> Result<String, EndpointError> {
        let Self { policy, .. } = self;
        Ok(mint::access_token(token, &policy.issuer, &self.keys(), &policy.lifetimes, now)?)
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

    pub(super) fn response(
        &self,
        access_token: String,
        scope: Scope,
        key: Option<Thumbprint>,
    ) -> TokenResponse {
        TokenResponse {
            access_token: Secret::new(access_token),
            token_type: dpop::token_type(key).to_owned(),
            expires_in: Some(self.policy.lifetimes.access_token.as_secs()),
            refresh_token: None,
            scope: Some(scope),
            id_token: None,
        }
    }
}

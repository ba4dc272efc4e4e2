//! `/token` (RFC 6749 section 3.2).

use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{CodeVerifier, ErrorCode, Nonce, Scope, Secret, Timestamp};

use super::Authority;
use super::answer::{EndpointError, Fault};
use super::client::ClientRequest;
use crate::decisions::{Redeemed, Redemption, Rotated};
use crate::ids::{AccountId, GrantId};
use crate::mint::{self, AccessToken, IdToken};
use crate::records::{Client, Grant, GrantNow, GrantType};
use crate::refresh_token::{self, Binding, PresentedRefreshToken};
use crate::rules::code::{Effect, RedemptionRandom};
use crate::rules::refresh::Refresh;
use crate::rules::{client_credentials, code, refresh, scope};
use crate::sealed::Code;

/// What the tokens of a grant are made of, whether it was born just now or is refreshed.
struct TokenFacts<'a> {
    grant: GrantId,
    account: AccountId,
    sid: [u8; 16],
    scope: Scope,
    audience: Vec<String>,
    nonce: Option<&'a Nonce>,
    auth_time: Timestamp,
    methods: Vec<String>,
}

fn invalid_grant(words: &str) -> EndpointError {
    EndpointError::protocol(ErrorCode::InvalidGrant, words)
}

impl Authority {
    /// A token request of any grant.
    pub async fn token(&self, request: &ClientRequest<'_>) -> Result<TokenResponse, EndpointError> {
        let now = self.clock.now();
        let grant_type = request.required("grant_type")?;
        let Some(grant_type) = GrantType::from_name(grant_type) else {
            return Err(EndpointError::protocol(
                ErrorCode::UnsupportedGrantType,
                "grant_type is none of authorization_code, refresh_token, client_credentials",
            ));
        };
        let client = self.authenticated(request, now).await?;
        match grant_type {
            GrantType::AuthorizationCode => self.redeem(request, client.client(), now).await,
            GrantType::RefreshToken => self.refresh(request, client.client(), now).await,
            GrantType::ClientCredentials => self.for_client(request, client.client(), now),
        }
    }

    async fn redeem(
        &self,
        request: &ClientRequest<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let code: Code = self
            .open(request.required("code")?)
            .ok_or_else(|| invalid_grant("the code is not one of this server's"))?;
        let verifier: Option<CodeVerifier> = request.params.optional_as("code_verifier")?;
        let redirect_uri = request.params.optional("redirect_uri")?;
        let random =
            RedemptionRandom { redemption: self.entropy.bytes(), salt: self.entropy.bytes() };
        let lifetimes = &self.policy.lifetimes;
        let verifier = verifier.as_ref();
        match code::redeem(&code, client, redirect_uri, verifier, lifetimes, random, now) {
            Err(refusal) => {
                if refusal.effect == Effect::RevokeGrant {
                    self.store.revoke_redeemed(&code.grant, code.approval, now).await?;
                }
                Err(refusal.error.into())
            }
            Ok(redemption) => self.born(request, client, &code, redemption, now).await,
        }
    }

    /// The birth of a grant: its tokens are signed first, its row is the last that happens.
    async fn born(
        &self,
        request: &ClientRequest<'_>,
        client: &Client,
        code: &Code,
        redemption: Redemption,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let asked = self.resources(request)?;
        let resources = if asked.is_empty() { redemption.resources.clone() } else { asked };
        if !code.resources.is_empty() && resources.iter().any(|r| !code.resources.contains(r)) {
            let words = "the resource was not part of the authorization request (RFC 8707)";
            return Err(EndpointError::protocol(ErrorCode::InvalidTarget, words));
        }
        let facts = TokenFacts {
            grant: redemption.grant,
            account: redemption.account,
            sid: redemption.sid,
            audience: scope::audience(&redemption.scope, &resources, client, &self.policy)?,
            scope: redemption.scope.clone(),
            nonce: code.nonce.as_ref(),
            auth_time: redemption.auth_time,
            methods: redemption.methods.clone(),
        };
        let mut response = self.mint(facts, client, now)?;
        if redemption.offline {
            let refresh_token =
                self.refresh_token(&redemption.grant, 0, client, &redemption.salt, now)?;
            response.refresh_token = Some(refresh_token);
        }
        match self.store.redeem_code(redemption).await? {
            Redeemed::Done => Ok(response),
            Redeemed::Replayed => Err(invalid_grant(
                "the code was redeemed before; all tokens that came from it are revoked (RFC 6749 \
                 section 4.1.2)",
            )),
            Redeemed::Taken => Err(invalid_grant(
                "another code of the same request_uri was redeemed before; push a new request \
                 (RFC 9126 section 4)",
            )),
            Redeemed::Ended => Err(invalid_grant(
                "the user signed out, or access was withdrawn, before the code was redeemed",
            )),
        }
    }

    async fn refresh(
        &self,
        request: &ClientRequest<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let presented = PresentedRefreshToken::parse(request.required("refresh_token")?)
            .ok_or_else(|| invalid_grant("the refresh token is not one of this server's"))?;
        let asked_scope = request.scope()?;
        let asked_resources = self.resources(request)?;
        // Whoever loses a race for the counter reads and decides again, once.
        for _ in 0..2 {
            let state = self.own_grant(&presented, client, now).await?;
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
            let resources = refresh::resources(asked_resources.clone(), grant)?;
            let response = self.refreshed(grant, scope, &resources, client, step, now)?;
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

    fn refreshed(
        &self,
        grant: &Grant,
        scope: Scope,
        resources: &[String],
        client: &Client,
        step: Refresh,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let facts = TokenFacts {
            grant: grant.id,
            account: grant.account,
            sid: grant.sid,
            audience: scope::audience(&scope, resources, client, &self.policy)?,
            scope,
            nonce: None,
            auth_time: grant.auth_time,
            methods: grant.methods.clone(),
        };
        let generation = match step {
            Refresh::Rotate(rotation) => rotation.to,
            Refresh::Keep { .. } | Refresh::Repeat => grant.generation,
        };
        let mut response = self.mint(facts, client, now)?;
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

    fn for_client(
        &self,
        request: &ClientRequest<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let scope = client_credentials::grant(request.scope()?, client, &self.policy)?;
        let resources = self.resources(request)?;
        let audience = scope::audience(&scope, &resources, client, &self.policy)?;
        let token = AccessToken {
            subject: client.id.to_string(),
            client: &client.id,
            grant: None,
            scope: scope::for_audience(&scope, &audience, &self.policy),
            audience,
            auth_time: None,
            jti: self.entropy.bytes(),
        };
        Ok(self.response(self.sign(token, now)?, scope))
    }

    fn resources(&self, request: &ClientRequest<'_>) -> Result<Vec<String>, EndpointError> {
        let asked = request.params.all("resource")?;
        Ok(scope::resources(&asked, &self.policy)?)
    }

    /// Signs a grant's access token and, for `openid`, its ID token.
    fn mint(
        &self,
        facts: TokenFacts<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let subject = facts.account.to_string();
        let access_token = self.sign(
            AccessToken {
                subject: subject.clone(),
                client: &client.id,
                grant: Some(facts.grant),
                scope: scope::for_audience(&facts.scope, &facts.audience, &self.policy),
                audience: facts.audience,
                auth_time: Some(facts.auth_time),
                jti: self.entropy.bytes(),
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
                methods: facts.methods,
                sid: facts.sid,
                access_token: &access_token,
            };
            let policy = &self.policy;
            Some(mint::id_token(token, &policy.issuer, &self.keys(), &policy.lifetimes, now)?)
        } else {
            None
        };
        let mut response = self.response(access_token, facts.scope);
        response.id_token = id_token.map(Secret::new);
        Ok(response)
    }

    fn sign(&self, token: AccessToken<'_>, now: Timestamp) -> Result<String, EndpointError> {
        let Self { policy, .. } = self;
        Ok(mint::access_token(token, &policy.issuer, &self.keys(), &policy.lifetimes, now)?)
    }

    fn refresh_token(
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

    fn response(&self, access_token: String, scope: Scope) -> TokenResponse {
        TokenResponse {
            access_token: Secret::new(access_token),
            token_type: "Bearer".to_owned(),
            expires_in: Some(self.policy.lifetimes.access_token.as_secs()),
            refresh_token: None,
            scope: Some(scope),
            id_token: None,
        }
    }
}

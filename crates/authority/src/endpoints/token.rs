//! `/token` (RFC 6749 section 3.2).

use keystile_protocol::dpop::Expected;
use keystile_protocol::jose::Thumbprint;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{CodeVerifier, ErrorCode, Nonce, Scope, Secret, Timestamp};

use super::Authority;
use super::answer::{EndpointError, Fault};
use super::client::ClientRequest;
use crate::decisions::{Redeemed, Redemption, Rotated, UsedOnce};
use crate::ids::{AccountId, GrantId};
use crate::mint::{self, AccessToken, IdToken};
use crate::records::{Client, Grant, GrantNow, GrantType, UserClaims};
use crate::refresh_token::{self, Binding, PresentedRefreshToken};
use crate::rules::asked_claims::{self, AskedClaims};
use crate::rules::client_auth::AuthenticatedClient;
use crate::rules::code::{Effect, RedemptionRandom};
use crate::rules::refresh::Refresh;
use crate::rules::{acr, client_credentials, code, dpop, refresh, scope};
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
    claims: AskedClaims,
    key: Option<Thumbprint>,
}

/// Who asks for tokens, and the key that they are to be bound to.
struct Caller<'a> {
    client: &'a Client,
    key: Option<Thumbprint>,
    /// What this request was proved with, to be used up.
    once: Vec<UsedOnce>,
    /// 128 random bits of this request: whoever reads them back wrote it.
    by: [u8; 16],
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
        let client = self.proved(request, now).await?;
        let caller = self.caller(request, &client, now)?;
        if grant_type == GrantType::AuthorizationCode {
            let answer = self.redeem(request, &caller, now).await;
            // A redemption uses up what it was proved with; a refused one may not have come so far.
            if let Err(EndpointError::Protocol(_)) = answer {
                self.use_up(caller.once, caller.by).await?;
            }
            return answer;
        }
        self.use_up(caller.once.clone(), caller.by).await?;
        match grant_type {
            GrantType::AuthorizationCode | GrantType::RefreshToken => {
                self.refresh(request, &caller, now).await
            }
            GrantType::ClientCredentials => self.for_client(request, &caller, now),
        }
    }

    /// Who calls, with the key that the request proves.
    fn caller<'a>(
        &self,
        request: &ClientRequest<'_>,
        client: &'a AuthenticatedClient,
        now: Timestamp,
    ) -> Result<Caller<'a>, EndpointError> {
        let url = self.policy.issuer.endpoint(request.path);
        let expected = Expected { method: "POST", url: &url, access_token: None };
        let proved = dpop::proved(&request.dpop, &expected, now)?;
        dpop::is_enough(proved.as_ref(), client.client())?;
        let once = client.once().into_iter().chain(proved.map(|proved| proved.once)).collect();
        let (client, key) = (client.client(), proved.map(|proved| proved.key));
        Ok(Caller { client, key, once, by: self.entropy.bytes() })
    }

    async fn redeem(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let code: Code = self
            .open(request.required("code")?)
            .ok_or_else(|| invalid_grant("the code is not one of this server's"))?;
        let verifier: Option<CodeVerifier> = request.params.optional_as("code_verifier")?;
        let redirect_uri = request.params.optional("redirect_uri")?;
        let random = RedemptionRandom { redemption: caller.by, salt: self.entropy.bytes() };
        let lifetimes = &self.policy.lifetimes;
        let verifier = verifier.as_ref();
        dpop::code_is_for(&code, caller.key)?;
        match code::redeem(&code, client, redirect_uri, verifier, lifetimes, random, now) {
            Err(refusal) => {
                if refusal.effect == Effect::RevokeGrant {
                    self.use_up(caller.once.clone(), caller.by).await?;
                    self.store.revoke_redeemed(&code.grant, code.approval, now).await?;
                }
                Err(refusal.error.into())
            }
            Ok(redemption) => {
                let once = caller.once.clone();
                let redemption = dpop::bound(redemption, client, caller.key, once);
                self.born(request, caller, &code, redemption, now).await
            }
        }
    }

    /// The birth of a grant: its tokens are signed first, its row is the last that happens.
    async fn born(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        code: &Code,
        redemption: Redemption,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
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
            claims: redemption.claims.clone(),
            key: caller.key,
        };
        let mut response = self.mint(facts, client, now).await?;
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
            Redeemed::UsedBefore(kind) => Err(dpop::used_before(kind).into()),
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
            dpop::grant_is_for(&state.grant, caller.key)?;
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
            let response = self.refreshed(grant, scope, &resources, caller, step, now).await?;
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
        scope: Scope,
        resources: &[String],
        caller: &Caller<'_>,
        step: Refresh,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let facts = TokenFacts {
            grant: grant.id,
            account: grant.account,
            sid: grant.sid,
            audience: scope::audience(&scope, resources, client, &self.policy)?,
            scope,
            nonce: None,
            auth_time: grant.auth_time,
            methods: grant.methods.clone(),
            claims: grant.claims.clone(),
            key: caller.key,
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

    fn for_client(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
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
            acr: None,
            jti: self.entropy.bytes(),
            key: caller.key,
        };
        Ok(self.response(self.sign(token, now)?, scope, caller.key))
    }

    fn resources(&self, request: &ClientRequest<'_>) -> Result<Vec<String>, EndpointError> {
        let asked = request.params.all("resource")?;
        Ok(scope::resources(&asked, &self.policy)?)
    }

    /// Signs a grant's access token and, for `openid`, its ID token.
    async fn mint(
        &self,
        facts: TokenFacts<'_>,
        client: &Client,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
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

    fn response(
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

//! JWTs as authorization grants (RFC 7523 section 2.1).

use keystile_protocol::jose::KeySet;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{AuthorizationDetails, ErrorCode, Timestamp};

use super::tokens::{may_act, response};
use super::{Caller, invalid_grant};
use crate::decisions::{Redeemed, Redemption};
use crate::endpoints::answer::{EndpointError, Fault};
use crate::endpoints::{Authority, ClientRequest, paths};
use crate::ids::GrantId;
use crate::mint::AccessToken;
use crate::records::Account;
use crate::rules::client_assertion::Recipient;
use crate::rules::code::RedemptionRandom;
use crate::rules::jwt_bearer::{self, Named};
use crate::rules::{dpop, scope};

impl Authority {
    pub(super) async fn for_assertion(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        jwt_bearer::may_use(client)?;
        let assertion = request.required("assertion")?;
        let trusted = jwt_bearer::issuer(assertion, client, &self.policy)?;
        let endpoints = self.policy.urls(paths::TOKEN);
        let recipient = Recipient { issuer: &self.policy.issuer, endpoints: &endpoints };
        let verify = |keys: &KeySet| jwt_bearer::verify(assertion, trusted, keys, &recipient, now);
        let keys = Some(&trusted.keys);
        let (named, once) = self.verified(keys, assertion, ErrorCode::InvalidGrant, verify).await?;
        let scope = jwt_bearer::scope(request.scope()?, client, trusted, &self.policy)?;
        let resources = self.resources(request)?;
        let account = jwt_bearer::account(self.account_named(named).await?)?;
        let random = RedemptionRandom { redemption: caller.by, salt: self.entropy.bytes() };
        let birth = jwt_bearer::grant(
            &account,
            client,
            (scope, resources),
            once,
            (GrantId::new(now, self.entropy.bytes()), random),
            (now, now.plus(self.policy.lifetimes.access_token)),
        );
        self.born_of_assertion(caller, birth, now).await
    }

    async fn account_named(&self, named: Named) -> Result<Option<Account>, Fault> {
        Ok(match named {
            Named::Account(id) => self.store.account(&id).await?,
            Named::Username(name) => self.store.credentials(&name).await?.map(|c| c.account),
        })
    }

    /// As with codes: the token is signed first, the row is the last that happens.
    async fn born_of_assertion(
        &self,
        caller: &Caller<'_>,
        birth: Redemption,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let audience = scope::audience(&birth.scope, &birth.resources, client, &self.policy)?;
        let scope = scope::for_audience(&birth.scope, &audience, &self.policy);
        let token = AccessToken {
            subject: self.subject(&birth.account, client)?,
            client: &client.id,
            grant: Some(self.grant_name(&birth.grant, client, now)),
            scope: scope.clone(),
            audience,
            // Its user was authenticated elsewhere, if at all.
            auth_time: None,
            acr: None,
            expires_at: birth.expires_at,
            jti: self.entropy.bytes(),
            bound_to: caller.bound_to,
            details: AuthorizationDetails::default(),
            act: None,
            may_act: may_act(client),
        };
        let life = birth.expires_at.since(now);
        let response = response(self.access_token(token, now)?, scope, caller.bound_to, life);
        match self.store.redeem_code(birth).await? {
            Redeemed::Done => Ok(response),
            Redeemed::UsedBefore(kind) => Err(dpop::used_before(kind).into()),
            Redeemed::Replayed | Redeemed::Taken | Redeemed::Ended => Err(invalid_grant(
                "the account or the client was switched off while the assertion was looked at",
            )),
        }
    }
}

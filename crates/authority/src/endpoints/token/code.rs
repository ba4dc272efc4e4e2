//! The authorization code grant (RFC 6749 section 4.1.3).

use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{CodeVerifier, ErrorCode, Timestamp};

use super::tokens::TokenFacts;
use super::{Caller, invalid_grant};
use crate::decisions::{Redeemed, Redemption};
use crate::endpoints::answer::EndpointError;
use crate::endpoints::{Authority, ClientRequest};
use crate::rules::code::{Effect, RedemptionRandom};
use crate::rules::{authorization_details, code, dpop, scope};
use crate::sealed::Code;

impl Authority {
    pub(super) async fn redeem(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let code = self
            .opened_code(request.required("code")?, now)
            .await?
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
        let details = authorization_details::narrowed(request.params, &redemption.details)?;
        let locations = authorization_details::locations(&details, &self.policy);
        let known = |one: &String| code.resources.contains(one) || locations.contains(one);
        if !code.resources.is_empty() && !asked.iter().all(known) {
            let words = "the resource was not part of the authorization request (RFC 8707)";
            return Err(EndpointError::protocol(ErrorCode::InvalidTarget, words));
        }
        // Named in this request, APIs are the only ones.
        let (resources, locations) = if asked.is_empty() {
            (redemption.resources.clone(), locations)
        } else {
            (asked, Vec::new())
        };
        let scope = &redemption.scope;
        let facts = TokenFacts {
            grant: redemption.grant,
            account: redemption.account,
            sid: redemption.sid,
            audience: scope::audience_with(scope, &resources, &locations, client, &self.policy)?,
            scope: scope.clone(),
            details,
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
}

//! The authorization code grant (RFC 6749 section 4.1.3).

use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{CodeVerifier, Timestamp};

use super::{Caller, invalid_grant};
use crate::decisions::{Redeemed, Redemption};
use crate::endpoints::answer::EndpointError;
use crate::endpoints::{Authority, ClientRequest};
use crate::rules::code::{Effect, RedemptionRandom};
use crate::rules::{code, dpop, sender_constraint};
use crate::sealed::Code;

impl Authority {
    pub(super) async fn redeem(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let epoch = self.store.epoch();
        let code = self
            .opened_code(request.required("code")?, epoch, now)
            .await?
            .ok_or_else(|| invalid_grant("the code is not one of this server's"))?;
        let verifier: Option<CodeVerifier> = request.params.optional_as("code_verifier")?;
        let redirect_uri = request.params.optional("redirect_uri")?;
        let random = RedemptionRandom { redemption: caller.by, salt: self.entropy.bytes() };
        let lifetimes = &self.policy.lifetimes;
        let verifier = verifier.as_ref();
        dpop::code_is_for(&code, caller.bound_to)?;
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
                let redemption =
                    sender_constraint::bound(redemption, client, caller.bound_to, once);
                let redemption = redemption.in_epoch(epoch);
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
        let nonce = code.nonce.as_ref();
        let response = self.first_tokens(request, caller, &redemption, nonce, now).await?;
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
                "the user signed out, access was withdrawn, or the server was restored, before the \
                 code was redeemed",
            )),
        }
    }
}

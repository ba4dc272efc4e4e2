//! The grants that clients poll for while a user is asked: of devices (RFC 8628 section 3.4), and
//! over the back channel (OpenID Connect CIBA Core 1.0 section 10.1).

use keystile_protocol::Timestamp;
use keystile_protocol::messages::TokenResponse;

use super::{Caller, invalid_grant};
use crate::decisions::Redeemed;
use crate::endpoints::answer::EndpointError;
use crate::endpoints::{Authority, ClientRequest};
use crate::pending::{Approval, Pending, PresentedCode};
use crate::records::GrantType;
use crate::rules::code::RedemptionRandom;
use crate::rules::pending::{self, Poll};
use crate::rules::{dpop, sender_constraint};

impl Authority {
    pub(super) async fn poll(
        &self,
        grant_type: GrantType,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        pending::may_use(client, grant_type)?;
        let code = if grant_type == GrantType::Ciba { "auth_req_id" } else { "device_code" };
        let presented =
            PresentedCode::parse(request.required(code)?).ok_or_else(pending::not_good)?;
        // Whoever loses a race of two polls reads and decides again, once.
        for _ in 0..2 {
            let found = self.store.pending(&presented.grant).await?;
            let waiting = pending::of_client(found, &presented, client, grant_type)?;
            match pending::poll(&waiting, now) {
                Poll::Refuse(error) => return Err(error.into()),
                Poll::Redeem(approval) => {
                    return self.redeem_pending(request, caller, &waiting, approval, now).await;
                }
                Poll::Later(polled, error) => {
                    if self.store.note_poll(polled).await? {
                        return Err(error.into());
                    }
                }
            }
        }
        Err(pending::slow_down().into())
    }

    /// The birth of a grant: its tokens are signed first, its row is the last that happens.
    async fn redeem_pending(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        waiting: &Pending,
        approval: Approval,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        let random = RedemptionRandom { redemption: caller.by, salt: self.entropy.bytes() };
        let lifetimes = &self.policy.lifetimes;
        let redemption = pending::redeem(waiting, approval, client, lifetimes, random, now)?;
        let redemption =
            sender_constraint::bound(redemption, client, caller.bound_to, caller.once.clone());
        let response = self.first_tokens(request, caller, &redemption, None, now).await?;
        match self.store.redeem_pending(redemption).await? {
            Redeemed::Done => Ok(response),
            Redeemed::Taken | Redeemed::Replayed => Err(pending::not_good().into()),
            Redeemed::UsedBefore(kind) => Err(dpop::used_before(kind).into()),
            Redeemed::Ended => Err(invalid_grant(
                "the user signed out, or access was withdrawn, before the tokens were fetched",
            )),
        }
    }
}

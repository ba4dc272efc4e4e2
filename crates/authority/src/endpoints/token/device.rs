//! The device grant (RFC 8628 section 3.4).

use keystile_protocol::Timestamp;
use keystile_protocol::messages::TokenResponse;

use super::{Caller, invalid_grant};
use crate::decisions::Redeemed;
use crate::endpoints::answer::EndpointError;
use crate::endpoints::{Authority, ClientRequest};
use crate::pending::{Approval, Pending, PresentedCode};
use crate::rules::code::RedemptionRandom;
use crate::rules::pending::{self, Poll};
use crate::rules::{device, dpop, sender_constraint};

impl Authority {
    pub(super) async fn poll(
        &self,
        request: &ClientRequest<'_>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, EndpointError> {
        let client = caller.client;
        device::may_use(client)?;
        let presented =
            PresentedCode::parse(request.required("device_code")?).ok_or_else(pending::not_good)?;
        // Whoever loses a race of two polls reads and decides again, once.
        for _ in 0..2 {
            let found = self.store.pending(&presented.grant).await?;
            let waiting = pending::of_client(found, &presented, client)?;
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

//! Authorizations that wait for a user's word.

use async_trait::async_trait;
use keystile_protocol::Timestamp;

use super::Stored;
use crate::decisions::{Redeemed, Redemption};
use crate::ids::{AccountId, GrantId};
use crate::pending::{Opened, Pending, PendingAnswered, PendingOpened, Polled};
use crate::user_code::UserCode;

/// The part of the store that keeps what waits for a user's word (RFC 8628, OpenID Connect CIBA
/// Core 1.0).
#[async_trait]
pub trait PendingAuthorizations: Send + Sync {
    /// Lets an authorization wait, if there is room.
    async fn open_pending(&self, opened: PendingOpened) -> Stored<Opened>;
    /// An authorization, whatever became of it, until some time after its end.
    async fn pending(&self, grant: &GrantId) -> Stored<Option<Pending>>;
    /// The one with that user code.
    async fn pending_by_user_code(&self, code: &UserCode) -> Stored<Option<Pending>>;
    /// Those of enabled clients that wait for that user, the newest first.
    async fn waiting_for(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Stored<Vec<Pending>>;
    /// Writes a user's word, with the consent that it gives. False: it does not wait any
    /// more, or for somebody else.
    async fn answer_pending(&self, answered: PendingAnswered) -> Stored<bool>;
    /// Writes how a client may poll from now on. False: another poll came first.
    async fn note_poll(&self, polled: Polled) -> Stored<bool>;
    /// As [`super::Store::redeem_code`], and the authorization is redeemed from then on. Another
    /// request that comes for the same tokens finds them [`Redeemed::Taken`].
    async fn redeem_pending(&self, redemption: Redemption) -> Stored<Redeemed>;
}

//! `authority`'s port [`PendingAuthorizations`].

use async_trait::async_trait;
use keystile_authority::decisions::{Redeemed, Redemption};
use keystile_authority::ids::{AccountId, GrantId};
use keystile_authority::pending::{Opened, Pending, PendingAnswered, PendingOpened, Polled};
use keystile_authority::ports::{PendingAuthorizations, Stored};
use keystile_authority::user_code::UserCode;
use keystile_protocol::Timestamp;

use crate::database::Database;
use crate::pending;

#[async_trait]
impl PendingAuthorizations for Database {
    async fn open_pending(&self, opened: PendingOpened) -> Stored<Opened> {
        self.write(async move |db| pending::open(db, &opened).await).await
    }

    async fn pending(&self, grant: &GrantId) -> Stored<Option<Pending>> {
        self.read(async |db| pending::find(db, grant).await).await
    }

    async fn pending_by_user_code(&self, code: &UserCode) -> Stored<Option<Pending>> {
        self.read(async |db| pending::find_by_user_code(db, code).await).await
    }

    async fn waiting_for(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Stored<Vec<Pending>> {
        self.read(async |db| pending::waiting_for(db, account, now, limit).await).await
    }

    async fn answer_pending(&self, answered: PendingAnswered) -> Stored<bool> {
        self.write(async move |db| pending::answer_with(db, &answered).await).await
    }

    async fn note_poll(&self, polled: Polled) -> Stored<bool> {
        self.write(async move |db| pending::note_poll(db, polled).await).await
    }

    async fn redeem_pending(&self, redemption: Redemption) -> Stored<Redeemed> {
        self.write_again(async move |db| pending::redeem(db, &redemption).await).await
    }
}

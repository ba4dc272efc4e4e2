//! `authority`'s port [`LogoutOutbox`].

use async_trait::async_trait;
use keystile_authority::ids::SessionId;
use keystile_authority::logout_message::{Claim, DeliveryRecord, LogoutMessage, Settled};
use keystile_authority::ports::{LogoutOutbox, Stored};
use keystile_protocol::{ClientId, Timestamp};

use crate::database::Database;
use crate::logout_messages;

#[async_trait]
impl LogoutOutbox for Database {
    async fn clients_of_session(&self, session: &SessionId) -> Stored<Vec<ClientId>> {
        self.read(async |db| logout_messages::clients_of_session(db, session).await).await
    }

    async fn claim_logout_messages(&self, claim: Claim) -> Stored<Vec<LogoutMessage>> {
        if !self.read(async |db| logout_messages::any_due(db, claim.now).await).await? {
            return Ok(Vec::new());
        }
        self.write(async move |db| logout_messages::claim(db, claim).await).await
    }

    async fn settle_logout_message(&self, settled: Settled) -> Stored<()> {
        self.write_statement(async move |db| logout_messages::settle(db, &settled).await).await
    }

    async fn forget_logout_messages(&self, before: Timestamp, limit: u32) -> Stored<()> {
        if !self.read(async |db| logout_messages::any_settled(db, before).await).await? {
            return Ok(());
        }
        self.write_statement(async move |db| logout_messages::forget(db, before, limit).await).await
    }

    async fn logout_deliveries(
        &self,
        client: &ClientId,
        limit: u32,
    ) -> Stored<Vec<DeliveryRecord>> {
        self.read(async |db| logout_messages::of_client(db, client, limit).await).await
    }
}

//! `authority`'s port [`PingOutbox`].

use async_trait::async_trait;
use keystile_authority::ping::{Ping, PingClaim, PingSettled};
use keystile_authority::ports::{PingOutbox, Stored};

use crate::database::Database;
use crate::pings;

#[async_trait]
impl PingOutbox for Database {
    async fn claim_pings(&self, claim: PingClaim) -> Stored<Vec<Ping>> {
        if !self.read(async |db| pings::any_due(db, claim.now).await).await? {
            return Ok(Vec::new());
        }
        self.write(async move |db| pings::claim(db, claim).await).await
    }

    async fn settle_ping(&self, settled: PingSettled) -> Stored<()> {
        self.write_statement(async move |db| pings::settle(db, &settled).await).await
    }
}

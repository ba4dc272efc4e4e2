//! `authority`'s port [`Parking`].

use async_trait::async_trait;
use keystile_authority::decisions::{Park, Parked};
use keystile_authority::ids::ParkedId;
use keystile_authority::ports::{Parking, Stored};
use keystile_protocol::Timestamp;

use crate::database::Database;
use crate::parked;

#[async_trait]
impl Parking for Database {
    async fn park(&self, park: Park) -> Stored<Parked> {
        self.write(async move |db| parked::add(db, &park).await).await
    }

    async fn parked(&self, id: &ParkedId, now: Timestamp) -> Stored<Option<String>> {
        self.read(async |db| parked::find(db, id, now).await).await
    }
}

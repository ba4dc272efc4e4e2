//! `authority`'s port [`KeysAtRest`].

use async_trait::async_trait;
use keystile_authority::decisions::KeyChange;
use keystile_authority::ports::{Kept, KeysAtRest, Resealed, Stored};
use keystile_authority::rules::master_key::KnownMasterKey;
use keystile_protocol::Timestamp;

use crate::database::{Database, Db};
use crate::leases::{self, Work};
use crate::{keys_at_rest, master_keys};

#[async_trait]
impl KeysAtRest for Database {
    async fn kept(&self, what: Kept) -> Stored<Option<Vec<u8>>> {
        self.read(async |db| keys_at_rest::kept(db, what).await).await
    }

    async fn keep(&self, what: Kept, value: Vec<u8>) -> Stored<Vec<u8>> {
        self.write(async move |db| keys_at_rest::keep(db, what, &value).await).await
    }

    async fn change_keys(&self, change: KeyChange) -> Stored<()> {
        let changed = self.write(async move |db| keys_at_rest::change(db, &change).await).await;
        self.look().await;
        changed
    }

    async fn reseal(&self, resealed: Vec<Resealed>) -> Stored<()> {
        self.write(async move |db| keys_at_rest::reseal(db, &resealed).await).await
    }

    async fn take_turn(&self, by: [u8; 16], now: Timestamp, until: Timestamp) -> Stored<bool> {
        let take = async move |db: &mut Db<'_>| leases::take(db, Work::Keys, &by, now, until).await;
        self.write(take).await
    }

    async fn master_keys(&self) -> Stored<Vec<KnownMasterKey>> {
        self.read(async |db| master_keys::all(db).await).await
    }

    async fn note_master_key(&self, key: KnownMasterKey) -> Stored<KnownMasterKey> {
        self.write(async move |db| master_keys::note(db, &key).await).await
    }

    async fn forget_master_key(&self, id: u8) -> Stored<()> {
        self.write(async move |db| master_keys::forget(db, id).await).await
    }

    async fn grants_from_before(&self, until: Timestamp, now: Timestamp) -> Stored<u64> {
        self.read(async |db| master_keys::grants_from_before(db, until, now).await).await
    }
}

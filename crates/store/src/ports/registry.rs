//! `authority`'s port [`Registry`], for the operator's tools.

use async_trait::async_trait;
use keystile_authority::ids::AccountId;
use keystile_authority::incident::Incident;
use keystile_authority::ports::{Registry, Stored};
use keystile_authority::records::{Account, Client, StoredDecryptionKey, StoredKey, UserClaims};
use keystile_protocol::ClientId;

use crate::database::Database;
use crate::{accounts, clients, decryption_keys, incidents, keys};

#[async_trait]
impl Registry for Database {
    async fn clients(&self) -> Stored<Vec<Client>> {
        self.read(async |db| clients::all(db).await).await
    }

    async fn put_client(&self, client: &Client) -> Stored<()> {
        let client = client.clone();
        let put = self.write(async move |db| clients::put(db, &client).await).await;
        self.look().await;
        put
    }

    async fn remove_client(&self, id: &ClientId) -> Stored<bool> {
        let id = id.clone();
        let removed = self.write(async move |db| clients::remove(db, &id).await).await;
        self.look().await;
        removed
    }

    async fn accounts(&self) -> Stored<Vec<Account>> {
        self.read(async |db| accounts::all(db).await).await
    }

    async fn add_account(&self, account: &Account, password_hash: Option<&str>) -> Stored<()> {
        let (account, hash) = (account.clone(), password_hash.map(str::to_owned));
        self.write(async move |db| accounts::add(db, &account, hash.as_deref()).await).await
    }

    async fn set_account_enabled(&self, id: &AccountId, enabled: bool) -> Stored<()> {
        let id = *id;
        self.write(async move |db| accounts::set_enabled(db, &id, enabled).await).await
    }

    async fn set_claims(&self, account: &AccountId, claims: &UserClaims) -> Stored<()> {
        let (account, claims) = (*account, claims.clone());
        self.write_statement(async move |db| accounts::set_claims(db, &account, &claims).await)
            .await
    }

    async fn remove_account(&self, id: &AccountId) -> Stored<bool> {
        let id = *id;
        self.write(async move |db| accounts::remove(db, &id).await).await
    }

    async fn rotate_key(&self, key: &StoredKey) -> Stored<()> {
        let key = key.clone();
        self.write(async move |db| keys::rotate(db, &key).await).await
    }

    async fn rotate_decryption_key(&self, key: &StoredDecryptionKey) -> Stored<()> {
        let key = key.clone();
        self.write(async move |db| decryption_keys::rotate(db, &key).await).await
    }

    async fn incident(&self, reference: &str) -> Stored<Option<Incident>> {
        self.read(async |db| incidents::find(db, reference).await).await
    }
}

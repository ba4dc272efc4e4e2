//! `authority`'s port [`Store`]: each operation is a read where it is asked for, or a write that
//! waits for its batch.

use std::sync::Arc;

use async_trait::async_trait;
use keystile_authority::decisions::{
    ConsentGiven, OnceKind, Redeemed, Redemption, Rotated, Rotation, SessionOpened, SignedUp,
    UsedOnce,
};
use keystile_authority::ids::{AccountId, GrantId, SessionId};
use keystile_authority::incident::Incident;
use keystile_authority::ports::{SessionHandle, Store, StoreError, Stored};
use keystile_authority::records::{
    Account, AppAccess, Client, Credentials, GrantNow, Session, Situation, StoredDecryptionKey,
    StoredKey,
};
use keystile_protocol::{ClientId, Timestamp};

use crate::database::Database;
use crate::statements::Statements as _;
use crate::{
    accounts, clients, consents, decryption_keys, grants, incidents, keys, meta, revoked_tokens,
    sessions, used_once,
};

#[async_trait]
impl Store for Database {
    fn epoch(&self) -> u64 {
        self.marks().epoch
    }

    async fn client(&self, id: &ClientId, fresh: bool) -> Stored<Option<Arc<Client>>> {
        let memory = &self.inner.memory;
        self.look_if_due();
        if !fresh && let Some(known) = memory.client(id) {
            return Ok(Some(known));
        }
        let round = memory.round();
        let found = self.read(async |db| clients::find(db, id).await).await?.map(Arc::new);
        if let Some(client) = &found {
            memory.remember(client, round);
        }
        Ok(found)
    }

    async fn situation(
        &self,
        handle: &SessionHandle,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> Stored<Situation> {
        self.find_situation(handle, client, now).await
    }

    async fn credentials(&self, username: &str) -> Stored<Option<Credentials>> {
        self.read(async |db| accounts::credentials(db, username).await).await
    }

    async fn account(&self, id: &AccountId) -> Stored<Option<Account>> {
        self.find_account(id).await
    }

    async fn grant(
        &self,
        id: &GrantId,
        jti: Option<&str>,
        now: Timestamp,
    ) -> Stored<Option<GrantNow>> {
        self.find_grant(id, jti, now).await
    }

    async fn token_revoked(&self, jti: &str) -> Stored<bool> {
        self.read(async |db| revoked_tokens::contains(db, jti).await).await
    }

    async fn redeem_code(&self, redemption: Redemption) -> Stored<Redeemed> {
        self.redeem(redemption).await
    }

    async fn revoke_redeemed(
        &self,
        id: &GrantId,
        approval: Option<[u8; 16]>,
        now: Timestamp,
    ) -> Stored<()> {
        let id = *id;
        self.write_statement(async move |db| grants::revoke_redeemed(db, &id, approval, now).await)
            .await
    }

    async fn revoke_grant(&self, id: &GrantId, now: Timestamp) -> Stored<()> {
        let id = *id;
        self.write_statement(async move |db| grants::revoke(db, &id, now).await).await
    }

    async fn use_once(&self, once: Vec<UsedOnce>, by: [u8; 16]) -> Stored<Option<OnceKind>> {
        self.write_again(async move |db| used_once::add(db, &once, &by).await).await
    }

    async fn rotate(&self, rotation: Rotation) -> Stored<Rotated> {
        self.rotate_if_unmoved(rotation).await
    }

    async fn touch_grant(&self, id: &GrantId, now: Timestamp) -> Stored<()> {
        let id = *id;
        self.write_statement(async move |db| grants::touch(db, &id, now).await).await
    }

    async fn revoke_token(&self, jti: &str, expires_at: Timestamp) -> Stored<()> {
        let jti = jti.to_owned();
        self.write_statement(async move |db| revoked_tokens::add(db, &jti, expires_at).await).await
    }

    async fn open_session(&self, opened: SessionOpened) -> Stored<()> {
        self.write(async move |db| sessions::open(db, &opened).await).await
    }

    async fn touch_session(
        &self,
        id: &SessionId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Stored<()> {
        let id = *id;
        self.write_statement(async move |db| sessions::touch(db, &id, now, expires_at).await).await
    }

    async fn end_session(&self, id: &SessionId, account: &AccountId, now: Timestamp) -> Stored<()> {
        let (id, account) = (*id, *account);
        self.write_again(async move |db| sessions::end(db, &id, &account, now).await).await
    }

    async fn remember_consent(&self, given: ConsentGiven) -> Stored<()> {
        self.write_statement(async move |db| consents::remember(db, &given).await).await
    }

    async fn withdraw_consent(
        &self,
        account: &AccountId,
        client: &ClientId,
        now: Timestamp,
    ) -> Stored<()> {
        let (account, client) = (*account, client.clone());
        self.write_statement(async move |db| consents::withdraw(db, &account, &client, now).await)
            .await
    }

    async fn change_password(&self, account: &AccountId, hash: &str, now: Timestamp) -> Stored<()> {
        let (account, hash) = (*account, hash.to_owned());
        self.write(async move |db| accounts::change_password(db, &account, &hash, now).await).await
    }

    async fn strengthen_password(&self, account: &AccountId, from: &str, to: &str) -> Stored<()> {
        let (account, from, to) = (*account, from.to_owned(), to.to_owned());
        self.write_statement(async move |db| {
            accounts::strengthen_password(db, &account, &from, &to).await
        })
        .await
    }

    async fn sign_up(&self, made: SignedUp) -> Stored<bool> {
        let added = self.write(async move |db| {
            accounts::add(db, &made.account, Some(&made.password_hash)).await
        });
        match added.await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn sign_out_everywhere(&self, account: &AccountId, now: Timestamp) -> Stored<()> {
        let account = *account;
        self.write(async move |db| accounts::sign_out_everywhere(db, &account, now).await).await
    }

    async fn apps_of(&self, account: &AccountId) -> Stored<Vec<AppAccess>> {
        self.read(async |db| consents::apps_of(db, account).await).await
    }

    async fn sessions_of(&self, account: &AccountId, now: Timestamp) -> Stored<Vec<Session>> {
        self.read(async |db| sessions::of_account(db, account, now).await).await
    }

    async fn keys(&self) -> Stored<Vec<StoredKey>> {
        self.read(async |db| keys::all(db).await).await
    }

    async fn add_key(&self, key: StoredKey) -> Stored<()> {
        let added = self.write(async move |db| keys::add(db, &key).await).await;
        self.look().await;
        added
    }

    async fn decryption_keys(&self) -> Stored<Vec<StoredDecryptionKey>> {
        self.read(async |db| decryption_keys::all(db).await).await
    }

    async fn add_decryption_key(&self, key: StoredDecryptionKey) -> Stored<()> {
        let added = self.write(async move |db| decryption_keys::add(db, &key).await).await;
        self.look().await;
        added
    }

    /// Strangers cause incidents: under load they are not kept, so that what honest users write
    /// finds its place.
    async fn record_incident(&self, incident: &Incident) -> Stored<()> {
        if self.is_pressed() {
            return Err(StoreError::Unavailable("too many writes are waiting".into()));
        }
        let incident = incident.clone();
        self.write_statement(async move |db| incidents::record(db, &incident).await).await
    }

    async fn ping(&self) -> Stored<Option<Timestamp>> {
        if !self.is_running() {
            return Err(StoreError::Unavailable("the store's writer has stopped".into()));
        }
        self.check_place()?;
        self.read(async |db| {
            meta::marks(db).await?;
            db.clock().await
        })
        .await
    }
}

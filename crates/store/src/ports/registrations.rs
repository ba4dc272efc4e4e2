//! `authority`'s port [`Registrations`].

use async_trait::async_trait;
use keystile_authority::ports::{Registrations, Stored};
use keystile_authority::registered::{
    Admission, ApprovedClient, ChangedRegistration, InitialAccessToken, NewRegistration,
    Registered, Registration,
};
use keystile_protocol::{ClientId, Timestamp};

use crate::database::{Database, Db};
use crate::passing_clients::{APPROVED, REGISTERED};
use crate::{approved_clients, clients, initial_access_tokens, registrations};

#[async_trait]
impl Registrations for Database {
    async fn may_register(&self, admission: &Admission) -> Stored<Registered> {
        self.read(async |db| registrations::admitted(db, admission).await).await
    }

    async fn register(&self, new: NewRegistration) -> Stored<Registered> {
        self.write(async move |db| registrations::add(db, &new).await).await
    }

    async fn registration(&self, client: &ClientId) -> Stored<Option<Registration>> {
        self.read(async |db| registrations::find(db, client).await).await
    }

    async fn change_registration(&self, changed: ChangedRegistration) -> Stored<bool> {
        let done = self.write(async move |db| registrations::change(db, &changed).await).await;
        self.look().await;
        done
    }

    async fn remove_registration(&self, client: &ClientId, token_digest: [u8; 32]) -> Stored<bool> {
        let client = client.clone();
        let removed =
            async move |db: &mut Db<'_>| registrations::remove(db, &client, &token_digest).await;
        let removed = self.write(removed).await;
        self.look().await;
        removed
    }

    async fn keep_approved_client(&self, approved: ApprovedClient) -> Stored<()> {
        let id = &approved.client.id;
        let known = self.read(async |db| clients::find(db, id).await).await?;
        if known.as_ref() == Some(&approved.client) {
            return Ok(());
        }
        let kept = self.write(async move |db| approved_clients::keep(db, &approved).await).await;
        self.look().await;
        kept
    }

    async fn note_first_use(&self, client: &ClientId, now: Timestamp) -> Stored<()> {
        let never_used = self.read(async |db| {
            Ok(REGISTERED.never_used(db, client).await? || APPROVED.never_used(db, client).await?)
        });
        if !never_used.await? {
            return Ok(());
        }
        let client = client.clone();
        let note = async move |db: &mut Db<'_>| {
            REGISTERED.note_first_use(db, &client, now).await?;
            APPROVED.note_first_use(db, &client, now).await
        };
        self.write(note).await
    }

    async fn add_initial_access_token(
        &self,
        digest: [u8; 32],
        token: &InitialAccessToken,
    ) -> Stored<()> {
        let token = token.clone();
        self.write(async move |db| initial_access_tokens::add(db, &digest, &token).await).await
    }

    async fn initial_access_tokens(&self, now: Timestamp) -> Stored<Vec<InitialAccessToken>> {
        self.read(async |db| initial_access_tokens::all(db, now).await).await
    }

    async fn revoke_initial_access_token(&self, name: &str) -> Stored<bool> {
        let name = name.to_owned();
        self.write(async move |db| initial_access_tokens::remove(db, &name).await).await
    }
}

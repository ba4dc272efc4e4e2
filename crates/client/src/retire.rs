//! The end of a session: gone from the store at once, and its refresh token given back.

use std::sync::Arc;

use keystile_protocol::Secret;
use tokio::sync::Semaphore;

use crate::call::Call;
use crate::client::{Client, Inner};
use crate::exchange::About;
use crate::flow::{read_revocation_response, revocation_request};
use crate::observe::{Party, Step};
use crate::session::{SessionKey, SessionRecord, StoreError, Whose};

/// Tokens that wait for being given back; further ones are left to end by themselves.
const WAITING_AT_MOST: usize = 1000;
/// Requests for that under way at once.
const AT_ONCE: usize = 4;

/// Bounds what the end of many sessions asks of the authorization server, and keeps in memory.
pub(crate) struct GivingBack {
    places: Arc<Semaphore>,
    turns: Semaphore,
}

impl Default for GivingBack {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(WAITING_AT_MOST));
        Self { places, turns: Semaphore::new(AT_ONCE) }
    }
}

/// Ends a session. What the authorization server is told afterwards keeps nobody waiting.
pub(crate) async fn retire(
    client: &Client,
    key: &SessionKey,
    reason: &str,
) -> Result<(), StoreError> {
    if let Some(record) = client.inner().sessions.end(key).await? {
        has_ended(client.inner(), &record, reason);
        give_back(client, record);
    }
    Ok(())
}

/// Ends several in the same way, wherever they began, and says how many.
pub(crate) async fn retire_all(
    client: &Client,
    whose: Whose,
    reason: &str,
) -> Result<usize, StoreError> {
    let mut count = 0;
    loop {
        let batch = client.inner().sessions.end_batch(whose).await?;
        count += batch.count;
        for record in batch.records {
            has_ended(client.inner(), &record, reason);
            give_back(client, record);
        }
        if batch.is_last {
            return Ok(count);
        }
    }
}

/// Tells the observer.
pub(crate) fn has_ended(inner: &Inner, record: &SessionRecord, reason: &str) {
    inner.tell(Step::SessionEnded, Party::App, Party::App, |event| {
        event.in_login(&record.login).in_session(&record.id()).plain("reason", reason)
    });
}

/// Gives the refresh token back that nobody will use any more (RFC 7009), without keeping anybody
/// waiting. Where this fails the token ends by itself, later; nobody but this app ever had it.
pub(crate) fn give_back(client: &Client, of: SessionRecord) {
    if of.tokens.refresh.is_none() {
        return;
    }
    let places = Arc::clone(&client.inner().giving_back.places);
    let Ok(place) = places.try_acquire_owned() else {
        tracing::warn!(session = %of.id(), "a refresh token was not revoked: too many wait for it");
        return;
    };
    let client = client.clone();
    tokio::spawn(async move {
        let inner = client.inner();
        let _turn = inner.giving_back.turns.acquire().await;
        let Some(token) = &of.tokens.refresh else { return };
        if let Err(why) = revoke(inner, &of, token).await {
            tracing::info!(session = %of.id(), %why, "a refresh token was not revoked");
        }
        drop(place);
    });
}

async fn revoke(inner: &Inner, of: &SessionRecord, token: &Secret) -> Result<(), String> {
    let metadata = inner.provider.metadata(inner.now()).await?;
    if metadata.revocation_endpoint.is_none() {
        return Ok(());
    }
    let request = revocation_request(&inner.app.client_id, &inner.app.credential, token);
    let call = Call {
        endpoint: "revocation_endpoint",
        request: &request,
        key: None,
        repeatable: true,
        steps: (Step::RevocationRequest, Step::RevocationResponse),
        about: About { login: &of.login, session: Some(&of.id()) },
    };
    inner.call(&call, read_revocation_response).await.map_err(|error| error.to_string())
}

//! The end of a session: gone from the store at once, and its refresh token given back.

use keystile_protocol::Secret;

use crate::call::Call;
use crate::client::{Client, Inner};
use crate::exchange::About;
use crate::flow::{read_revocation_response, revocation_request};
use crate::observe::{Party, Step};
use crate::session::{Loaded, SessionKey, StoreError};

/// Ends a session. What the authorization server is told afterwards keeps nobody waiting.
pub(crate) async fn retire(
    client: &Client,
    key: &SessionKey,
    reason: &str,
) -> Result<(), StoreError> {
    let inner = client.inner();
    let loaded = inner.sessions.load(key, inner.now()).await?;
    inner.sessions.end(key).await?;
    let Some(loaded) = loaded else { return Ok(()) };
    let record = &loaded.record;
    inner.tell(Step::SessionEnded, Party::App, Party::App, |event| {
        event.in_login(&record.login).in_session(&record.id()).plain("reason", reason)
    });
    if record.tokens.refresh.is_some() {
        let client = client.clone();
        tokio::spawn(async move { give_back(client.inner(), &loaded).await });
    }
    Ok(())
}

/// RFC 7009. Where this fails the token ends by itself, later; nobody but this app ever had it.
async fn give_back(inner: &Inner, ended: &Loaded) {
    let Some(token) = &ended.record.tokens.refresh else { return };
    let session = ended.record.id();
    if let Err(why) = revoke(inner, ended, token, &session).await {
        tracing::info!(%session, %why, "a refresh token was not revoked");
    }
}

async fn revoke(
    inner: &Inner,
    ended: &Loaded,
    token: &Secret,
    session: &str,
) -> Result<(), String> {
    let metadata = inner.provider.metadata(inner.now()).await?;
    if metadata.revocation_endpoint.is_none() {
        return Ok(());
    }
    let about = About { login: &ended.record.login, session: Some(session) };
    let request = revocation_request(&inner.app.client_id, &inner.app.credential, token);
    let call = Call {
        endpoint: "revocation_endpoint",
        request: &request,
        key: None,
        repeatable: true,
        steps: (Step::RevocationRequest, Step::RevocationResponse),
        about,
    };
    inner.call(&call, read_revocation_response).await.map_err(|error| error.to_string())
}

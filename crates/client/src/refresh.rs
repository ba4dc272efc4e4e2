//! Access tokens that last: refreshed once, however many requests wait for one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{ErrorCode, Secret, Timestamp};

use crate::call::{Call, kept_key};
use crate::client::Client;
use crate::exchange::{self, About};
use crate::flow::{TokenError, refresh_request};
use crate::observe::{Party, Step};
use crate::session::{Loaded, Session, SessionError, SessionKey, SessionRecord, Tokens};

/// A token with less life than this is not sent any more: it could expire on its way.
pub(crate) const SPARE: Duration = Duration::from_secs(10);
/// How long another process may take from the answer to the store.
const TIME_TO_KEEP: Duration = Duration::from_millis(300);

/// A token that the session can send now. `refused` is one that an API did not accept.
pub(crate) async fn fresh_token(
    session: &Session,
    refused: Option<&Secret>,
) -> Result<Secret, SessionError> {
    let client = &session.client;
    let key = session.record.key();
    if is_good(&session.record, refused, client.inner().now()) {
        return Ok(session.record.tokens.access.clone());
    }
    // A task of its own: if the request that asked goes away, the new tokens are kept all the same.
    let (client, refused) = (client.clone(), refused.cloned());
    let task = tokio::spawn(async move { in_flight(&client, &key, refused.as_ref()).await });
    task.await.map_err(|error| SessionError::Temporary(error.to_string()))?
}

fn is_good(record: &SessionRecord, refused: Option<&Secret>, now: Timestamp) -> bool {
    let tokens = &record.tokens;
    let lasts = tokens.access_expires_at.is_none_or(|expires_at| now.plus(SPARE) < expires_at);
    lasts && refused != Some(&tokens.access)
}

async fn in_flight(
    client: &Client,
    key: &SessionKey,
    refused: Option<&Secret>,
) -> Result<Secret, SessionError> {
    let flight = client.inner().sessions.flights.of(key);
    let round = flight.rounds.load(Ordering::Acquire);
    let mut failure = flight.failure.lock().await;
    let now = client.inner().now();
    let loaded = load(client, key, now).await?;
    if is_good(&loaded.record, refused, now) {
        return Ok(loaded.record.tokens.access.clone());
    }
    if flight.rounds.load(Ordering::Acquire) != round
        && let Some(error) = failure.clone()
    {
        // Another request tried while this one waited: not each of them waits for the server.
        return Err(error);
    }
    let result = refresh(client, loaded, refused, now).await;
    flight.rounds.fetch_add(1, Ordering::Release);
    *failure = result.as_ref().err().cloned();
    result
}

async fn load(client: &Client, key: &SessionKey, now: Timestamp) -> Result<Loaded, SessionError> {
    let loaded = client.inner().sessions.load(key, now).await;
    let loaded = loaded.map_err(|error| SessionError::Temporary(error.to_string()))?;
    loaded.ok_or(SessionError::Ended)
}

async fn refresh(
    client: &Client,
    loaded: Loaded,
    refused: Option<&Secret>,
    now: Timestamp,
) -> Result<Secret, SessionError> {
    let key = loaded.record.key();
    let Some(refresh_token) = &loaded.record.tokens.refresh else {
        return without_refresh_token(client, &loaded, refused, now).await;
    };
    match ask(client, &loaded.record, refresh_token).await {
        Ok(response) => keep(client, &loaded, &response, now).await,
        Err(TokenError::Refused { error: Some(ErrorCode::InvalidGrant), .. }) => {
            // Unless another process was first: then its tokens are in the store, or about to be.
            tokio::time::sleep(TIME_TO_KEEP).await;
            let current = load(client, &key, now).await?;
            if current.generation != loaded.generation {
                return Ok(current.record.tokens.access.clone());
            }
            end(client, &loaded.record, "invalid_grant").await;
            Err(SessionError::Ended)
        }
        Err(error) => still_usable(&loaded.record, refused, now).ok_or_else(|| {
            tracing::warn!(session = %key.digest(), %error, "a refresh failed, the session stays");
            match error {
                TokenError::Unavailable(_)
                | TokenError::Busy(_)
                | TokenError::Refused {
                    error: Some(ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError),
                    ..
                } => SessionError::Temporary(error.to_string()),
                _ => SessionError::Refused(error.to_string()),
            }
        }),
    }
}

/// The token of before, in the seconds between "soon" and "over".
fn still_usable(
    record: &SessionRecord,
    refused: Option<&Secret>,
    now: Timestamp,
) -> Option<Secret> {
    let alive = record.tokens.access_expires_at.is_none_or(|expires_at| now < expires_at);
    (alive && refused != Some(&record.tokens.access)).then(|| record.tokens.access.clone())
}

/// A login brings a new token where the old one expired; where an API refused a token that has not
/// expired, nobody knows whether it would, and the user stays.
async fn without_refresh_token(
    client: &Client,
    loaded: &Loaded,
    refused: Option<&Secret>,
    now: Timestamp,
) -> Result<Secret, SessionError> {
    if let Some(token) = still_usable(&loaded.record, refused, now) {
        return Ok(token);
    }
    let tokens = &loaded.record.tokens;
    if tokens.access_expires_at.is_none_or(|expires_at| now < expires_at) {
        return Err(SessionError::Refused("there is no refresh token".into()));
    }
    end(client, &loaded.record, "expired").await;
    Err(SessionError::Ended)
}

async fn ask(
    client: &Client,
    record: &SessionRecord,
    refresh_token: &Secret,
) -> Result<TokenResponse, TokenError> {
    let inner = client.inner();
    let app = &inner.app;
    let request = refresh_request(&app.client_id, &app.credential, &app.resources, refresh_token);
    let about = About { login: &record.login, session: Some(&record.id()) };
    let key = kept_key(record.proof_key.as_ref())?;
    let call = Call {
        endpoint: "token_endpoint",
        request: &request,
        key: key.as_ref(),
        repeatable: true,
        steps: (Step::RefreshRequest, Step::RefreshResponse),
        about,
    };
    let response = exchange::token_request(inner, &call).await?;
    exchange::check_refreshed(inner, &response, record.subject.as_deref()).await?;
    Ok(response)
}

async fn keep(
    client: &Client,
    loaded: &Loaded,
    response: &TokenResponse,
    now: Timestamp,
) -> Result<Secret, SessionError> {
    let old = &loaded.record.tokens;
    let mut tokens = Tokens::from_response(response, &old.scope, old.refresh.as_ref(), now);
    if tokens.details.is_empty() {
        // Silence means that nothing changed (RFC 9396 section 7).
        tokens.details = old.details.clone();
    }
    let record = SessionRecord { tokens, ..SessionRecord::clone(&loaded.record) };
    let kept = client.inner().sessions.replace(&record, loaded.generation, now).await;
    match kept {
        Ok(true) => Ok(record.tokens.access.clone()),
        // Ended meanwhile, or refreshed by another process: what the store has counts.
        Ok(false) => load(client, &record.key(), now).await.map(|l| l.record.tokens.access.clone()),
        Err(error) => {
            tracing::error!(session = %record.id(), %error, "new tokens could not be kept");
            Ok(record.tokens.access.clone())
        }
    }
}

async fn end(client: &Client, record: &SessionRecord, reason: &str) {
    if let Err(error) = client.inner().sessions.end(&record.key()).await {
        tracing::error!(session = %record.id(), %error, "a session could not be ended");
    }
    client.inner().tell(Step::SessionEnded, Party::App, Party::App, |event| {
        event.in_login(&record.login).in_session(&record.id()).plain("reason", reason)
    });
}

/// One flight per session that somebody waits for.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<SessionKey, Weak<Flight>>>);

#[derive(Default)]
struct Flight {
    rounds: AtomicU64,
    failure: tokio::sync::Mutex<Option<SessionError>>,
}

impl Flights {
    fn of(&self, key: &SessionKey) -> Arc<Flight> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(key).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::new(Flight::default());
        flights.insert(*key, Arc::downgrade(&flight));
        flight
    }
}

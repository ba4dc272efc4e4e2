//! Access tokens that last: refreshed once, however many requests on however many nodes wait for one.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{ErrorCode, Secret, Timestamp};

use crate::call::{Call, kept_key};
use crate::client::Client;
use crate::exchange::{self, About};
use crate::flow::{TokenError, refresh_request};
use crate::observe::Step;
use crate::retire::{give_back, has_ended};
use crate::session::{Loaded, Session, SessionError, SessionKey, SessionRecord, Tokens};

mod flights;
mod turn;

pub(crate) use flights::Flights;
pub(crate) use turn::SPARE;
use turn::{CLAIM, Facts, LOOKS_EVERY, RENEWED_EVERY, Turn, Waited};

/// How long a node whose claim had lapsed may take from the answer to the store.
const TIME_TO_KEEP: Duration = Duration::from_millis(300);

/// A token that the session can send now. `refused` is one that an API did not accept.
pub(crate) async fn fresh_token(
    session: &Session,
    refused: Option<&Secret>,
) -> Result<Secret, SessionError> {
    let client = &session.client;
    let known = Facts::new(&session.record.tokens, refused, client.inner().now());
    if turn::next(&known) == Turn::Use {
        return Ok(known.tokens.access.clone());
    }
    // A task of its own: if the request that asked goes away, the new tokens are kept all the same.
    let (client, key, refused) = (client.clone(), session.record.key(), refused.cloned());
    let task = tokio::spawn(async move { in_flight(&client, &key, refused.as_ref()).await });
    task.await.map_err(|error| SessionError::Temporary(error.to_string()))?
}

async fn in_flight(
    client: &Client,
    key: &SessionKey,
    refused: Option<&Secret>,
) -> Result<Secret, SessionError> {
    let flight = client.inner().sessions.flights.of(key);
    let seat = flight.board().await;
    let mut waited = Waited::default();
    let result = loop {
        let loaded = load(client, key).await?;
        let (claimed_until, now) = (loaded.claimed_until, client.inner().now());
        let known = Facts::new(&loaded.record.tokens, refused, now);
        let facts = Facts { claimed_until, waited, ..known };
        let turn = turn::next(&facts);
        if turn == Turn::Use {
            return Ok(facts.tokens.access.clone());
        }
        if let Some(error) = seat.failed_meanwhile {
            // Not each of the requests that wait here waits for the server.
            return Err(error);
        }
        if let Some(result) = take(turn, client, &loaded, &facts).await {
            break result;
        }
        tokio::time::sleep(LOOKS_EVERY).await;
        waited = waited.longer(claimed_until);
    };
    seat.landed(&result);
    result
}

async fn load(client: &Client, key: &SessionKey) -> Result<Loaded, SessionError> {
    let inner = client.inner();
    let loaded = inner.sessions.load(key, inner.now()).await;
    let loaded = loaded.map_err(|error| SessionError::Temporary(error.to_string()))?;
    loaded.ok_or(SessionError::Ended)
}

/// Nothing, where another node is first.
async fn take(
    turn: Turn,
    client: &Client,
    loaded: &Loaded,
    facts: &Facts<'_>,
) -> Option<Result<Secret, SessionError>> {
    match turn {
        Turn::Use => Some(Ok(facts.tokens.access.clone())),
        Turn::Ask => refresh(client, loaded, facts).await,
        Turn::Wait => None,
        Turn::GiveUp => {
            let why = "another node of the app has asked for a token and gets no answer";
            Some(Err(SessionError::Temporary(why.into())))
        }
        Turn::Refused => Some(Err(SessionError::Refused("there is no refresh token".into()))),
        Turn::Over => Some(Err(end(client, &loaded.record, "expired").await)),
    }
}

/// Sends the refresh token, under a claim.
async fn refresh(
    client: &Client,
    loaded: &Loaded,
    facts: &Facts<'_>,
) -> Option<Result<Secret, SessionError>> {
    let sessions = &client.inner().sessions;
    let until = facts.now.plus(CLAIM);
    match sessions.claim(loaded, loaded.claimed_until, until).await {
        Ok(true) => {}
        Ok(false) => return None,
        // Where no claim can be kept, no new tokens can: the old ones are not risked.
        Err(error) => {
            let error = SessionError::Temporary(error.to_string());
            return Some(or_still_usable(facts, error));
        }
    }
    let asked = ask(client, &loaded.record);
    let (answer, until) = while_claimed(client, loaded, until, asked).await;
    Some(match answer {
        Ok(response) => keep(client, loaded, &response, facts.now).await,
        Err(TokenError::Refused { error: Some(ErrorCode::InvalidGrant), .. }) => {
            refused_for_good(client, loaded).await
        }
        Err(error) => {
            // Given back: the next one need not wait until it lapses.
            let _ = sessions.claim(loaded, until, Timestamp::default()).await;
            let session = loaded.record.id();
            tracing::warn!(%session, %error, "a refresh failed, the session stays");
            or_still_usable(facts, in_words(&error))
        }
    })
}

/// Does `work` and makes the claim last as long. Says until when it lasts in the end.
async fn while_claimed<T>(
    client: &Client,
    loaded: &Loaded,
    mut until: Timestamp,
    work: impl Future<Output = T>,
) -> (T, Timestamp) {
    let inner = client.inner();
    let mut work = pin!(work);
    loop {
        if let Ok(done) = tokio::time::timeout(RENEWED_EVERY, &mut work).await {
            return (done, until);
        }
        let longer = inner.now().plus(CLAIM);
        match inner.sessions.claim(loaded, until, longer).await {
            Ok(true) => until = longer,
            // What is on its way to the server cannot be taken back.
            Ok(false) => tracing::warn!(session = %loaded.record.id(), "a claim has lapsed"),
            Err(error) => {
                tracing::warn!(session = %loaded.record.id(), %error, "a claim was not renewed");
            }
        }
    }
}

/// The token of before, in the seconds between "soon" and "over".
fn or_still_usable(facts: &Facts<'_>, error: SessionError) -> Result<Secret, SessionError> {
    if turn::is_usable(facts) { Ok(facts.tokens.access.clone()) } else { Err(error) }
}

fn in_words(error: &TokenError) -> SessionError {
    match error {
        TokenError::Unavailable(_)
        | TokenError::Busy(_)
        | TokenError::Refused {
            error: Some(ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError),
            ..
        } => SessionError::Temporary(error.to_string()),
        _ => SessionError::Refused(error.to_string()),
    }
}

/// Unless this node's claim had lapsed and another was first: then that one's tokens are in the
/// store, or about to be.
async fn refused_for_good(client: &Client, loaded: &Loaded) -> Result<Secret, SessionError> {
    tokio::time::sleep(TIME_TO_KEEP).await;
    let current = load(client, &loaded.record.key()).await?;
    if current.generation == loaded.generation {
        return Err(end(client, &loaded.record, "invalid_grant").await);
    }
    Ok(current.record.tokens.access.clone())
}

async fn ask(client: &Client, record: &SessionRecord) -> Result<TokenResponse, TokenError> {
    let inner = client.inner();
    let app = &inner.app;
    let missing = TokenError::Malformed("there is no refresh token to send");
    let refresh_token = record.tokens.refresh.as_ref().ok_or(missing)?;
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
        Ok(false) => what_counts(client, record).await,
        Err(error) => {
            tracing::error!(session = %record.id(), %error, "new tokens could not be kept");
            Ok(record.tokens.access.clone())
        }
    }
}

/// Ended meanwhile, or refreshed by another node whose claim had lapsed: what the store has counts.
async fn what_counts(client: &Client, unkept: SessionRecord) -> Result<Secret, SessionError> {
    let current = load(client, &unkept.key()).await;
    if matches!(current, Err(SessionError::Ended)) {
        // Who ended it knew the refresh token of before.
        give_back(client, unkept);
    }
    current.map(|current| current.record.tokens.access.clone())
}

async fn end(client: &Client, record: &SessionRecord, reason: &str) -> SessionError {
    let inner = client.inner();
    if let Err(error) = inner.sessions.end(&record.key()).await {
        tracing::error!(session = %record.id(), %error, "a session could not be ended");
    }
    has_ended(inner, record, reason);
    SessionError::Ended
}

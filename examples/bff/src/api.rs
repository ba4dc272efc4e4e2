//! The API of the noticeboard. It knows nothing of browsers and cookies: whoever shows an access
//! token for it may call it.
//!
//! ```sh
//! ISSUER=https://login.example cargo run --package keystile-example-bff --bin noticeboard-api
//! ```
//!
//! At the issuer it is called by its address, `http://localhost:3001` (`API` says another), and has
//! the scopes `notes:read` and `notes:write`.

use std::convert::Infallible;
use std::env::var;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use keystile_resource::{BuildError, Guard, Token};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};

/// Older notes fall off the board.
const NOTES_AT_MOST: usize = 100;
/// A longer one does not fit, in characters.
const TEXT_AT_MOST: usize = 280;

/// A note as it is shown.
#[derive(Clone, Serialize)]
struct Note {
    id: u64,
    /// The `sub` of whoever pinned it.
    by: String,
    text: String,
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

struct Board {
    notes: Mutex<Vec<Note>>,
    pinned: broadcast::Sender<Note>,
    looking: watch::Sender<usize>,
}

type Shared = Arc<Board>;

/// The API, without a port: tests use it as it is.
pub(crate) fn api(issuer: &str, url: &str) -> Result<Router, BuildError> {
    // Whose tokens count, and what they have to be for: this API and no other.
    let guard = Guard::builder(issuer, url).build()?;
    let board = Board {
        notes: Mutex::default(),
        pinned: broadcast::channel(NOTES_AT_MOST).0,
        looking: watch::channel(0).0,
    };
    Ok(Router::new()
        .route("/notes", get(all).merge(post(pin).layer(guard.require("notes:write"))))
        .route("/events", get(events))
        .route("/looking", get(looking))
        .with_state(Arc::new(board))
        .layer(guard.require("notes:read")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = var("API").unwrap_or_else(|_| "http://localhost:3001".into());
    let address = url.trim_start_matches("http://").trim_start_matches("https://");
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, api(&var("ISSUER")?, &url)?).await?;
    Ok(())
}

async fn all(State(board): State<Shared>) -> Json<Vec<Note>> {
    Json(board.notes.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

async fn pin(State(board): State<Shared>, token: Token, Json(new): Json<NewNote>) -> Response {
    let text = new.text.trim();
    if text.is_empty() || text.chars().count() > TEXT_AT_MOST {
        let words = format!("a note has 1 to {TEXT_AT_MOST} characters");
        return (StatusCode::UNPROCESSABLE_ENTITY, words).into_response();
    }
    let mut notes = board.notes.lock().unwrap_or_else(PoisonError::into_inner);
    let id = notes.last().map_or(1, |last| last.id + 1);
    let note = Note { id, by: token.subject().to_owned(), text: text.to_owned() };
    notes.push(note.clone());
    if notes.len() > NOTES_AT_MOST {
        notes.remove(0);
    }
    // In the order of the board, also for those who follow it; nobody may be.
    let _ = board.pinned.send(note.clone());
    (StatusCode::CREATED, Json(note)).into_response()
}

/// Each note when it is pinned.
async fn events(State(board): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let pinned = board.pinned.subscribe();
    let ready = Some(Ok(Event::default().event("ready").data("")));
    let stream = futures_util::stream::unfold((ready, pinned), |(ready, mut pinned)| async move {
        let event = match ready {
            Some(event) => event,
            None => match pinned.recv().await {
                Ok(note) => Ok(Event::default().event("pinned").json_data(note).ok()?),
                // Who was too slow has missed some, and reads them all again.
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    Ok(Event::default().event("ready").data(""))
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            },
        };
        Some((event, (None, pinned)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// How many look at the board, told whenever that changes.
async fn looking(State(board): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let mut looking = board.looking.subscribe();
        board.looking.send_modify(|count| *count += 1);
        tell(socket, &mut looking).await;
        board.looking.send_modify(|count| *count -= 1);
    })
}

/// Until the other end closes.
async fn tell(mut socket: WebSocket, looking: &mut watch::Receiver<usize>) {
    loop {
        let count = looking.borrow_and_update().to_string();
        if socket.send(Message::text(count)).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                changed = looking.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                heard = socket.recv() => if !matches!(heard, Some(Ok(_))) { return },
            }
        }
    }
}

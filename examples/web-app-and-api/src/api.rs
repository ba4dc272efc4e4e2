//! The API of the notebook: it keeps each user's notes, and answers whoever shows an access token
//! that the user's consent made.
//!
//! ```sh
//! ISSUER=https://login.example cargo run --package keystile-example-web-app-and-api --bin notebook-api
//! ```
//!
//! At the issuer it is called by its address, `http://localhost:3001` (`API` says another), and has
//! the scopes `notes:read` and `notes:write`.

use std::collections::HashMap;
use std::env::var;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use keystile_resource::{BuildError, Guard, Token};
use serde::Deserialize;

/// Each user's notes. A database, in an API that lasts.
type Notes = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// Notes of one user, and characters of one note.
const AT_MOST: (usize, usize) = (100, 500);

#[derive(Deserialize)]
struct New {
    note: String,
}

/// Whose notes they are, the token says, and nothing that the caller could choose.
async fn list(State(notes): State<Notes>, token: Token) -> Json<Vec<String>> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    Json(notes.get(token.subject()).cloned().unwrap_or_default())
}

async fn add(State(notes): State<Notes>, token: Token, Json(new): Json<New>) -> StatusCode {
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let mine = notes.entry(token.subject().to_owned()).or_default();
    if mine.len() >= AT_MOST.0 || new.note.chars().count() > AT_MOST.1 {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    mine.push(new.note);
    StatusCode::CREATED
}

/// The API, without a port: tests use it as it is.
pub(crate) fn api(issuer: &str, url: &str) -> Result<Router, BuildError> {
    // Whose tokens count, and what they have to be for: this API and no other.
    let guard = Guard::builder(issuer, url).build()?;
    Ok(Router::new()
        .route("/notes", get(list).layer(guard.require("notes:read")))
        .route("/notes", post(add).layer(guard.require("notes:write")))
        .layer(guard)
        .with_state(Notes::default())
        // After the guard: open to everybody.
        .route("/health", get(async || "well")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = var("API").unwrap_or_else(|_| "http://localhost:3001".into());
    let address = url.trim_start_matches("http://").trim_start_matches("https://");
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, api(&var("ISSUER")?, &url)?).await?;
    Ok(())
}

//! Login, session and API calls of a server-side web app, right by default.
//!
//! The browser talks to the app alone. It gets an opaque handle in a cookie; tokens stay on the
//! server, encrypted. This is a whole app:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use axum::{Router, response::Html, routing::get};
//! use keystile_client::{ApiError, Client, SqliteSessions, User};
//!
//! async fn home(user: Option<User>) -> Html<&'static str> {
//!     Html(match user {
//!         None => r#"<a href="/photos">Print my photos</a>"#,
//!         Some(_) => r#"<form method="post" action="/logout"><button>Sign out</button></form>"#,
//!     })
//! }
//!
//! // `User` as an argument is enough: who is not signed in is sent to sign in and comes back.
//! async fn photos(user: User) -> Result<String, ApiError> {
//!     let answer = user.api().get("http://localhost:4002/photos").send().await?;
//!     Ok(format!("{} has {}", user.subject(), answer.text().await?))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::builder("http://localhost:4000", "photo-printer")
//!         .secret(std::env::var("CLIENT_SECRET")?)
//!         .app_url("http://localhost:4001")
//!         .scope("openid profile photos:read")
//!         .api("http://localhost:4002")
//!         .sessions(Arc::new(SqliteSessions::open("sessions.db")?))
//!         .key_file("sessions.key")
//!         .build()?;
//!     let app = Router::new()
//!         .route("/", get(home))
//!         .route("/photos", get(photos))
//!         .merge(client.routes())
//!         .layer(client.layer());
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:4001").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What it does by itself
//!
//! - `GET /login?return_to=/photos` starts a login, `GET /callback` ends it, `POST /logout` ends
//!   the session here and at the authorization server ([`Client::routes`]).
//! - `state`, `nonce`, PKCE (S256), `iss` (RFC 9207) and the ID token (OpenID Connect Core 1.0
//!   section 3.1.3.7) are checked, in parallel tabs too ([`flow`] has the rules as plain
//!   functions).
//! - `POST /backchannel-logout` and `GET /frontchannel-logout` end what ended at the authorization
//!   server, on every node of the app. Whatever ends a session, its refresh token is given back
//!   (RFC 7009).
//! - Tokens are refreshed when they have to be, once however many requests on however many nodes wait
//!   for it, and are sent to the origins named with [`ClientBuilder::api`] and nowhere else.
//! - With [`ClientBuilder::profile`] it does FAPI 2.0: it proves itself with a key, pushes its
//!   requests, binds its tokens ([`ClientBuilder::dpop`], [`ClientBuilder::certificate`]), and
//!   signs, where that is asked for.
//! - An API that wants the user to be authenticated better (RFC 9470) sends them to the login, and
//!   back.
//! - A front end that runs in the browser calls an API through the app, which adds the token:
//!   [`Client::proxy`], with streams and WebSockets; [`Client::user_endpoint`] tells it who is signed
//!   in.
//! - A login that fails is tried again where that is safe, and otherwise told in plain words
//!   ([`Cause::what_to_do`]).
//!
//! # Where there is no web app
//!
//! Command-line tools, native apps, services and APIs that call other APIs use the same client:
//! [`tools`]. One that nobody registered registers itself ([`Registrar`]), and one that knows nothing
//! but an API's address finds out who issues tokens for it ([`ProtectedResource`]).
//!
//! # Proof
//!
//! With the feature `leak-proof`, a test can hold the whole app to it that no token, verifier or
//! secret leaves towards the browser or into a log: `LeakProof`, in the module `leak_proof`.
//!
//! # Where sessions live
//!
//! In memory, unless [`ClientBuilder::sessions`] says otherwise; in [`SqliteSessions`], which outlive
//! a restart; or in `PostgresSessions`, by the app's own pool, which any number of nodes share without
//! sticky sessions. [`SessionStore`] is a port of nine short operations for anything else. A store
//! holds digests and sealed bytes: who reads it has no cookie and no token. [`ClientBuilder::key_file`]
//! and [`ClientBuilder::encryption_keys`] say how the keys to it follow each other; under each of them
//! there is one for every day. All nodes have the same keys, and clocks that differ by less than
//! seconds.
//!
//! # Features
//!
//! | feature | what it brings |
//! | --- | --- |
//! | `sqlite`, on by default | [`SqliteSessions`] |
//! | `postgres` | `PostgresSessions`, with `deadpool-postgres` |
//! | `leak-proof`, for tests | `LeakProof` |
//! | `native` | opens the system's browser for a native app ([`tools`]) |
//! | `qr` | a QR code on a terminal, for the device flow ([`tools`]) |
//!
//! # What is left to the app
//!
//! - A page with a sign-out form whose `Content-Security-Policy` has `form-action` must allow the
//!   authorization server's origin: browsers apply it to the redirect that follows.
//! - `POST` routes of the app ask whether a page of its own sent the form ([`Client::is_own_form`]):
//!   `SameSite=Lax` on the session cookie keeps other *sites* out, not other ports of `localhost`.

mod api;
mod builder;
mod call;
mod client;
mod discovery;
mod dpop;
mod entropy;
mod exchange;
mod failure;
pub mod flow;
mod key_file;
#[cfg(feature = "leak-proof")]
pub mod leak_proof;
mod observe;
mod outbound;
mod private_file;
mod proxy;
mod refresh;
pub mod registration;
mod resource;
mod retire;
mod sealing_keys;
pub mod session;
mod taint;
pub mod tools;
mod userinfo;
mod web;
mod webfinger;

pub use api::{ApiClient, ApiError, ApiRequest, ApiResponse};
pub use builder::{BuildError, ClientBuilder};
pub use client::Client;
pub use failure::{Cause, LoginFailure, WhatToDo};
pub use flow::{ClientKey, EncryptionKey, Profile, Prompt};
pub use keystile_protocol as protocol;
#[cfg(feature = "leak-proof")]
pub use leak_proof::LeakProof;
pub use observe::{Event, Observer, Party, Shown, Step};
pub use proxy::Proxy;
pub use registration::{Registrar, Registration};
pub use resource::ProtectedResource;
#[cfg(feature = "postgres")]
pub use session::PostgresSessions;
#[cfg(feature = "sqlite")]
pub use session::SqliteSessions;
pub use session::{MemorySessions, Session, SessionStore};
pub use tools::{Granted, ToolError};
pub use web::{LoginRequest, LoginRequired, SessionLayer, SessionService, User};
pub use webfinger::{issuer_of, issuer_of_with};

//! A test mode that proves that no secret leaves: towards the browser, or into a log.
//!
//! A [`LeakProof`] is told every secret that the client handles, when it handles it. It watches
//! what the app sends and what it writes to its log, and a test fails if eight characters in a row
//! of a secret are in it. It is there with the feature `leak-proof`, which belongs into
//! `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! keystile-client = { version = "0.1", features = ["leak-proof"] }
//! ```
//!
//! ```
//! # use axum::{Router, body::Body, routing::get};
//! # use http::Request;
//! # use keystile_client::{Client, ClientBuilder, LeakProof, User};
//! # use tower::ServiceExt;
//! // The app, as it is served; `settings` is all that it does differently in a test.
//! fn app(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Router {
//!     let builder = Client::builder("https://login.example", "photo-printer")
//!         .secret("hOkk7sLwBq5Rt2nYx0Zc")
//!         .app_url("https://prints.example");
//!     let client = settings(builder).build().expect("good settings");
//!     Router::new()
//!         .route("/", get(|user: Option<User>| async move { format!("Hello {user:?}") }))
//!         .merge(client.routes())
//!         .layer(client.layer())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let proof = LeakProof::new();
//! tracing_subscriber::fmt()
//!     .with_max_level(tracing::Level::TRACE)
//!     .with_writer(proof.log(std::io::stderr))
//!     .init();
//! // Outermost, so that no layer adds something behind its back.
//! let app = app(|builder| builder.leak_proof(&proof)).layer(proof.layer());
//!
//! // Use the app as its users do: sign in, open every page, make every mistake.
//! let request = Request::get("/").body(Body::empty()).expect("a request");
//! let answer = app.oneshot(request).await.expect("infallible");
//! assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await.expect("read"), "Hello None");
//!
//! proof.assert_nothing_leaked();
//! # }
//! ```
//!
//! # What is a secret
//!
//! Access tokens, refresh tokens and ID tokens; codes once they are used, code verifiers, device
//! codes; client secrets, client assertions, registration access tokens; the private halves of the
//! client's keys and of those that tokens are bound to (DPoP); the key that sessions and logins are
//! sealed with; and the handle of a session everywhere but in a `Set-Cookie` header. What else the
//! app has to hide is added with [`LeakProof::taint`].
//!
//! # What is found
//!
//! Eight characters in a row, as they are, or escaped as in a URL, in JSON, in `Debug` or in HTML,
//! even twice; in base64 or base64url, also amid a longer text; in hexadecimal digits; as numbers
//! with commas. In status line, headers, trailers and body of an answer, whatever pieces it is sent
//! in, and in each line of a log.
//!
//! # What is not a secret
//!
//! - **The header of a JWT**, and how its claims begin (`{"iss":"https://`): others have the same.
//!   The rest of the claims and the signature are secret.
//! - **What the client says in public**: its `client_id`, issuer, scope, redirect URI, resources
//!   and further parameters, and the requests that it signs. A secret that shares characters with
//!   one of these is looked for by the others alone. What else may be seen, such as a JWT of the
//!   app's own for its browser, is named with [`LeakProof::public`].
//! - **An ID token that the browser is given to sign out with**, where the app asks for that
//!   ([`ClientBuilder::id_token_hint`](crate::ClientBuilder::id_token_hint)): from then on.
//! - **A code on its way in**: it comes in a URL, and is worth nothing after its use. From then on
//!   it is looked for, so that a log of whole URLs fails.
//! - **`state`, `nonce`, `code_challenge`, a `request_uri`**: the browser carries them.
//! - A secret of fewer than eight characters. One that is made of words is found wherever those
//!   words stand: give tests secrets that look like secrets.
//!
//! # What is not seen
//!
//! A connection that was upgraded (WebSocket) is no answer any more, and a compressed answer cannot
//! be read: the layer asks for none, and [`LeakProof::assert_nothing_leaked`] fails if one comes.
//! [`LeakProof::search`] searches what leaves in another way. A secret is looked for from the moment
//! at which the client has it; nothing is searched again for those that come later.

mod escapes;
mod layer;
mod leak;
mod log;
mod private_key;
mod proof;
mod search;
mod secrets;
mod windows;

pub use layer::{LeakLayer, LeakService, WatchedBody};
pub use leak::{Leak, Part, Place};
pub use log::WatchedLog;
pub(crate) use private_key::private_parts;
pub use proof::{LeakProof, Seen};
pub use search::{Form, Found, Search};
pub use secrets::{RUN, Secrets};

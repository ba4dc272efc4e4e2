//! One layer that guards an API with access tokens.
//!
//! [`Guard`] is a [`tower::Layer`]. It takes the token from `Authorization: Bearer …`, verifies it
//! by the issuer's keys (JWT access tokens, RFC 9068), compares issuer, audience and expiry, asks
//! for scopes, and answers 401 and 403 as RFC 6750 has it. What it let through has its claims in
//! the extractor [`Token`].
//!
//! ```no_run
//! use axum::{Json, Router, routing::get};
//! use keystile_resource::{Guard, Token};
//!
//! async fn photos(token: Token) -> Json<Vec<String>> {
//!     Json(vec![format!("a photo of {}", token.subject())])
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Who issues the tokens, and this API's own name: the audience that a token must be for.
//!     let guard = Guard::builder("https://login.example", "https://photos.example").build()?;
//!
//!     let app = Router::new()
//!         // Any valid token will do here …
//!         .route("/me", get(|token: Token| async move { token.subject().to_owned() }))
//!         // … and here it has to allow this.
//!         .route("/photos", get(photos).layer(guard.require("photos:read")))
//!         .layer(guard)
//!         // Added after the guard, so it stays open.
//!         .route("/health", get(|| async { "well" }));
//!
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:4002").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What is refused
//!
//! | what came | answer |
//! | --- | --- |
//! | no credentials, or another scheme than `Bearer` | 401, no `error` (RFC 6750 section 3.1) |
//! | two `Authorization` headers, a malformed or oversize one, a token in query or form | 400 `invalid_request` |
//! | a token that is not believed: [`AccessTokenError`] says why | 401 `invalid_token` |
//! | a good token that does not allow this | 403 `insufficient_scope`, with `scope` |
//! | a good token whose user has to be authenticated again, or better | 401 `insufficient_user_authentication`, with `acr_values` and `max_age` (RFC 9470) |
//! | anything, while no keys are at hand | 503 with `Retry-After` |
//!
//! # The issuer's keys
//!
//! They are fetched at the first request: metadata (RFC 8414, else OpenID Connect Discovery), then
//! the key set. They are fetched again behind a request when they are five minutes old, and once
//! when a token names a key that is not known, but not in a storm. While the issuer is away, the
//! keys that are there go on serving: an API does not fall with its issuer.
//!
//! # For clients that know nothing but the API's address
//!
//! [`Guard::announced`] serves the API's metadata (RFC 9728) and names them in each challenge: from
//! there a client finds the issuer, and what the Model Context Protocol asks of an API is there.
//!
//! # Tokens that are bound to a certificate
//!
//! A token with `cnf` and `x5t#S256` (RFC 8705 section 3) is let through only with the certificate
//! that it is bound to. Whoever ends TLS before the guard says which one the connection came with:
//! it puts a [`ClientCertificate`] into the request's extensions. That is your own listener, with
//! [`ClientCertificate::from_chain`], or a layer that reads the header of a proxy (RFC 9440):
//!
//! ```
//! use axum::extract::Request;
//! use keystile_resource::ClientCertificate;
//!
//! /// Only behind a proxy that removes this header from what comes in.
//! fn tell(mut request: Request) -> Request {
//!     let header = request.headers().get("client-cert");
//!     let certificate = header.map(|value| ClientCertificate::from_header(value.as_bytes()));
//!     if let Some(Ok(certificate)) = certificate {
//!         request.extensions_mut().insert(certificate);
//!     }
//!     request
//! }
//! ```
//!
//! # Without axum
//!
//! [`rules`] has the same as plain functions from values to a decision: no clock, no network.

mod announce;
mod body;
mod builder;
mod certificate;
mod foreign;
mod guard;
mod introspection;
mod layer;
mod nonces;
mod outbound;
mod proofs;
mod published;
mod random;
mod refusal;
mod requirements;
pub mod rules;
mod token;
mod trusted;
mod verified;

pub use announce::Announcement;
pub use builder::{BuildError, GuardBuilder};
pub use guard::Guard;
pub use introspection::Introspection;
pub use layer::Guarded;
pub use refusal::{Challenger, Refusal};
pub use token::{Token, Unguarded};
pub use trusted::TrustedIssuer;

pub use ipnet::IpNet;
pub use keystile_protocol as protocol;
pub use keystile_protocol::access_token::{AccessTokenClaims, AccessTokenError, Scheme};
pub use keystile_protocol::authorization_details::Detail;
pub use keystile_protocol::jose::{Algorithm, SigningKey};
pub use keystile_protocol::{
    AuthorizationDetails, ClientCertificate, ClientCertificateError, ErrorCode, Scope,
};

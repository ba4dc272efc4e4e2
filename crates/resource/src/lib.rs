//! One layer that guards an API with access tokens, of any standard authorization server.
//!
//! [`Guard`] is a [`tower::Layer`]. It takes the token from the `Authorization` header, believes it
//! or not, and answers 401 and 403 as the standards have it. What it let through has its claims in
//! the extractor [`Token`]. This is a whole API:
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
//! # Which tokens are believed
//!
//! | token | how | how it is said |
//! | --- | --- | --- |
//! | a JWT access token (RFC 9068) | by its signature, without asking anybody | the issuer's identifier is enough |
//! | the same, refused seconds after it was revoked | by its signature and the issuer's word | [`Introspection::jwts_too`] |
//! | an opaque token (RFC 7662) | by the issuer's word | [`TrustedIssuer::introspection`] |
//! | a JWT of Keycloak, Auth0, Okta, Entra ID, … that does not keep to RFC 9068 | by its signature | [`TrustedIssuer::plain_jwts`] |
//! | one that names no audience | if it was issued to a client of a list | [`TrustedIssuer::without_audience_from`] |
//! | of several issuers | each by its own | [`GuardBuilder::trust`] |
//! | bound to a key (RFC 9449) | with a DPoP proof of it, each used once | by itself, where the audience is a URL; else [`GuardBuilder::published_at`] |
//! | bound to a certificate (RFC 8705) | over a connection with it | a [`ClientCertificate`] in the request's extensions, or [`GuardBuilder::client_certificates_from`] |
//!
//! ES256, EdDSA and PS256 are believed; RS256 has to be named ([`TrustedIssuer::algorithms`]):
//!
//! ```
//! use keystile_resource::{Algorithm, Guard, TrustedIssuer};
//!
//! let keycloak = TrustedIssuer::new("https://login.example/realms/photos")
//!     .algorithms(&[Algorithm::RS256])
//!     .plain_jwts();
//! let guard = Guard::builder(keycloak, "https://photos.example").build()?;
//! # Ok::<(), keystile_resource::BuildError>(())
//! ```
//!
//! # What a route asks for
//!
//! [`Guard::require`] asks for scopes, [`Guard::require_detail`] for authorization details (RFC
//! 9396), [`Guard::require_acr`] and [`Guard::require_max_age`] for a login that is strong or late
//! enough (RFC 9470). Each gives a stricter guard for a route, inside the plain one or alone.
//!
//! # What is refused
//!
//! | what came | answer |
//! | --- | --- |
//! | no credentials, or another scheme than `Bearer` and `DPoP` | 401, no `error` (RFC 6750 section 3.1) |
//! | two `Authorization` headers, a malformed or oversize one, a token in query or form | 400 `invalid_request` |
//! | a token that is not believed: [`AccessTokenError`] says why | 401 `invalid_token` |
//! | a DPoP proof that is not believed, or came before | 401 `invalid_dpop_proof` |
//! | a DPoP proof without a nonce of ours, where [nonces](GuardBuilder::dpop_nonces) are given out | 401 `use_dpop_nonce`, with `DPoP-Nonce` |
//! | a good token that does not allow this | 403 `insufficient_scope`, with `scope` |
//! | a good token whose user has to be authenticated again, or better | 401 `insufficient_user_authentication`, with `acr_values` and `max_age` |
//! | anything, while the issuer is needed and does not answer | 503 with `Retry-After` |
//!
//! # The issuer's keys
//!
//! They are fetched at the first request: metadata (RFC 8414, else OpenID Connect Discovery), then
//! the key set. They are fetched again behind a request when they are five minutes old, and once
//! when a token names a key that is not known, but not in a storm. While the issuer is away, the
//! keys that are there go on serving: an API does not fall with its issuer.
//!
//! # Revocation
//!
//! A JWT is good until it expires, whatever happens to its grant: keep its life short, or ask.
//! With [`Introspection::jwts_too`] no request passes by an answer whose question is older than
//! [`Introspection::at_most_stale`]. That is the bound on how long a revoked token passes, and the
//! price is one question for each token in use in half of that time; while the issuer is away none
//! passes longer than the bound.
//!
//! # For clients that know nothing but the API's address
//!
//! [`Guard::announced`] serves the API's metadata (RFC 9728) and names them in each challenge: from
//! there a client finds the issuer. [`Guard::protect`] does this and guards all routes, which is
//! what the Model Context Protocol asks of a server:
//!
//! ```
//! # use axum::{Router, routing::post};
//! # use keystile_resource::Guard;
//! # let (issuer, tools) = ("https://login.example", Router::<()>::new());
//! let app = Guard::builder(issuer, "https://tools.example/mcp").build()?.protect(tools, "tools:run")?;
//! # Ok::<(), keystile_resource::BuildError>(())
//! ```
//!
//! A browser asks before it calls another origin (`OPTIONS`), without a token: put your CORS layer
//! around the guard.
//!
//! # Tokens that are bound to a certificate
//!
//! Whoever ends TLS before the guard says which certificate the connection came with: your own
//! listener, by a [`ClientCertificate`] in the request's extensions, or a proxy by the header of
//! RFC 9440 ([`GuardBuilder::client_certificates_from`]). For a proxy with a header of its own:
//!
//! ```
//! use axum::extract::Request;
//! use keystile_resource::ClientCertificate;
//!
//! /// Only behind a proxy that removes this header from what comes in.
//! fn tell(mut request: Request) -> Request {
//!     let header = request.headers().get("x-client-cert");
//!     let certificate = header.map(|value| ClientCertificate::from_header(value.as_bytes()));
//!     if let Some(Ok(certificate)) = certificate {
//!         request.extensions_mut().insert(certificate);
//!     }
//!     request
//! }
//! ```
//!
//! # Several processes of one API
//!
//! Each remembers the DPoP proofs that it saw, for the minute in which they are good; another
//! process does not know them, so that a stolen proof is good once at each. With
//! [`GuardBuilder::dpop_nonces`] it is good at the process that gave its nonce, and nowhere else.
//! Answers about tokens are remembered by each process too.
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

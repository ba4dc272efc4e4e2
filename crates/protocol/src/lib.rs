//! The words of OAuth 2.1 and OpenID Connect that all three parties share.
//!
//! Nothing here reads a clock, a file, a socket or the environment: time and randomness arrive as
//! arguments. The one exception is the randomness that an algorithm needs inside itself (a signature,
//! RSA-OAEP), and the making of a key, also of one for a single encryption: these stay with the
//! cryptographic library.

pub mod access_token;
pub mod authorization_details;
pub mod client_assertion;
pub mod client_certificate;
pub mod dpop;
pub mod encoding;
pub mod error;
pub mod jose;
pub mod jwt_bearer;
pub mod logout_token;
pub mod messages;
pub mod params;
pub mod recent_proofs;
pub mod redirect_uri;
pub mod seal;
pub mod time;
pub mod token_exchange;
pub mod values;

pub use authorization_details::AuthorizationDetails;
pub use client_certificate::{ClientCertificate, ClientCertificateError};
pub use error::{ErrorCode, ProtocolError};
pub use params::{ParamError, Params};
pub use redirect_uri::RedirectUri;
pub use time::Timestamp;
pub use values::{
    ClientId, CodeChallenge, CodeVerifier, Issuer, Nonce, Scope, Secret, State, ValueError,
};

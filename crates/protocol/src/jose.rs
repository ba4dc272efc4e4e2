//! JSON Web Keys, compact JSON Web Signatures and compact JSON Web Encryption (RFC 7515 to 7518,
//! 8037), over aws-lc-rs.
//!
//! Signing, verifying, encrypting and decrypting alone: which key, which algorithm and which claims
//! are right is for the caller to decide. `none`, symmetric signatures and critical extensions do
//! not exist here.

mod algorithm;
pub mod encryption;
mod jwk;
mod signing;
mod thumbprint;
mod verifying;

pub use algorithm::Algorithm;
pub use jwk::{Jwk, JwkSet};
pub use signing::{GeneratedKey, SigningKey};
pub use thumbprint::Thumbprint;
pub use verifying::{Header, KeySet, SignedToken, VerifyingKey};

/// Why a token or key was refused. The texts hold nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Not three base64url parts with JSON in the first.
    #[error("it is not a compact JWS (RFC 7515 section 7.1)")]
    Malformed,
    /// Over the bound, in bytes.
    #[error("it is {0} bytes long, more than is taken")]
    TooLong(usize),
    /// An algorithm that is unknown here or not allowed there.
    #[error("its algorithm '{0}' is not one that is allowed")]
    Algorithm(String),
    /// A `crit` or `b64` header (RFC 7515 section 4.1.11, RFC 7797).
    #[error(
        "its header has critical extensions, which are not supported (RFC 7515 section 4.1.11)"
    )]
    Critical,
    /// The header names a key that is not in the set.
    #[error("it is signed with the key '{0}', which is not in the key set")]
    UnknownKey(String),
    /// The signature does not verify.
    #[error("its signature is wrong")]
    Signature,
    /// Not five base64url parts with a JWE's header in the first.
    #[error("it is not a compact JWE (RFC 7516 section 7.1)")]
    NotEncrypted,
    /// A `zip` header (RFC 7516 section 4.1.3): what is compressed beside a secret tells of it.
    #[error("it is compressed ('zip'), which is not supported")]
    Compressed,
    /// The header names a key that the reader has not, or there is none for its algorithm.
    #[error("it is encrypted to the key '{0}', which the recipient does not have")]
    UnknownRecipient(String),
    /// Whatever went wrong while decrypting: more would help whoever guesses (RFC 7516 section
    /// 11.5).
    #[error("it cannot be decrypted")]
    Decryption,
    /// What is encrypted is to be a signed JWT and does not say that it is one.
    #[error("its header has no \"cty\": \"JWT\", so it holds no signed JWT (RFC 7519 section 5.2)")]
    NotNested,
    /// A key that does not fit its algorithm, or is broken.
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    /// The payload is not the JSON that was expected.
    #[error("its claims cannot be read: {0}")]
    Claims(String),
}

//! JSON Web Keys and compact JSON Web Signatures (RFC 7515, 7517, 7518, 8037), over aws-lc-rs.
//!
//! Signing and verifying alone: which key, which algorithm and which claims are right is for the
//! caller to decide. `none`, symmetric algorithms and critical extensions do not exist here.

mod algorithm;
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
    /// A key that does not fit its algorithm, or is broken.
    #[error("the key cannot be used: {0}")]
    Key(&'static str),
    /// The payload is not the JSON that was expected.
    #[error("its claims cannot be read: {0}")]
    Claims(String),
}

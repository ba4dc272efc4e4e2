use std::fmt;

use serde::{Deserialize, Serialize};

use super::Jwk;
use crate::encoding::{base64url, from_base64url, sha256};
use crate::values::ValueError;

/// A SHA-256 thumbprint: what a token says of what it is bound to. Of a public key (RFC 7638) it is
/// `jkt` (RFC 9449 section 6.1), of a certificate `x5t#S256` (RFC 8705 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of a key.
    pub fn of(key: &Jwk) -> Self {
        Self(key.thumbprint_digest())
    }

    /// The thumbprint of a certificate, which is DER.
    pub fn of_certificate(der: &[u8]) -> Self {
        Self(sha256(der))
    }

    /// The one of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&str> for Thumbprint {
    type Error = ValueError;
    fn try_from(text: &str) -> Result<Self, ValueError> {
        from_base64url(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(
            ValueError::Other("it is not the 43 base64url characters of a SHA-256 (RFC 7638)"),
        )
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.as_str().try_into()
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(self.0))
    }
}

//! Compact JSON Web Encryption (RFC 7516, RFC 7518 sections 4 and 5): to whom, by which algorithms,
//! and back.
//!
//! What does not exist here: RSA with the old padding or SHA-1, keys made of passwords (PBES2),
//! compression, critical extensions, several recipients. A key belongs to one kind of algorithm by
//! its type, so that a header cannot have it used for another.

mod agreement;
mod algorithms;
mod content;
mod decrypting;
mod decryption_key;
mod encrypting;

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, UnparsedPublicKey};
use zeroize::Zeroizing;

pub use algorithms::{ContentEncryption, Encryption, KeyManagement};
pub use decrypting::{EncryptedToken, Recipient};
pub use decryption_key::{DecryptionKey, GeneratedDecryptionKey, KeyType};
pub use encrypting::{EncryptionKey, RANDOM};

use crate::encoding::from_base64url;
use crate::jose::{JoseError, Jwk};

/// A content encryption key, or a key that wraps one.
type KeyBytes = Zeroizing<Vec<u8>>;

/// A key that both sides make of a client secret, for `dir` (OpenID Connect Core 1.0 section
/// 10.2).
#[derive(Clone, PartialEq, Eq)]
pub struct SharedKey(Zeroizing<[u8; 32]>);

impl SharedKey {
    /// Of the secret's SHA-256. "The left truncated SHA-2 hash of the octets of the UTF-8
    /// representation of the client_secret"; SHA-256 serves keys up to its own length, and no
    /// content encryption here has a longer one.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(Zeroizing::new(digest))
    }

    fn for_content(&self, enc: ContentEncryption) -> KeyBytes {
        Zeroizing::new(self.0[..enc.key_bytes()].to_vec())
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey")
    }
}

/// The uncompressed point of a P-256 key, which is on the curve.
fn p256_point(jwk: &Jwk) -> Result<[u8; 65], JoseError> {
    if (jwk.kty.as_str(), jwk.crv.as_deref()) != ("EC", Some("P-256")) {
        return Err(JoseError::Key("it is not a key of P-256"));
    }
    let mut point = [4; 65];
    for (member, half) in [(&jwk.x, 1), (&jwk.y, 33)] {
        let bytes = member.as_deref().and_then(from_base64url);
        let bytes = bytes.filter(|bytes| bytes.len() == 32);
        let bytes = bytes.ok_or(JoseError::Key("a coordinate does not have 32 bytes"))?;
        point[half..half + 32].copy_from_slice(&bytes);
    }
    ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, point))
        .map_err(|_| JoseError::Key("it is not a point of P-256"))?;
    Ok(point)
}

#[cfg(test)]
mod tests;

//! Keys that two sides agree on (RFC 7518 section 4.6).

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek};
use zeroize::Zeroizing;

use super::{Encryption, KeyBytes, KeyManagement};

/// What is agreed on besides the secret: who the two are, where they say so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parties<'a> {
    /// `apu`, decoded.
    pub(super) producer: &'a [u8],
    /// `apv`, decoded.
    pub(super) recipient: &'a [u8],
}

/// The key that the owner of `mine` and the owner of `theirs` agree on: the content encryption key
/// itself, or the one that wraps it.
pub(super) fn agreed(
    mine: &PrivateKey,
    theirs: &[u8; 65],
    encryption: Encryption,
    parties: Parties<'_>,
) -> Result<KeyBytes, Unspecified> {
    let theirs = UnparsedPublicKey::new(&ECDH_P256, theirs);
    agree(mine, theirs, Unspecified, |secret| derived(secret, encryption, parties))
}

/// The Concat KDF (RFC 7518 section 4.6.2, NIST SP 800-56A section 5.8.1): SHA-256 over a
/// counter, the secret, and who uses the key for what.
pub(super) fn derived(
    secret: &[u8],
    encryption: Encryption,
    parties: Parties<'_>,
) -> Result<KeyBytes, Unspecified> {
    // The key is named after what it is used with: the content encryption, or the wrapping.
    let (name, length): (&str, u32) = match (encryption.alg, kek_bytes(encryption.alg)) {
        (wrapped, Some(length)) => (wrapped.as_str(), length),
        (_, None) => (encryption.enc.as_str(), length_of(encryption.enc.key_bytes())?),
    };
    let mut info = Vec::new();
    for part in [name.as_bytes(), parties.producer, parties.recipient] {
        info.extend(length_of(part.len())?.to_be_bytes());
        info.extend(part);
    }
    info.extend((length * 8).to_be_bytes());
    let mut key = Zeroizing::new(vec![0; length as usize]);
    let sha256 = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256).ok_or(Unspecified)?;
    sskdf_digest(sha256, secret, &info, &mut key)?;
    Ok(key)
}

fn length_of(bytes: usize) -> Result<u32, Unspecified> {
    u32::try_from(bytes).map_err(|_| Unspecified)
}

/// How long a key is that wraps another; none where the agreed key is used directly.
fn kek_bytes(alg: KeyManagement) -> Option<u32> {
    match alg {
        KeyManagement::EcdhEsA128Kw => Some(16),
        KeyManagement::EcdhEsA256Kw => Some(32),
        KeyManagement::RsaOaep256 | KeyManagement::EcdhEs | KeyManagement::Dir => None,
    }
}

/// Whether the agreed key wraps another one.
pub(super) fn wraps(alg: KeyManagement) -> bool {
    kek_bytes(alg).is_some()
}

fn kek(key: &[u8]) -> Result<AesKek, Unspecified> {
    AesKek::new(if key.len() == 16 { &AES_128 } else { &AES_256 }, key)
}

/// `key` wrapped (RFC 3394).
pub(super) fn wrap(agreed: &[u8], key: &[u8]) -> Result<Vec<u8>, Unspecified> {
    use aws_lc_rs::key_wrap::KeyWrap;
    let mut wrapped = vec![0; key.len() + 8];
    kek(agreed)?.wrap(key, &mut wrapped)?;
    Ok(wrapped)
}

/// What was wrapped.
pub(super) fn unwrap(agreed: &[u8], wrapped: &[u8]) -> Result<KeyBytes, Unspecified> {
    use aws_lc_rs::key_wrap::KeyWrap;
    // AES key wrap adds eight bytes.
    let length = wrapped.len().checked_sub(8).ok_or(Unspecified)?;
    let mut key = Zeroizing::new(vec![0; length]);
    kek(agreed)?.unwrap(wrapped, &mut key)?;
    Ok(key)
}

//! Content encryption (RFC 7518 sections 5.2 and 5.3).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;

use super::ContentEncryption;
use crate::encoding::{equal_in_constant_time, hmac_sha256};

/// All tags here have this many bytes.
pub(super) const TAG: usize = 16;

/// The ciphertext and its tag.
pub(super) fn encrypt(
    enc: ContentEncryption,
    key: &[u8],
    iv: &[u8],
    authenticated: &[u8],
    plain: &[u8],
) -> Result<(Vec<u8>, Vec<u8>), Unspecified> {
    let mut text = plain.to_vec();
    if enc == ContentEncryption::A128CbcHs256 {
        let (mac_key, cipher_key) = halves(key)?;
        let context = EncryptionContext::Iv128(iv.try_into()?);
        let cipher_key = UnboundCipherKey::new(&AES_128, cipher_key)?;
        PaddedBlockEncryptingKey::cbc_pkcs7(cipher_key)?.less_safe_encrypt(&mut text, context)?;
        let tag = cbc_tag(mac_key, authenticated, iv, &text).to_vec();
        return Ok((text, tag));
    }
    let (key, nonce) = (gcm(enc, key)?, Nonce::try_assume_unique_for_key(iv)?);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(authenticated), &mut text)?;
    Ok((text, tag.as_ref().to_vec()))
}

/// The plain text, if everything is as it was encrypted. The tag is compared before anything is
/// decrypted, so that no padding is looked at that nobody with the key has written.
pub(super) fn decrypt(
    enc: ContentEncryption,
    key: &[u8],
    iv: &[u8],
    authenticated: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    // A shorter tag would be easier to guess.
    if tag.len() != TAG || iv.len() != enc.iv_bytes() || key.len() != enc.key_bytes() {
        return Err(Unspecified);
    }
    let mut text = ciphertext.to_vec();
    if enc == ContentEncryption::A128CbcHs256 {
        let (mac_key, cipher_key) = halves(key)?;
        if !equal_in_constant_time(&cbc_tag(mac_key, authenticated, iv, ciphertext), tag) {
            return Err(Unspecified);
        }
        let context = DecryptionContext::Iv128(iv.try_into()?);
        let cipher_key = UnboundCipherKey::new(&AES_128, cipher_key)?;
        let cipher_key = PaddedBlockDecryptingKey::cbc_pkcs7(cipher_key)?;
        let length = cipher_key.decrypt(&mut text, context)?.len();
        text.truncate(length);
        return Ok(text);
    }
    text.extend(tag);
    let (key, nonce) = (gcm(enc, key)?, Nonce::try_assume_unique_for_key(iv)?);
    let length = key.open_in_place(nonce, Aad::from(authenticated), &mut text)?.len();
    text.truncate(length);
    Ok(text)
}

fn gcm(enc: ContentEncryption, key: &[u8]) -> Result<LessSafeKey, Unspecified> {
    let algorithm = match enc {
        ContentEncryption::A128Gcm => &AES_128_GCM,
        ContentEncryption::A256Gcm => &AES_256_GCM,
        ContentEncryption::A128CbcHs256 => return Err(Unspecified),
    };
    Ok(LessSafeKey::new(UnboundKey::new(algorithm, key)?))
}

/// The first half of the key is for the MAC, the second for the cipher (section 5.2.2.1).
fn halves(key: &[u8]) -> Result<(&[u8], &[u8]), Unspecified> {
    key.split_at_checked(16).ok_or(Unspecified)
}

fn cbc_tag(mac_key: &[u8], authenticated: &[u8], iv: &[u8], ciphertext: &[u8]) -> [u8; TAG] {
    // The length in bits stands behind, so that the parts cannot be shifted against each other.
    let bits = (authenticated.len() as u64 * 8).to_be_bytes();
    let mac = hmac_sha256(mac_key, &[authenticated, iv, ciphertext, &bits]);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&mac[..TAG]);
    tag
}

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::agreement::{Parties, agreed, unwrap, wraps};
use super::{
    ContentEncryption, DecryptionKey, Encryption, KeyBytes, KeyManagement, SharedKey, content,
    p256_point,
};
use crate::encoding::from_base64url;
use crate::jose::verifying::shown;
use crate::jose::{JoseError, Jwk};

/// A token longer than this is refused unread, in bytes.
const TOKEN_AT_MOST: usize = 16 * 1024;
/// A header longer than this is refused unread, in bytes of base64url.
const HEADER_AT_MOST: usize = 4 * 1024;
/// Keys that are tried where the header names none.
const KEYS_AT_MOST: usize = 8;

/// The protected header of a JWE, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    enc: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    cty: Option<String>,
    #[serde(default)]
    epk: Option<serde_json::Value>,
    #[serde(default)]
    apu: Option<String>,
    #[serde(default)]
    apv: Option<String>,
    #[serde(default)]
    zip: Option<IgnoredAny>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

/// A compact JWE that has been taken apart and not yet decrypted.
pub struct EncryptedToken<'a> {
    kid: Option<String>,
    cty: Option<String>,
    encryption: Encryption,
    ephemeral: Option<Ephemeral>,
    authenticated: &'a str,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

/// The sender's half of an agreement.
struct Ephemeral {
    point: [u8; 65],
    producer: Vec<u8>,
    recipient: Vec<u8>,
}

/// Who reads a token: its private keys, and the keys that it shares with the sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recipient<'a> {
    /// For every algorithm but `dir`.
    pub keys: &'a [DecryptionKey],
    /// For `dir`.
    pub shared: &'a [SharedKey],
}

impl<'a> EncryptedToken<'a> {
    /// Whether the text has the form of a compact JWE rather than of a JWS (RFC 7516 section 9).
    pub fn is_one(text: &str) -> bool {
        text.bytes().filter(|&byte| byte == b'.').count() == 4
    }

    /// Takes a token apart. Refused here: other forms, unknown algorithms, critical extensions,
    /// compression, an ephemeral key that is none of P-256.
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        if token.len() > TOKEN_AT_MOST {
            return Err(JoseError::TooLong(token.len()));
        }
        let mut parts = token.split('.');
        let parts: [&str; 5] = std::array::from_fn(|_| parts.next().unwrap_or("?"));
        if !Self::is_one(token) || parts[0].len() > HEADER_AT_MOST {
            return Err(JoseError::NotEncrypted);
        }
        let bytes = |part: &str| from_base64url(part).ok_or(JoseError::NotEncrypted);
        let header: Header =
            serde_json::from_slice(&bytes(parts[0])?).map_err(|_| JoseError::NotEncrypted)?;
        if header.crit.is_some() {
            return Err(JoseError::Critical);
        }
        if header.zip.is_some() {
            return Err(JoseError::Compressed);
        }
        let unknown = |name: &str| JoseError::Algorithm(shown(name));
        let alg = KeyManagement::from_name(&header.alg).ok_or_else(|| unknown(&header.alg))?;
        let enc = ContentEncryption::from_name(&header.enc).ok_or_else(|| unknown(&header.enc))?;
        let encrypted_key = bytes(parts[1])?;
        let has_key = wraps(alg) || alg == KeyManagement::RsaOaep256;
        if encrypted_key.is_empty() == has_key {
            return Err(JoseError::NotEncrypted);
        }
        Ok(Self {
            ephemeral: ephemeral(alg, &header)?,
            kid: header.kid,
            cty: header.cty,
            encryption: Encryption { alg, enc },
            authenticated: parts[0],
            encrypted_key,
            iv: bytes(parts[2])?,
            ciphertext: bytes(parts[3])?,
            tag: bytes(parts[4])?,
        })
    }

    /// The algorithms that the header names.
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// Decrypts with the one key that the header names (or, without a name, with each that fits).
    /// `random` stands in for a content encryption key that could not be had, so that nothing tells
    /// what was wrong (RFC 7516 section 11.5).
    pub fn decrypt(
        &self,
        recipient: Recipient<'_>,
        allowed: &[KeyManagement],
        random: [u8; 32],
    ) -> Result<Vec<u8>, JoseError> {
        let Encryption { alg, enc } = self.encryption;
        if !allowed.contains(&alg) {
            return Err(JoseError::Algorithm(alg.as_str().into()));
        }
        if alg == KeyManagement::Dir {
            let keys = recipient.shared.iter().map(|key| key.for_content(enc));
            return self.opened(keys);
        }
        let random = Zeroizing::new(random);
        let named = |key: &&DecryptionKey| {
            key.can(alg) && self.kid.as_deref().is_none_or(|kid| kid == key.kid())
        };
        let keys = recipient.keys.iter().filter(named).take(KEYS_AT_MOST);
        self.opened(keys.map(|key| {
            self.content_key(key)
                .filter(|key| key.len() == enc.key_bytes())
                .unwrap_or_else(|| Zeroizing::new(random[..enc.key_bytes()].to_vec()))
        }))
    }

    /// Decrypts a signed JWT (RFC 7519 section 5.2), which nobody has verified yet.
    pub fn decrypt_jwt(
        &self,
        recipient: Recipient<'_>,
        allowed: &[KeyManagement],
        random: [u8; 32],
    ) -> Result<String, JoseError> {
        if !self.cty.as_deref().is_some_and(|cty| cty.eq_ignore_ascii_case("JWT")) {
            return Err(JoseError::NotNested);
        }
        let plain = self.decrypt(recipient, allowed, random)?;
        String::from_utf8(plain).map_err(|_| JoseError::Malformed)
    }

    fn opened(&self, keys: impl Iterator<Item = KeyBytes>) -> Result<Vec<u8>, JoseError> {
        let mut keys = keys.peekable();
        if keys.peek().is_none() {
            let kid = self.kid.as_deref().unwrap_or("(none named)");
            return Err(JoseError::UnknownRecipient(shown(kid)));
        }
        let (enc, authenticated) = (self.encryption.enc, self.authenticated.as_bytes());
        let Self { iv, ciphertext, tag, .. } = self;
        keys.find_map(|key| content::decrypt(enc, &key, iv, authenticated, ciphertext, tag).ok())
            .ok_or(JoseError::Decryption)
    }

    fn content_key(&self, key: &DecryptionKey) -> Option<KeyBytes> {
        let Some(ephemeral) = &self.ephemeral else {
            return key.decrypt_key(&self.encrypted_key).ok();
        };
        let parties = Parties { producer: &ephemeral.producer, recipient: &ephemeral.recipient };
        let agreed = agreed(key.agreeing()?, &ephemeral.point, self.encryption, parties).ok()?;
        if wraps(self.encryption.alg) {
            unwrap(&agreed, &self.encrypted_key).ok()
        } else {
            Some(agreed)
        }
    }
}

/// The ephemeral key and the names of the parties (RFC 7518 section 4.6.1), for the algorithms that
/// have them.
fn ephemeral(alg: KeyManagement, header: &Header) -> Result<Option<Ephemeral>, JoseError> {
    if matches!(alg, KeyManagement::RsaOaep256 | KeyManagement::Dir) {
        return Ok(None);
    }
    let epk = header.epk.as_ref().ok_or(JoseError::Key("the header has no 'epk'"))?;
    let name = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        from_base64url(text).ok_or(JoseError::NotEncrypted)
    };
    Ok(Some(Ephemeral {
        point: p256_point(&Jwk::public_alone(epk)?)?,
        producer: name(&header.apu)?,
        recipient: name(&header.apv)?,
    }))
}

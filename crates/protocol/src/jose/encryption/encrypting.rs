use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::agreement::{Parties, agreed, wrap, wraps};
use super::{
    ContentEncryption, Encryption, KeyBytes, KeyManagement, SharedKey, content, p256_point,
};
use crate::Issuer;
use crate::encoding::{base64url, from_base64url};
use crate::jose::jwk::p256_jwk;
use crate::jose::{JoseError, Jwk};

/// Random bytes that one encryption takes: a key and an initialization vector.
pub const RANDOM: usize = 32 + 16;

/// The key of whoever is to read something, for one key management algorithm.
pub struct EncryptionKey {
    alg: KeyManagement,
    kid: Option<String>,
    material: Material,
}

enum Material {
    Rsa(OaepPublicEncryptingKey),
    P256([u8; 65]),
    Shared(SharedKey),
}

#[derive(Serialize)]
struct HeaderToEncrypt<'a> {
    alg: KeyManagement,
    enc: ContentEncryption,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cty: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<Jwk>,
}

impl EncryptionKey {
    /// Takes the public key of somebody else for that algorithm. A key for signatures, for another
    /// algorithm, of another curve, or too short is refused.
    pub fn from_jwk(jwk: &Jwk, alg: KeyManagement) -> Result<Self, JoseError> {
        let for_encryption = jwk.public_key_use.as_deref().is_none_or(|used| used == "enc");
        if !for_encryption || !operations_allow(jwk, alg) {
            return Err(JoseError::Key("it is not for encryption"));
        }
        if jwk.alg.as_deref().is_some_and(|only| only != alg.as_str()) {
            return Err(JoseError::Key("it is for another algorithm"));
        }
        let material = match alg {
            KeyManagement::RsaOaep256 => Material::Rsa(rsa(jwk)?),
            KeyManagement::Dir => return Err(JoseError::Key("'dir' has no public key")),
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => {
                Material::P256(p256_point(jwk)?)
            }
        };
        Ok(Self { alg, kid: jwk.kid.clone(), material })
    }

    /// A key that the reader has already (`dir`).
    pub fn shared(key: SharedKey) -> Self {
        Self { alg: KeyManagement::Dir, kid: None, material: Material::Shared(key) }
    }

    /// Encrypts a signed JWT: a nested JWT (RFC 7519 section 5.2). `issuer` is told to whoever sees
    /// the header too (section 5.3).
    pub fn encrypt_jwt(
        &self,
        enc: ContentEncryption,
        jwt: &str,
        issuer: Option<&Issuer>,
        random: [u8; RANDOM],
    ) -> Result<String, JoseError> {
        let contents = Contents { cty: Some("JWT"), issuer, plain: jwt.as_bytes() };
        self.encrypt(enc, contents, random)
    }

    /// Encrypts claims that nobody has signed.
    pub fn encrypt_claims(
        &self,
        enc: ContentEncryption,
        claims: &impl Serialize,
        random: [u8; RANDOM],
    ) -> Result<String, JoseError> {
        let plain = serde_json::to_vec(claims).map_err(|e| JoseError::Claims(e.to_string()))?;
        self.encrypt(enc, Contents { cty: None, issuer: None, plain: &plain }, random)
    }

    fn encrypt(
        &self,
        enc: ContentEncryption,
        contents: Contents<'_>,
        random: [u8; RANDOM],
    ) -> Result<String, JoseError> {
        let random = Zeroizing::new(random);
        let (key, iv) = random.split_at(32);
        let cek = &key[..enc.key_bytes()];
        let failed = |_: Unspecified| JoseError::Key("nothing could be encrypted to it");
        let sent = self.sent(enc, cek).map_err(failed)?;
        let kid = self.kid.as_deref();
        let Contents { cty, issuer, plain } = contents;
        let iss = issuer.map(Issuer::as_str);
        let header = HeaderToEncrypt { alg: self.alg, enc, kid, cty, iss, epk: sent.ephemeral };
        let header = serde_json::to_vec(&header).map_err(|e| JoseError::Claims(e.to_string()))?;
        let header = base64url(header);
        let iv = &iv[..enc.iv_bytes()];
        let authenticated = header.as_bytes();
        let (text, tag) =
            content::encrypt(enc, &sent.cek, iv, authenticated, plain).map_err(failed)?;
        let parts = [base64url(sent.encrypted_key), base64url(iv), base64url(text), base64url(tag)];
        Ok(format!("{header}.{}", parts.join(".")))
    }

    /// How the content encryption key gets to its reader. `random` is that key where it may be
    /// chosen.
    fn sent(&self, enc: ContentEncryption, random: &[u8]) -> Result<Sent, Unspecified> {
        let cek = Zeroizing::new(random.to_vec());
        let nothing = Vec::new();
        Ok(match &self.material {
            Material::Shared(key) => {
                Sent { cek: key.for_content(enc), encrypted_key: nothing, ephemeral: None }
            }
            Material::Rsa(key) => {
                let mut encrypted_key = vec![0; key.ciphertext_size()];
                key.encrypt(&OAEP_SHA256_MGF1SHA256, &cek, &mut encrypted_key, None)?;
                Sent { cek, encrypted_key, ephemeral: None }
            }
            Material::P256(theirs) => {
                let mine = PrivateKey::generate(&ECDH_P256)?;
                let ephemeral = p256_jwk(mine.compute_public_key()?.as_ref());
                let ephemeral = Some(ephemeral.map_err(|_| Unspecified)?);
                let encryption = Encryption { alg: self.alg, enc };
                let agreed = agreed(&mine, theirs, encryption, Parties::default())?;
                if wraps(self.alg) {
                    let encrypted_key = wrap(&agreed, &cek)?;
                    Sent { cek, encrypted_key, ephemeral }
                } else {
                    Sent { cek: agreed, encrypted_key: nothing, ephemeral }
                }
            }
        })
    }
}

/// What is encrypted, and what its header says of it.
struct Contents<'a> {
    cty: Option<&'static str>,
    issuer: Option<&'a Issuer>,
    plain: &'a [u8],
}

struct Sent {
    cek: KeyBytes,
    encrypted_key: Vec<u8>,
    ephemeral: Option<Jwk>,
}

/// `key_ops` (RFC 7517 section 4.3), where the key has it.
fn operations_allow(jwk: &Jwk, alg: KeyManagement) -> bool {
    let Some(operations) = &jwk.key_ops else { return true };
    let has = |name: &str| operations.iter().any(|one| one == name);
    match alg {
        KeyManagement::RsaOaep256 => has("encrypt") || has("wrapKey"),
        // Web Cryptography has no operation for the public half of such a key.
        _ => operations.is_empty() || has("deriveKey") || has("deriveBits"),
    }
}

fn rsa(jwk: &Jwk) -> Result<OaepPublicEncryptingKey, JoseError> {
    let part = |part: &Option<String>| part.as_deref().and_then(from_base64url);
    let (Some(n), Some(e), "RSA") = (part(&jwk.n), part(&jwk.e), jwk.kty.as_str()) else {
        return Err(JoseError::Key("it is not an RSA key"));
    };
    if n.len() < 256 || n.len() > 1024 {
        return Err(JoseError::Key("an RSA key has 2,048 to 8,192 bits here"));
    }
    let refused = |_: Unspecified| JoseError::Key("it is not an RSA key");
    let key: PublicEncryptingKey = PublicKeyComponents { n, e }.try_into().map_err(refused)?;
    OaepPublicEncryptingKey::new(key).map_err(refused)
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({} {:?})", self.alg, self.kid)
    }
}

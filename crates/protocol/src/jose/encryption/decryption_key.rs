use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::RsaKeyPair;
use zeroize::Zeroizing;

use super::{KeyBytes, KeyManagement};
use crate::jose::jwk::{p256_jwk, rsa_jwk};
use crate::jose::signing::generated_rsa;
use crate::jose::{JoseError, Jwk};

/// The types of keys that decrypt: `kty` (RFC 7518 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// An RSA key, for RSA-OAEP-256.
    Rsa,
    /// A key of P-256, for ECDH-ES, with or without a wrapped key.
    Ec,
}

impl KeyType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ec, Self::Rsa];

    /// The name in key sets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ec => "EC",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key_type| key_type.as_str() == name)
    }
}

/// A private key that decrypts what was encrypted to its public half.
pub struct DecryptionKey {
    public: Jwk,
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(OaepPrivateDecryptingKey),
    P256(PrivateKey),
}

/// A new key in the form in which it is kept.
pub struct GeneratedDecryptionKey {
    /// PKCS #8 in DER: the private key, to be encrypted before it is stored.
    pub pkcs8: Vec<u8>,
    /// The key itself.
    pub key: DecryptionKey,
}

impl DecryptionKey {
    /// Makes a key. An RSA key (2,048 bits) takes about a tenth of a second.
    pub fn generate(key_type: KeyType) -> Result<GeneratedDecryptionKey, JoseError> {
        let failed = |_| JoseError::Key("the library could not make one");
        let pkcs8 = match key_type {
            KeyType::Rsa => generated_rsa()?,
            KeyType::Ec => {
                let pair = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                der.as_ref().to_vec()
            }
        };
        let key = Self::from_pkcs8(key_type, &pkcs8)?;
        Ok(GeneratedDecryptionKey { pkcs8, key })
    }

    /// Takes a key in PKCS #8, DER.
    pub fn from_pkcs8(key_type: KeyType, der: &[u8]) -> Result<Self, JoseError> {
        let words = "it is not a PKCS #8 key of this type";
        let (refused, failed) = (|_| JoseError::Key(words), |_| JoseError::Key(words));
        let (pair, public) = match key_type {
            KeyType::Rsa => {
                let public = rsa_jwk(&RsaKeyPair::from_pkcs8(der).map_err(refused)?);
                let pair = PrivateDecryptingKey::from_pkcs8(der).map_err(refused)?;
                let pair = OaepPrivateDecryptingKey::new(pair).map_err(failed)?;
                // The one algorithm that it is for; a P-256 key is for several.
                let alg = Some(KeyManagement::RsaOaep256.as_str().into());
                (Pair::Rsa(pair), Jwk { alg, ..public })
            }
            KeyType::Ec => {
                let pair = PrivateKey::from_private_key_der(&ECDH_P256, der).map_err(refused)?;
                let public = p256_jwk(pair.compute_public_key().map_err(failed)?.as_ref())?;
                (Pair::P256(pair), public)
            }
        };
        let kid = public.thumbprint();
        let public_key_use = Some("enc".into());
        let public = Jwk { kid: Some(kid.clone()), public_key_use, ..public };
        Ok(Self { public, kid, pair })
    }

    /// Its type.
    pub fn key_type(&self) -> KeyType {
        match self.pair {
            Pair::Rsa(_) => KeyType::Rsa,
            Pair::P256(_) => KeyType::Ec,
        }
    }

    /// Its name in headers and key sets: the thumbprint of its public half (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half, ready to be published.
    pub fn public(&self) -> &Jwk {
        &self.public
    }

    pub(super) fn can(&self, alg: KeyManagement) -> bool {
        match self.pair {
            Pair::Rsa(_) => alg == KeyManagement::RsaOaep256,
            Pair::P256(_) => !matches!(alg, KeyManagement::RsaOaep256 | KeyManagement::Dir),
        }
    }

    /// The pair, where it agrees on keys.
    pub(super) fn agreeing(&self) -> Option<&PrivateKey> {
        match &self.pair {
            Pair::Rsa(_) => None,
            Pair::P256(pair) => Some(pair),
        }
    }

    /// A key that was encrypted with RSA-OAEP-256.
    pub(super) fn decrypt_key(&self, encrypted: &[u8]) -> Result<KeyBytes, Unspecified> {
        let Pair::Rsa(pair) = &self.pair else { return Err(Unspecified) };
        let mut key = Zeroizing::new(vec![0; pair.min_output_size()]);
        let length = pair.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut key, None)?.len();
        key.truncate(length);
        Ok(key)
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({} {})", self.key_type().as_str(), self.kid)
    }
}

#[cfg(test)]
impl DecryptionKey {
    /// A key of P-256 under a name of its owner's choice.
    pub(super) fn of_p256(d: &[u8], kid: &str) -> Self {
        let pair = PrivateKey::from_private_key(&ECDH_P256, d).expect("a key");
        let public = p256_jwk(pair.compute_public_key().expect("a point").as_ref()).expect("one");
        Self { public, kid: kid.to_owned(), pair: Pair::P256(pair) }
    }
}

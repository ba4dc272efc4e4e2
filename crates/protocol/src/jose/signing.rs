use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use serde::Serialize;

use super::jwk::{p256_jwk, rsa_jwk};
use super::{Algorithm, JoseError, Jwk};
use crate::encoding::{base64url, base64url_onto};

mod private;

/// A private key that signs tokens.
pub struct SigningKey {
    algorithm: Algorithm,
    public: Jwk,
    kid: String,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A new key in the form in which it is kept.
pub struct GeneratedKey {
    /// PKCS #8 in DER: the private key, to be encrypted before it is stored.
    pub pkcs8: Vec<u8>,
    /// The key itself.
    pub key: SigningKey,
}

/// Bytes that claims seldom exceed.
const USUAL_CLAIMS: usize = 512;

#[derive(Serialize)]
struct HeaderToSign<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwk: Option<PublicHalf<'a>>,
}

/// What a key is, without its name and its use.
#[derive(Serialize)]
struct PublicHalf<'a>(#[serde(serialize_with = "bare")] &'a Jwk);

fn bare<S: serde::Serializer>(jwk: &Jwk, serializer: S) -> Result<S::Ok, S::Error> {
    Jwk { kid: None, alg: None, public_key_use: None, key_ops: None, ..jwk.clone() }
        .serialize(serializer)
}

impl SigningKey {
    /// Makes a key. An RSA key (2,048 bits) takes about a tenth of a second.
    pub fn generate(algorithm: Algorithm) -> Result<GeneratedKey, JoseError> {
        let failed = |_| JoseError::Key("the library could not make one");
        let pkcs8 = match algorithm {
            Algorithm::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Algorithm::EdDSA => Ed25519KeyPair::generate()
                .and_then(|pair| pair.to_pkcs8())
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Algorithm::RS256 | Algorithm::PS256 => generated_rsa()?,
        };
        let key = Self::from_pkcs8(algorithm, &pkcs8)?;
        Ok(GeneratedKey { pkcs8, key })
    }

    /// Takes a key in PKCS #8, DER.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, JoseError> {
        let refused = |_| JoseError::Key("it is not a PKCS #8 key for this algorithm");
        let (pair, mut public) = match algorithm {
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map_err(refused)?;
                let point = pair.public_key().as_ref().to_vec();
                (Pair::Ecdsa(pair), p256_jwk(&point)?)
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(refused)?;
                let x = base64url(pair.public_key().as_ref());
                (
                    Pair::Ed25519(pair),
                    Jwk {
                        kty: "OKP".into(),
                        crv: Some("Ed25519".into()),
                        x: Some(x),
                        ..Jwk::default()
                    },
                )
            }
            Algorithm::RS256 | Algorithm::PS256 => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(refused)?;
                let public = rsa_jwk(&pair);
                (Pair::Rsa(pair), public)
            }
        };
        let kid = public.thumbprint();
        public.kid = Some(kid.clone());
        public.alg = Some(algorithm.as_str().into());
        public.public_key_use = Some("sig".into());
        Ok(Self { algorithm, public, kid, pair })
    }

    /// What the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name in headers and key sets: the thumbprint of its public half (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half, ready to be published.
    pub fn public(&self) -> &Jwk {
        &self.public
    }

    /// Signs claims as a compact JWS with the header `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, JoseError> {
        let kid = Some(self.kid.as_str());
        self.sign_header(HeaderToSign { alg: self.algorithm.as_str(), typ, kid, jwk: None }, claims)
    }

    /// Signs claims with the public half of the key in the header, as DPoP proofs have it
    /// (RFC 9449 section 4.2).
    pub fn sign_with_jwk(&self, typ: &str, claims: &impl Serialize) -> Result<String, JoseError> {
        let jwk = Some(PublicHalf(&self.public));
        self.sign_header(HeaderToSign { alg: self.algorithm.as_str(), typ, kid: None, jwk }, claims)
    }

    fn sign_header(
        &self,
        header: HeaderToSign<'_>,
        claims: &impl Serialize,
    ) -> Result<String, JoseError> {
        let json = |e: serde_json::Error| JoseError::Claims(e.to_string());
        let mut part = Vec::with_capacity(USUAL_CLAIMS);
        let mut token = String::with_capacity(2 * USUAL_CLAIMS);
        serde_json::to_writer(&mut part, &header).map_err(json)?;
        base64url_onto(&part, &mut token);
        part.clear();
        serde_json::to_writer(&mut part, claims).map_err(json)?;
        token.push('.');
        base64url_onto(&part, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        base64url_onto(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let failed = |_| JoseError::Key("signing failed");
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => {
                // Half as much work around the signature as with the library's own digest.
                let digest = digest::digest(&digest::SHA256, message);
                Ok(pair.sign_digest(&digest).map_err(failed)?.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding =
                    if self.algorithm == Algorithm::PS256 {
                        &RSA_PSS_SHA256
                    } else {
                        &RSA_PKCS1_SHA256
                    };
                pair.sign(padding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm, self.kid)
    }
}

/// A new RSA key of 2,048 bits in PKCS #8, DER.
pub(super) fn generated_rsa() -> Result<Vec<u8>, JoseError> {
    let failed = |_| JoseError::Key("the library could not make one");
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    Ok(der.as_ref().to_vec())
}

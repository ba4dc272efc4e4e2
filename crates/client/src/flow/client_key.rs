use std::fmt;
use std::sync::Arc;

use keystile_protocol::jose::{Algorithm, JoseError, Jwk, SigningKey};
use serde_json::Value;

use crate::taint::Private;

/// The app's own private key: it proves who the app is (`private_key_jwt`) and signs its requests.
/// The server knows the public half, by registration or from the app's `jwks_uri`. Cheap to clone.
#[derive(Clone)]
pub struct ClientKey {
    key: Arc<SigningKey>,
    private: Private,
}

impl ClientKey {
    /// Makes a new one, which is gone with the process: see [`Self::from_file`] for one that stays.
    pub fn generate(algorithm: Algorithm) -> Result<Self, JoseError> {
        SigningKey::generate(algorithm).map(|made| Self::new(made.key, Private::of(&made.pkcs8)))
    }

    /// Takes a key in PEM: `BEGIN PRIVATE KEY`, which is PKCS #8. P-256 signs with ES256, Ed25519
    /// with EdDSA, RSA with PS256.
    pub fn from_pem(pem: &str) -> Result<Self, JoseError> {
        let der = super::pem::read(pem)?;
        SigningKey::from_any_pkcs8(&der).map(|key| Self::new(key, Private::of(&der)))
    }

    /// Takes a private JWK (RFC 7517). It keeps its `kid`; its `alg` says what an RSA key signs
    /// with.
    pub fn from_jwk(jwk: &Value) -> Result<Self, JoseError> {
        SigningKey::from_private_jwk(jwk).map(|key| Self::new(key, Private::of_jwk(jwk)))
    }

    fn new(key: SigningKey, private: Private) -> Self {
        Self { key: Arc::new(key), private }
    }

    /// What of it must not leave.
    pub(crate) fn private(&self) -> &Private {
        &self.private
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Its public half, as it is registered or published.
    pub fn public(&self) -> &Jwk {
        self.key.public()
    }

    pub(super) fn sign(&self, typ: &str, claims: &Value) -> Result<String, JoseError> {
        self.key.sign(typ, claims)
    }
}

impl PartialEq for ClientKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.public() == other.key.public()
    }
}

impl Eq for ClientKey {}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({} {})", self.algorithm(), self.key.kid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_pem_of_each_type_is_read_and_other_forms_are_told_how_to_become_one() {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
            let made = SigningKey::generate(algorithm).expect("made");
            let body = STANDARD.encode(&made.pkcs8);
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
            let key = ClientKey::from_pem(&pem).expect("read");
            assert_eq!((key.algorithm(), key.public()), (algorithm, made.key.public()));
            assert!(!format!("{key:?}").contains(&body[60..70]));
            let sec1 = pem.replace("PRIVATE KEY", "EC PRIVATE KEY");
            assert!(ClientKey::from_pem(&sec1).expect_err("SEC 1").to_string().contains("openssl"));
            let broken = pem.replace(&body[..20], "*");
            assert!(ClientKey::from_pem(&broken).is_err());
        }
        assert!(ClientKey::from_pem("").is_err());
    }
}

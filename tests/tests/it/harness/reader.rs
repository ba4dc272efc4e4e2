//! An app's key that decrypts, and what the server publishes for the other direction.

use keystile_protocol::encoding::from_base64url;
use keystile_protocol::jose::encryption::{
    DecryptionKey, EncryptedToken, KeyManagement, Recipient,
};
use keystile_protocol::jose::encryption::{Encryption, KeyType};
use keystile_protocol::jose::{Algorithm, Jwk, JwkSet, KeySet, SignedToken};
use serde_json::Value;

use super::Keystile;

/// An app that reads what is encrypted to it.
pub(crate) struct Reader(DecryptionKey);

impl Reader {
    pub(crate) fn new(key_type: KeyType) -> Self {
        Self(DecryptionKey::generate(key_type).unwrap().key)
    }

    pub(crate) fn jwk(&self) -> &Jwk {
        self.0.public()
    }

    /// What a token holds, which is encrypted to this key and so.
    pub(crate) fn open(&self, token: &str, encryption: Encryption) -> String {
        let recipient = Recipient { keys: std::slice::from_ref(&self.0), shared: &[] };
        let parsed = EncryptedToken::parse(token).unwrap();
        assert_eq!(parsed.encryption(), encryption);
        assert_eq!(header(token)["kid"], self.0.kid());
        let plain = parsed.decrypt(recipient, &KeyManagement::ALL, [0; 32]).unwrap();
        String::from_utf8(plain).unwrap()
    }

    /// The signed JWT that it holds.
    pub(crate) fn open_jwt(&self, token: &str, encryption: Encryption) -> String {
        assert_eq!(header(token)["cty"], "JWT", "RFC 7519 section 5.2");
        self.open(token, encryption)
    }
}

/// The header of a token.
pub(crate) fn header(token: &str) -> Value {
    serde_json::from_slice(&from_base64url(token.split('.').next().unwrap()).unwrap()).unwrap()
}

/// What the server publishes, once it has all its keys.
pub(crate) async fn published(server: &Keystile) -> JwkSet {
    server.wait_for_keys().await;
    reqwest::get(server.url("/jwks")).await.unwrap().json().await.unwrap()
}

/// The claims of a token, verified with the server's published keys.
pub(crate) async fn verified(server: &Keystile, token: &str, algorithm: Algorithm) -> Value {
    let keys = KeySet::from_jwks(&published(server).await);
    SignedToken::parse(token).unwrap().verify(&keys, &[algorithm]).unwrap()
}

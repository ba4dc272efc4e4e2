use std::fmt;
use std::sync::Arc;

use keystile_protocol::Secret;
use keystile_protocol::jose::encryption::{
    DecryptionKey, EncryptedToken, KeyManagement, KeyType, Recipient,
};
use keystile_protocol::jose::{JoseError, Jwk};

use super::pem;
use crate::taint::Private;

/// The app's own key for what is encrypted to it: ID tokens (OpenID Connect Core 1.0 section 10.2).
/// The server knows the public half. Cheap to clone.
#[derive(Clone)]
pub struct EncryptionKey {
    key: Arc<DecryptionKey>,
    private: Private,
}

impl EncryptionKey {
    /// Takes a key in PEM: `BEGIN PRIVATE KEY`, which is PKCS #8, of P-256 or RSA.
    pub fn from_pem(text: &str) -> Result<Self, JoseError> {
        let der = pem::read(text)?;
        KeyType::ALL
            .into_iter()
            .find_map(|key_type| DecryptionKey::from_pkcs8(key_type, &der).ok())
            .map(|key| Self { key: Arc::new(key), private: Private::of(&der) })
            .ok_or(JoseError::Key("it is not a PKCS #8 key of P-256 or RSA"))
    }

    /// Its public half, as it is registered or published.
    pub fn public(&self) -> &Jwk {
        self.key.public()
    }

    /// What of it must not leave.
    pub(crate) fn private(&self) -> &Private {
        &self.private
    }

    /// Decrypts an ID token, which nobody has verified yet: that is for
    /// [`super::check_id_token`]. `random` stands in for a key that could not be had, so that
    /// nothing tells what was wrong (RFC 7516 section 11.5).
    pub fn decrypt(&self, token: &Secret, random: [u8; 32]) -> Result<Secret, JoseError> {
        let parsed = EncryptedToken::parse(token.expose())?;
        let recipient = Recipient { keys: std::slice::from_ref(&self.key), shared: &[] };
        parsed.decrypt_jwt(recipient, &KeyManagement::TO_PUBLIC_KEYS, random).map(Secret::new)
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({})", self.key.kid())
    }
}

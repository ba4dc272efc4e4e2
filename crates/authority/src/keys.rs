//! The server's signing keys: one for each algorithm, kept encrypted, published as a key set.

use std::collections::BTreeMap;
use std::sync::Arc;

use keystile_protocol::Timestamp;
use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SigningKey};
use keystile_protocol::seal::Seals;

use crate::records::StoredKey;

const PURPOSE: &str = "signing-key";
/// Keys at rest outlive every epoch.
const NO_EPOCH: u64 = 0;

/// The keys that a node works with.
#[derive(Debug, Default)]
pub struct Keys {
    signing: BTreeMap<Algorithm, Arc<SigningKey>>,
    published: JwkSet,
    verifying: KeySet,
}

/// A stored key that the master keys at hand do not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the signing key '{0}' cannot be decrypted: is this the master key that the store was made \
     with?"
)]
pub struct KeyUnreadable(pub String);

impl Keys {
    /// Decrypts the stored keys. The newest of an algorithm signs; all are published.
    pub fn open(mut stored: Vec<StoredKey>, seals: &Seals) -> Result<Self, KeyUnreadable> {
        stored.sort_by_key(|key| key.created_at);
        let mut keys = Self::default();
        for key in stored {
            let unreadable = || KeyUnreadable(key.kid.clone());
            let pkcs8 =
                seals.open_bytes(PURPOSE, &key.sealed, NO_EPOCH).map_err(|_| unreadable())?;
            let opened = SigningKey::from_pkcs8(key.algorithm, &pkcs8).map_err(|_| unreadable())?;
            keys.published.keys.push(opened.public().clone());
            keys.signing.insert(key.algorithm, Arc::new(opened));
        }
        keys.verifying = KeySet::from_jwks(&keys.published);
        Ok(keys)
    }

    /// The key that signs with that algorithm now.
    pub fn signing(&self, algorithm: Algorithm) -> Option<&Arc<SigningKey>> {
        self.signing.get(&algorithm)
    }

    /// What `/jwks` says.
    pub fn published(&self) -> &JwkSet {
        &self.published
    }

    /// For tokens that come back to us.
    pub fn verifying(&self) -> &KeySet {
        &self.verifying
    }

    /// The algorithms for which there is no key yet.
    pub fn missing(&self) -> Vec<Algorithm> {
        let missing = |algorithm: &Algorithm| !self.signing.contains_key(algorithm);
        Algorithm::ALL.into_iter().filter(missing).collect()
    }
}

/// A new key in the form in which it is kept. `nonce` is 12 random bytes.
pub fn to_store(
    generated: keystile_protocol::jose::GeneratedKey,
    seals: &Seals,
    now: Timestamp,
    nonce: [u8; 12],
) -> StoredKey {
    StoredKey {
        kid: generated.key.kid().to_owned(),
        algorithm: generated.key.algorithm(),
        sealed: seals.seal_bytes(PURPOSE, generated.pkcs8, NO_EPOCH, now, nonce),
        created_at: now,
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::seal::MasterKey;

    use super::*;

    fn seals(secret: u8) -> Seals {
        Seals::new("https://login.example", vec![MasterKey { id: 1, secret: [secret; 32] }])
    }

    #[test]
    fn kept_keys_open_with_their_master_key_alone_and_the_newest_signs() {
        let stored: Vec<StoredKey> = [1, 2]
            .map(|at| {
                let key = SigningKey::generate(Algorithm::ES256).expect("generated");
                to_store(key, &seals(7), Timestamp::from_seconds(at), [1; 12])
            })
            .into();
        let keys = Keys::open(stored.clone(), &seals(7)).expect("readable");
        assert_eq!(keys.published().keys.len(), 2);
        let newest = keys.signing(Algorithm::ES256).expect("there is one");
        assert_eq!(newest.kid(), stored[1].kid);
        assert_eq!(keys.missing(), [Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256]);
        assert!(Keys::open(stored, &seals(8)).is_err());
    }
}

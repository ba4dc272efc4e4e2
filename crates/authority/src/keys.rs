//! The server's keys, kept encrypted, published as a key set: one for each algorithm that signs, and
//! one of each type that decrypts. No key does both.

use std::collections::BTreeMap;
use std::sync::Arc;

use keystile_protocol::Timestamp;
use keystile_protocol::jose::encryption::{DecryptionKey, GeneratedDecryptionKey, KeyType};
use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SigningKey};
use keystile_protocol::seal::Seals;

use crate::records::{StoredDecryptionKey, StoredKey};

const PURPOSE: &str = "signing-key";
const DECRYPTION: &str = "decryption-key";
/// Keys at rest outlive every epoch.
const NO_EPOCH: u64 = 0;

/// The keys that a node works with.
#[derive(Debug, Default)]
pub struct Keys {
    signing: BTreeMap<Algorithm, Arc<SigningKey>>,
    decrypting: Vec<DecryptionKey>,
    published: JwkSet,
    verifying: KeySet,
    /// Algorithms that the operator has switched off.
    off: Vec<Algorithm>,
}

/// A stored key that the master keys at hand do not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key '{0}' cannot be decrypted: is this the master key that the store was made \
     with?"
)]
pub struct KeyUnreadable(pub String);

impl Keys {
    /// Decrypts the stored keys. The newest of an algorithm signs; all are published.
    pub fn open(
        mut stored: Vec<StoredKey>,
        mut decrypting: Vec<StoredDecryptionKey>,
        seals: &Seals,
    ) -> Result<Self, KeyUnreadable> {
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
        decrypting.sort_by_key(|key| std::cmp::Reverse(key.created_at));
        for key in decrypting {
            let unreadable = || KeyUnreadable(key.kid.clone());
            let pkcs8 =
                seals.open_bytes(DECRYPTION, &key.sealed, NO_EPOCH).map_err(|_| unreadable())?;
            let opened =
                DecryptionKey::from_pkcs8(key.key_type, &pkcs8).map_err(|_| unreadable())?;
            keys.published.keys.push(opened.public().clone());
            keys.decrypting.push(opened);
        }
        Ok(keys)
    }

    /// From now on these alone sign. Keys of others stay published, for what they signed before.
    #[must_use]
    pub fn signing_with(mut self, on: &[Algorithm]) -> Self {
        self.signing.retain(|algorithm, _| on.contains(algorithm));
        self.off = Algorithm::ALL.into_iter().filter(|algorithm| !on.contains(algorithm)).collect();
        self
    }

    /// Whether the operator has switched that algorithm off.
    pub fn is_off(&self, algorithm: Algorithm) -> bool {
        self.off.contains(&algorithm)
    }

    /// The key that signs with that algorithm now.
    pub fn signing(&self, algorithm: Algorithm) -> Option<&Arc<SigningKey>> {
        self.signing.get(&algorithm)
    }

    /// The keys that decrypt what clients send, the newest first.
    pub fn decrypting(&self) -> &[DecryptionKey] {
        &self.decrypting
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
        let missing = |algorithm: &Algorithm| {
            !self.signing.contains_key(algorithm) && !self.is_off(*algorithm)
        };
        Algorithm::ALL.into_iter().filter(missing).collect()
    }

    /// The types of decrypting keys of which there is none yet.
    pub fn missing_for_decryption(&self) -> Vec<KeyType> {
        let is = |key_type| move |key: &DecryptionKey| key.key_type() == key_type;
        KeyType::ALL.into_iter().filter(|of| !self.decrypting.iter().any(is(*of))).collect()
    }

    /// Whether there is a key for everything that the metadata advertise.
    pub fn are_complete(&self) -> bool {
        self.missing().is_empty() && self.missing_for_decryption().is_empty()
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

/// A new decrypting key in the form in which it is kept. `nonce` is 12 random bytes.
pub fn decryption_key_to_store(
    generated: GeneratedDecryptionKey,
    seals: &Seals,
    now: Timestamp,
    nonce: [u8; 12],
) -> StoredDecryptionKey {
    StoredDecryptionKey {
        kid: generated.key.kid().to_owned(),
        key_type: generated.key.key_type(),
        sealed: seals.seal_bytes(DECRYPTION, generated.pkcs8, NO_EPOCH, now, nonce),
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
        let keys = Keys::open(stored.clone(), Vec::new(), &seals(7)).expect("readable");
        assert_eq!(keys.published().keys.len(), 2);
        let newest = keys.signing(Algorithm::ES256).expect("there is one");
        assert_eq!(newest.kid(), stored[1].kid);
        assert_eq!(keys.missing(), [Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256]);
        assert!(Keys::open(stored, Vec::new(), &seals(8)).is_err());
    }

    #[test]
    fn a_key_whose_algorithm_is_off_signs_nothing_and_verifies_what_it_signed() {
        let stored: Vec<StoredKey> = [Algorithm::ES256, Algorithm::EdDSA]
            .map(|algorithm| {
                let key = SigningKey::generate(algorithm).expect("generated");
                to_store(key, &seals(7), Timestamp::default(), [1; 12])
            })
            .into();
        let all = Keys::open(stored, Vec::new(), &seals(7)).expect("readable");
        let signer = Arc::clone(all.signing(Algorithm::EdDSA).expect("on"));
        let jwt = signer.sign("JWT", &serde_json::json!({"sub": "alice"})).expect("signed");
        let keys = all.signing_with(&[Algorithm::ES256, Algorithm::RS256]);
        assert!(keys.signing(Algorithm::EdDSA).is_none() && keys.is_off(Algorithm::EdDSA));
        assert!(keys.signing(Algorithm::ES256).is_some());
        assert_eq!(keys.missing(), [Algorithm::RS256], "nothing is made for what is off");
        assert_eq!(keys.published().keys.len(), 2);
        let token = keystile_protocol::jose::SignedToken::parse(&jwt).expect("a JWT");
        let claims = token.verify::<serde_json::Value>(keys.verifying(), &[Algorithm::EdDSA]);
        assert_eq!(claims.expect("published still")["sub"], "alice");
    }

    #[test]
    fn decrypting_keys_are_published_for_that_alone_and_verify_nothing() {
        let stored: Vec<StoredDecryptionKey> = [1, 2]
            .map(|at| {
                let key = DecryptionKey::generate(KeyType::Ec).expect("generated");
                decryption_key_to_store(key, &seals(7), Timestamp::from_seconds(at), [1; 12])
            })
            .into();
        let keys = Keys::open(Vec::new(), stored.clone(), &seals(7)).expect("readable");
        let names: Vec<&str> = keys.decrypting().iter().map(DecryptionKey::kid).collect();
        assert_eq!(names, [&stored[1].kid, &stored[0].kid], "the newest first");
        let published = &keys.published().keys;
        assert_eq!(published.len(), 2);
        assert!(published.iter().all(|key| key.public_key_use.as_deref() == Some("enc")));
        assert!(keys.verifying().is_empty());
        assert_eq!(keys.missing_for_decryption(), [KeyType::Rsa]);
        assert!(!keys.are_complete());
        assert!(Keys::open(Vec::new(), stored.clone(), &seals(8)).is_err());
        let as_signing = StoredKey {
            kid: stored[0].kid.clone(),
            algorithm: Algorithm::ES256,
            sealed: stored[0].sealed.clone(),
            created_at: Timestamp::default(),
        };
        assert!(Keys::open(vec![as_signing], Vec::new(), &seals(7)).is_err(), "sealed apart");
    }
}

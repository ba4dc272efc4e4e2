//! The server's keys, kept encrypted, published as a key set: one for each algorithm that signs, and
//! one of each type that decrypts. No key does both.

use std::collections::BTreeMap;
use std::sync::Arc;

use keystile_protocol::Timestamp;
use keystile_protocol::jose::encryption::{DecryptionKey, GeneratedDecryptionKey, KeyType};
use keystile_protocol::jose::{Algorithm, GeneratedKey, JwkSet, KeySet, SigningKey};

use crate::at_rest::AtRest;
use crate::policy::Policy;
use crate::records::{StoredDecryptionKey, StoredKey};
use crate::rules::key_schedule::{KeyTimes, Schedule, Stage, stages};

pub(crate) const PURPOSE: &str = "signing-key";
pub(crate) const DECRYPTION: &str = "decryption-key";

/// The keys that a node works with.
#[derive(Debug, Default)]
pub struct Keys {
    signing: BTreeMap<Algorithm, Arc<SigningKey>>,
    decrypting: Vec<DecryptionKey>,
    published: JwkSet,
    verifying: KeySet,
    pairwise: Option<[u8; 32]>,
    change_at: Option<Timestamp>,
    load: u64,
    /// Algorithms that the operator has switched off.
    off: Vec<Algorithm>,
}

/// A stored key that the master keys at hand do not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUnreadable {
    /// Its master key is not among them.
    #[error(
        "the key '{0}' cannot be decrypted: the master key that it was encrypted under is missing"
    )]
    NoMasterKey(String),
    /// It is, or another of the same id.
    #[error(
        "the key '{0}' cannot be decrypted: it was encrypted under another master key of the same id, \
         or for a store that began with another issuer"
    )]
    Unreadable(String),
}

/// Where a stored key is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<K> {
    /// The key.
    pub key: K,
    /// Its stage.
    pub stage: Stage,
}

/// A kind of key, of which several follow each other.
pub trait Kind {
    /// Keys of one sort relieve each other.
    type Sort: Ord + Copy;

    /// Of which sort it is.
    fn sort(&self) -> Self::Sort;
    /// Its times.
    fn times(&self, policy: &Policy) -> KeyTimes<'_>;
    /// How long its stages last.
    fn schedule(policy: &Policy) -> Schedule;
}

impl Kind for StoredKey {
    type Sort = Algorithm;

    fn sort(&self) -> Algorithm {
        self.algorithm
    }

    /// What was noted while its algorithm was off counts no more when it is on again.
    fn times(&self, policy: &Policy) -> KeyTimes<'_> {
        let is_on = policy.signing_algorithms.contains(&self.algorithm);
        KeyTimes {
            used_from: self.used_from,
            created_at: self.created_at,
            kid: &self.kid,
            unused_since: self.unused_since.filter(|_| !is_on),
        }
    }

    fn schedule(policy: &Policy) -> Schedule {
        Schedule::signing(policy)
    }
}

impl Kind for StoredDecryptionKey {
    type Sort = KeyType;

    fn sort(&self) -> KeyType {
        self.key_type
    }

    fn times(&self, _: &Policy) -> KeyTimes<'_> {
        let (used_from, created_at) = (self.used_from, self.created_at);
        KeyTimes { used_from, created_at, kid: &self.kid, unused_since: None }
    }

    fn schedule(policy: &Policy) -> Schedule {
        Schedule::decrypting(policy)
    }
}

/// The keys of one sort, in the order in which they relieve each other.
pub fn of_sort<'k, K: Kind>(keys: &'k [K], sort: K::Sort, policy: &Policy) -> Vec<KeyTimes<'k>> {
    let of_sort = keys.iter().filter(|key| key.sort() == sort);
    let mut times: Vec<_> = of_sort.map(|key| key.times(policy)).collect();
    times.sort_unstable();
    times
}

/// Each key with its stage now, those of one sort together and in their order.
pub fn placed<K: Kind>(mut keys: Vec<K>, policy: &Policy, now: Timestamp) -> Vec<Placed<K>> {
    keys.sort_by(|one, other| {
        (one.sort(), one.times(policy)).cmp(&(other.sort(), other.times(policy)))
    });
    let schedule = K::schedule(policy);
    let stages: Vec<Stage> = keys
        .chunk_by(|one, other| one.sort() == other.sort())
        .flat_map(|chunk| {
            let times: Vec<_> = chunk.iter().map(|key| key.times(policy)).collect();
            stages(&times, &schedule, now)
        })
        .collect();
    keys.into_iter().zip(stages).map(|(key, stage)| Placed { key, stage }).collect()
}

impl Keys {
    /// Decrypts the stored keys, and works with them as their stages say.
    pub fn open(
        stored: Vec<StoredKey>,
        decrypting: Vec<StoredDecryptionKey>,
        at_rest: &AtRest,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Self, KeyUnreadable> {
        let mut keys = Self::default();
        let mut known = JwkSet::default();
        for Placed { key, stage } in placed(stored, policy, now) {
            let pkcs8 = opened(at_rest, PURPOSE, &key.kid, &key.sealed)?;
            let opened = SigningKey::from_pkcs8(key.algorithm, &pkcs8)
                .map_err(|_| KeyUnreadable::Unreadable(key.kid.clone()))?;
            keys.note(stage);
            if stage == Stage::Over {
                continue;
            }
            known.keys.push(opened.public().clone());
            if stage.is_public() {
                keys.published.keys.push(opened.public().clone());
            }
            if stage == Stage::Used {
                keys.signing.insert(key.algorithm, Arc::new(opened));
            }
        }
        keys.verifying = KeySet::from_jwks(&known);
        for Placed { key, stage } in placed(decrypting, policy, now).into_iter().rev() {
            let pkcs8 = opened(at_rest, DECRYPTION, &key.kid, &key.sealed)?;
            let opened = DecryptionKey::from_pkcs8(key.key_type, &pkcs8)
                .map_err(|_| KeyUnreadable::Unreadable(key.kid.clone()))?;
            keys.note(stage);
            if stage.is_public() {
                keys.published.keys.push(opened.public().clone());
            }
            if stage != Stage::Over {
                keys.decrypting.push(opened);
            }
        }
        Ok(keys)
    }

    fn note(&mut self, stage: Stage) {
        self.change_at = self.change_at.into_iter().chain(stage.ends_at()).min();
    }

    /// By the load of that number, with the key of pairwise subjects beside them.
    pub(crate) fn loaded(self, load: u64, pairwise: [u8; 32]) -> Self {
        Self { load, pairwise: Some(pairwise), ..self }
    }

    /// The number of the load that they came with; later ones have greater numbers.
    pub(crate) fn load(&self) -> u64 {
        self.load
    }

    /// The key under which pairwise subjects are made.
    pub(crate) fn pairwise(&self) -> Option<&[u8; 32]> {
        self.pairwise.as_ref()
    }

    /// When the next of them comes to another stage, so that they are to be opened anew.
    pub fn change_at(&self) -> Option<Timestamp> {
        self.change_at
    }

    /// From now on these alone sign. Keys of others stay published for a while, for what they signed
    /// before.
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

fn opened(
    at_rest: &AtRest,
    purpose: &'static str,
    kid: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, KeyUnreadable> {
    at_rest.open(purpose, sealed).map_err(|_| {
        if at_rest.has_master_of(sealed) {
            KeyUnreadable::Unreadable(kid.to_owned())
        } else {
            KeyUnreadable::NoMasterKey(kid.to_owned())
        }
    })
}

/// A new key in the form in which it is kept. `nonce` is 12 random bytes.
pub fn to_store(
    generated: GeneratedKey,
    at_rest: &AtRest,
    used_from: Timestamp,
    now: Timestamp,
    nonce: [u8; 12],
) -> StoredKey {
    StoredKey {
        kid: generated.key.kid().to_owned(),
        algorithm: generated.key.algorithm(),
        sealed: at_rest.seal(PURPOSE, generated.pkcs8, now, nonce),
        created_at: now,
        used_from,
        unused_since: None,
    }
}

/// A new decrypting key in the form in which it is kept. `nonce` is 12 random bytes.
pub fn decryption_key_to_store(
    generated: GeneratedDecryptionKey,
    at_rest: &AtRest,
    used_from: Timestamp,
    now: Timestamp,
    nonce: [u8; 12],
) -> StoredDecryptionKey {
    StoredDecryptionKey {
        kid: generated.key.kid().to_owned(),
        key_type: generated.key.key_type(),
        sealed: at_rest.seal(DECRYPTION, generated.pkcs8, now, nonce),
        created_at: now,
        used_from,
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::seal::{MasterKey, MasterKeys};

    use super::*;

    fn at_rest(secret: u8) -> AtRest {
        let key = MasterKey { id: 1, secret: [secret; 32] };
        AtRest::new("https://login.example", Arc::new(MasterKeys::fixed(vec![key])))
    }

    fn policy() -> Policy {
        Policy::new("https://login.example".try_into().expect("good"))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    /// Keys that are used from these seconds on.
    fn signing(from: &[i64]) -> Vec<StoredKey> {
        let make = |&from: &i64| {
            let key = SigningKey::generate(Algorithm::ES256).expect("generated");
            to_store(key, &at_rest(7), at(from), at(0), [1; 12])
        };
        from.iter().map(make).collect()
    }

    fn kids(keys: &JwkSet) -> Vec<&str> {
        keys.keys.iter().filter_map(|key| key.kid.as_deref()).collect()
    }

    #[test]
    fn kept_keys_open_with_their_master_key_alone_and_work_as_their_stages_say() {
        let stored = signing(&[0, 3600]);
        let open = |now| {
            Keys::open(stored.clone(), Vec::new(), &at_rest(7), &policy(), at(now))
                .expect("readable")
        };
        let signs = |now| open(now).signing(Algorithm::ES256).expect("one").kid().to_owned();
        assert_eq!((signs(10), signs(3600)), (stored[0].kid.clone(), stored[1].kid.clone()));
        for (now, published, change_at) in [
            (10, vec![&stored[0].kid, &stored[1].kid], Some(at(3600))),
            (3600, vec![&stored[0].kid, &stored[1].kid], Some(at(4500))),
            (4500, vec![&stored[1].kid], Some(at(3600 + 14 * 86_400 + 300))),
            (86_400 * 30, vec![&stored[1].kid], None),
        ] {
            assert_eq!(kids(open(now).published()), published, "at {now}");
            assert_eq!(open(now).change_at(), change_at, "at {now}");
            let good = now < 86_400 * 15;
            assert_eq!(open(now).verifying().has(&stored[0].kid), good, "a hint, at {now}");
        }
        assert_eq!(open(10).missing(), [Algorithm::EdDSA, Algorithm::PS256, Algorithm::RS256]);
        let other = Keys::open(stored.clone(), Vec::new(), &at_rest(8), &policy(), at(10));
        let kid = stored[0].kid.clone();
        assert_eq!(other.expect_err("unreadable"), KeyUnreadable::Unreadable(kid.clone()));
        let second = MasterKey { id: 2, secret: [7; 32] };
        let second =
            AtRest::new("https://login.example", Arc::new(MasterKeys::fixed(vec![second])));
        let other = Keys::open(stored, Vec::new(), &second, &policy(), at(10));
        assert_eq!(other.expect_err("unreadable"), KeyUnreadable::NoMasterKey(kid));
    }

    #[test]
    fn a_key_whose_algorithm_is_off_signs_nothing_and_verifies_what_it_signed() {
        let stored: Vec<StoredKey> = [Algorithm::ES256, Algorithm::EdDSA]
            .map(|algorithm| {
                let key = SigningKey::generate(algorithm).expect("generated");
                to_store(key, &at_rest(7), at(0), at(0), [1; 12])
            })
            .into();
        let all = Keys::open(stored, Vec::new(), &at_rest(7), &policy(), at(0)).expect("readable");
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
        let stored: Vec<StoredDecryptionKey> = [0, 3600]
            .map(|from| {
                let key = DecryptionKey::generate(KeyType::Ec).expect("generated");
                decryption_key_to_store(key, &at_rest(7), at(from), at(0), [1; 12])
            })
            .into();
        let open = |now| {
            Keys::open(Vec::new(), stored.clone(), &at_rest(7), &policy(), at(now))
                .expect("readable")
        };
        let keys = open(10);
        let names: Vec<&str> = keys.decrypting().iter().map(DecryptionKey::kid).collect();
        assert_eq!(names, [&stored[1].kid, &stored[0].kid], "the newest first, good at once");
        let published = &keys.published().keys;
        assert_eq!(published.len(), 2);
        assert!(published.iter().all(|key| key.public_key_use.as_deref() == Some("enc")));
        let later = open(3600);
        assert_eq!(kids(later.published()), [&stored[1].kid], "nobody is to begin with the old");
        assert_eq!(later.decrypting().len(), 2, "somebody may have it still");
        assert_eq!(open(86_400).decrypting().len(), 1);
        assert!(keys.verifying().is_empty());
        assert_eq!(keys.missing_for_decryption(), [KeyType::Rsa]);
        assert!(!keys.are_complete());
        let other = Keys::open(Vec::new(), stored.clone(), &at_rest(8), &policy(), at(0));
        assert!(other.is_err());
        let as_signing = StoredKey {
            kid: stored[0].kid.clone(),
            algorithm: Algorithm::ES256,
            sealed: stored[0].sealed.clone(),
            created_at: Timestamp::default(),
            used_from: Timestamp::default(),
            unused_since: None,
        };
        let mixed = Keys::open(vec![as_signing], Vec::new(), &at_rest(7), &policy(), at(0));
        assert!(mixed.is_err(), "sealed apart");
    }

    #[test]
    fn each_algorithm_has_an_order_of_its_own() {
        let mut stored = signing(&[3600, 0]);
        let key = SigningKey::generate(Algorithm::EdDSA).expect("generated");
        stored.insert(1, to_store(key, &at_rest(7), at(50), at(0), [1; 12]));
        let kids = [stored[2].kid.clone(), stored[0].kid.clone(), stored[1].kid.clone()];
        let now = at(50);
        let placed = placed(stored.clone(), &policy(), now);
        let got: Vec<_> =
            placed.iter().map(|placed| (placed.key.kid.clone(), placed.stage)).collect();
        let stages = [Stage::Used, Stage::Waiting(at(3600)), Stage::Used];
        assert_eq!(got, kids.into_iter().zip(stages).collect::<Vec<_>>());
        assert_eq!(of_sort(&stored, Algorithm::ES256, &policy()).len(), 2);
    }
}

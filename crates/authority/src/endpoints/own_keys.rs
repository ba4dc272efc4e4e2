//! The server's own keys: read, made, and taken away in their time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use keystile_protocol::Timestamp;
use keystile_protocol::jose::encryption::{GeneratedDecryptionKey, KeyType};
use keystile_protocol::jose::{Algorithm, GeneratedKey};
use keystile_protocol::seal::MasterKeys;

use super::Authority;
use crate::at_rest::AtRest;
use crate::decisions::KeyChange;
use crate::keys::{self, KeyUnreadable, Keys, Kind};
use crate::ports::{Kept, StoreError, Stored};
use crate::records::StoredKey;
use crate::rules::key_schedule::{is_due, sweep, switched, used_from};
use crate::rules::master_key::{KnownMasterKey, NOTED_EVERY};

/// For how long one process looks after the keys: making them takes a second.
const TURN: Duration = Duration::from_secs(60);

/// What there is to do about the keys.
#[derive(Debug)]
pub struct KeyWork {
    /// Signing keys to be made.
    pub sign: Vec<Algorithm>,
    /// Decrypting keys to be made.
    pub decrypt: Vec<KeyType>,
    /// Keys that go, or whose algorithm was switched off or on.
    pub change: KeyChange,
}

impl KeyWork {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.sign.is_empty() && self.decrypt.is_empty() && self.change.is_nothing()
    }
}

impl Authority {
    /// Reads the keys from the store and works with them from now on.
    pub async fn load_keys(&self) -> Result<Arc<Keys>, LoadKeysError> {
        let (store, now) = (&*self.store, self.clock.now());
        let load = self.key_loads.fetch_add(1, Ordering::Relaxed) + 1;
        let at_rest = self.at_rest().await?;
        let (signing, decrypting) = (store.keys().await?, store.decryption_keys().await?);
        let keys = Keys::open(signing, decrypting, &at_rest, &self.policy, now)?;
        if store.kept(Kept::Name).await?.is_none() {
            // Not sooner, so that it is a name under which the keys can be read.
            store.keep(Kept::Name, self.policy.issuer.to_string().into_bytes()).await?;
        }
        let pairwise = at_rest.pairwise(store, now, self.entropy.bytes()).await?;
        let keys = keys.signing_with(&self.policy.signing_algorithms);
        let keys = Arc::new(keys.loaded(load, pairwise));
        {
            let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            // Of two loads at once the one that began later has read what is newer.
            if known.load() < load {
                *known = keys;
            }
        }
        Ok(self.keys())
    }

    /// Keeps a new key: the first of its algorithm signs at once, another when it has been
    /// published for long enough. Another node may have kept one first; load the keys afterwards.
    pub async fn add_key(&self, key: GeneratedKey) -> Result<(), StoreError> {
        let (at_rest, now) = (self.at_rest().await?, self.clock.now());
        let from = self.begins(&self.store.keys().await?, key.key.algorithm(), now);
        let stored = keys::to_store(key, &at_rest, from, now, self.entropy.bytes());
        self.store.add_key(stored).await
    }

    /// The same for a key that decrypts.
    pub async fn add_decryption_key(&self, key: GeneratedDecryptionKey) -> Result<(), StoreError> {
        let (at_rest, now) = (self.at_rest().await?, self.clock.now());
        let from = self.begins(&self.store.decryption_keys().await?, key.key.key_type(), now);
        let nonce = self.entropy.bytes();
        let stored = keys::decryption_key_to_store(key, &at_rest, from, now, nonce);
        self.store.add_decryption_key(stored).await
    }

    fn begins<K: Kind>(&self, keys: &[K], sort: K::Sort, now: Timestamp) -> Timestamp {
        used_from(&keys::of_sort(keys, sort, &self.policy), &K::schedule(&self.policy), now)
    }

    /// Whether the keys that are loaded come to another stage by now.
    pub fn keys_are_due(&self) -> bool {
        self.keys().change_at().is_some_and(|at| at <= self.clock.now())
    }

    /// Whether another node has made that key a moment ago, so that it is known here only now. Anybody
    /// may name a key, so that the store is asked once a second at most.
    pub(super) async fn has_learned_key(&self, kid: &str, now: Timestamp) -> bool {
        let before = self.keys_asked_at.load(Ordering::Relaxed);
        let due = now.millis().saturating_sub(before) >= 1000;
        let asks =
            |order| self.keys_asked_at.compare_exchange(before, now.millis(), order, order).is_ok();
        if !due || !asks(Ordering::Relaxed) {
            return false;
        }
        let there = self.store.keys().await;
        let there = there.is_ok_and(|keys| keys.iter().any(|key| key.kid == kid));
        there && self.load_keys().await.is_ok()
    }

    /// What there is to do about the keys now.
    pub async fn key_work(&self) -> Stored<KeyWork> {
        let now = self.clock.now();
        let (signing, decrypting) = (self.store.keys().await?, self.store.decryption_keys().await?);
        let (mut sign, gone) = self.work_on(&signing, &Algorithm::ALL, now);
        let (decrypt, gone_too) = self.work_on(&decrypting, &KeyType::ALL, now);
        let on = &self.policy.signing_algorithms;
        sign.retain(|algorithm| on.contains(algorithm));
        let noted = keys::placed(signing, &self.policy, now).into_iter().map(|placed| {
            let StoredKey { kid, algorithm, unused_since, .. } = placed.key;
            switched(&kid, placed.stage, unused_since, on.contains(&algorithm), now)
        });
        let change = noted.fold(gone.and(gone_too), KeyChange::and);
        Ok(KeyWork { sign, decrypt, change })
    }

    fn work_on<K: Kind>(
        &self,
        keys: &[K],
        sorts: &[K::Sort],
        now: Timestamp,
    ) -> (Vec<K::Sort>, KeyChange) {
        let (schedule, mut due, mut change) =
            (K::schedule(&self.policy), Vec::new(), KeyChange::nothing());
        for &sort in sorts {
            let times = keys::of_sort(keys, sort, &self.policy);
            if is_due(&times, &schedule, now) {
                due.push(sort);
            }
            change = change.and(sweep(&times, &schedule, now));
        }
        (due, change)
    }

    /// Takes keys away that nothing needs any more.
    pub async fn change_keys(&self, change: KeyChange) -> Stored<()> {
        self.store.change_keys(change).await
    }

    /// Whether it is this node that looks after the keys now.
    pub async fn take_turn_with_keys(&self) -> Stored<bool> {
        let now = self.clock.now();
        self.store.take_turn(self.entropy.bytes(), now, now.plus(TURN)).await
    }

    /// The master keys. Others may be there after a while.
    pub fn masters(&self) -> &Arc<MasterKeys> {
        self.seals.masters()
    }

    /// Notes which master keys this node has and that it works with the first, so that it is known
    /// when an old one is of no more use.
    pub async fn note_master_keys(&self) -> Result<(), NoteMasterKeysError> {
        let (masters, now) = (self.masters(), self.clock.now());
        let known = self.store.master_keys().await?;
        for (at, key) in masters.now().iter().enumerate() {
            let Some(proof) = masters.proof(key.id) else { continue };
            let before = known.iter().find(|known| known.id == key.id);
            // What an unknown key was used for nobody can tell.
            let enough = before.is_some_and(|known| {
                let lately = |noted: Timestamp| noted.plus(NOTED_EVERY / 2) > now;
                at > 0 || known.sealed_at.is_some_and(lately)
            });
            let noted = match before {
                Some(known) if enough => known.clone(),
                _ => {
                    let key = KnownMasterKey { id: key.id, proof, sealed_at: Some(now) };
                    self.store.note_master_key(key).await?
                }
            };
            if noted.proof != proof {
                return Err(NoteMasterKeysError::Another(key.id));
            }
        }
        Ok(())
    }

    async fn at_rest(&self) -> Stored<AtRest> {
        AtRest::of(&*self.store, &self.policy.issuer, Arc::clone(self.masters())).await
    }
}

/// Why the keys could not be loaded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadKeysError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key is another one.
    #[error(transparent)]
    Unreadable(#[from] KeyUnreadable),
}

/// Why the master keys were not noted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoteMasterKeysError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two processes have two keys of one id.
    #[error(
        "the master key {0} is not the one that the other processes on this store have: what one \
         seals, the other could not open. Every process needs the same master keys"
    )]
    Another(u8),
}

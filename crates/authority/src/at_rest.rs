//! How the server's own keys are kept: encrypted under the first master key, in the name of the
//! store. That name is the issuer's that the store began with, and stays when the issuer changes:
//! nobody presents a kept key to us, as it is with seals, so that there is nothing for the issuer
//! to keep apart.

use std::sync::Arc;

use keystile_protocol::seal::{MasterKeys, NotSealed, Seals, master_of};
use keystile_protocol::{Issuer, Timestamp};

use crate::keys::{DECRYPTION, PURPOSE};
use crate::ports::{Kept, Resealed, Store, StoreError, Stored};
use crate::rules::subject;

/// Keys at rest outlive every epoch.
const NO_EPOCH: u64 = 0;
const PAIRWISE: &str = "pairwise-key";

/// Encrypts and decrypts what is kept.
#[derive(Debug)]
pub struct AtRest(Seals);

impl AtRest {
    /// In that name.
    pub fn new(name: &str, masters: Arc<MasterKeys>) -> Self {
        Self(Seals::sharing(name, masters))
    }

    /// In the store's name; a store that has none yet will get the issuer's.
    pub async fn of(
        store: &dyn Store,
        issuer: &Issuer,
        masters: Arc<MasterKeys>,
    ) -> Result<Self, StoreError> {
        Self::of_kept(store.kept(Kept::Name).await?, issuer, masters)
    }

    /// The same where what the store keeps as its name is read already.
    pub fn of_kept(
        name: Option<Vec<u8>>,
        issuer: &Issuer,
        masters: Arc<MasterKeys>,
    ) -> Result<Self, StoreError> {
        let name = name.map_or_else(|| Ok(issuer.to_string()), String::from_utf8);
        let name = name.map_err(|_| StoreError::Broken("the store's name is no text".into()))?;
        Ok(Self::new(&name, masters))
    }

    pub(crate) fn seal(
        &self,
        purpose: &'static str,
        plain: Vec<u8>,
        now: Timestamp,
        nonce: [u8; 12],
    ) -> Vec<u8> {
        self.0.seal_bytes(purpose, plain, NO_EPOCH, now, nonce)
    }

    pub(crate) fn open(&self, purpose: &'static str, sealed: &[u8]) -> Result<Vec<u8>, NotSealed> {
        self.0.open_bytes(purpose, sealed, NO_EPOCH)
    }

    /// Whether the master key is at hand under which this was encrypted.
    pub(crate) fn has_master_of(&self, sealed: &[u8]) -> bool {
        master_of(sealed).is_some_and(|id| self.0.masters().proof(id).is_some())
    }

    /// The key of pairwise subjects. Stores of before have none: there it was the oldest master
    /// key's, so that is what is kept, and no user gets another subject.
    pub async fn pairwise(
        &self,
        store: &dyn Store,
        now: Timestamp,
        nonce: [u8; 12],
    ) -> Stored<[u8; 32]> {
        let sealed = if let Some(sealed) = store.kept(Kept::PairwiseKey).await? {
            sealed
        } else {
            let masters = self.0.masters();
            let oldest = masters.now().last().map(|key| key.id);
            let key = oldest.and_then(|id| masters.derive(subject::PURPOSE, id, 0));
            let key = key.ok_or_else(|| StoreError::Broken("there is no master key".into()))?;
            let sealed = self.seal(PAIRWISE, key.to_vec(), now, nonce);
            store.keep(Kept::PairwiseKey, sealed).await?
        };
        self.open_pairwise(&sealed)
    }

    /// Decrypts what the store keeps as [`Kept::PairwiseKey`].
    pub fn open_pairwise(&self, sealed: &[u8]) -> Stored<[u8; 32]> {
        let opened = self.open(PAIRWISE, sealed).ok().and_then(|key| key.try_into().ok());
        opened.ok_or_else(|| {
            StoreError::Broken(
                "the key of pairwise subjects cannot be decrypted: its master key is missing"
                    .into(),
            )
        })
    }
}

/// How many kept keys are encrypted under each master key.
pub async fn kept_under(store: &dyn Store) -> Stored<Vec<(u8, usize)>> {
    let mut counts = std::collections::BTreeMap::new();
    for (_, _, sealed) in all(store).await? {
        if let Some(id) = master_of(&sealed) {
            *counts.entry(id).or_insert(0) += 1;
        }
    }
    Ok(counts.into_iter().collect())
}

/// What is to be written so that everything is encrypted under the first master key. `nonce` gives
/// 12 random bytes each time. The error names a key that cannot be read.
pub async fn reseal(
    store: &dyn Store,
    at_rest: &AtRest,
    now: Timestamp,
    mut nonce: impl FnMut() -> [u8; 12] + Send,
) -> Result<Vec<Resealed>, ResealError> {
    let current = at_rest.0.masters().current();
    let mut resealed = Vec::new();
    for (purpose, name, from) in all(store).await? {
        if master_of(&from) == current {
            continue;
        }
        let plain = at_rest.open(purpose, &from);
        let plain = plain.map_err(|NotSealed| ResealError::Unreadable(name.clone()))?;
        let to = at_rest.seal(purpose, plain, now, nonce());
        resealed.push(Resealed { name, from, to });
    }
    Ok(resealed)
}

/// Why the kept keys cannot be encrypted anew.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResealError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be decrypted.
    #[error("the key '{0}' cannot be decrypted with the master keys at hand")]
    Unreadable(String),
}

/// Everything that is encrypted: purpose, name, and the text.
async fn all(store: &dyn Store) -> Stored<Vec<(&'static str, String, Vec<u8>)>> {
    let mut all = Vec::new();
    all.extend(store.keys().await?.into_iter().map(|key| (PURPOSE, key.kid, key.sealed)));
    let decrypting = store.decryption_keys().await?.into_iter();
    all.extend(decrypting.map(|key| (DECRYPTION, key.kid, key.sealed)));
    if let Some(sealed) = store.kept(Kept::PairwiseKey).await? {
        all.push((PAIRWISE, Kept::PairwiseKey.as_str().to_owned(), sealed));
    }
    Ok(all)
}

//! What is kept about the server's keys, beside the keys themselves.

use async_trait::async_trait;
use keystile_protocol::Timestamp;

use super::Stored;
use crate::decisions::KeyChange;
use crate::rules::master_key::KnownMasterKey;

/// Things of which a store has one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In whose name the keys at rest are encrypted.
    Name,
    /// The key of pairwise subjects, encrypted.
    PairwiseKey,
}

impl Kept {
    /// As the store names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::PairwiseKey => "pairwise-key",
        }
    }
}

/// A key at rest that is encrypted under another master key now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// The key's name, or [`Kept::as_str`].
    pub name: String,
    /// What was read. If it is not that any more, nothing is written.
    pub from: Vec<u8>,
    /// The same key, encrypted anew.
    pub to: Vec<u8>,
}

/// The part of the store that looks after the keys.
#[async_trait]
pub trait KeysAtRest: Send + Sync {
    /// What is kept.
    async fn kept(&self, what: Kept) -> Stored<Option<Vec<u8>>>;
    /// Keeps it, unless something is kept already. Answers what is kept now.
    async fn keep(&self, what: Kept, value: Vec<u8>) -> Stored<Vec<u8>>;
    /// Changes what becomes of keys that sign or decrypt: all of it or nothing. What is gone
    /// already is not missed; the last key of an algorithm is never taken away.
    async fn change_keys(&self, change: KeyChange) -> Stored<()>;
    /// Replaces keys at rest: all of them or none.
    async fn reseal(&self, resealed: Vec<Resealed>) -> Stored<()>;
    /// Whether it is the caller who looks after the keys, from `now` to `until`: one at a time. `by`
    /// is 16 random bytes that are the caller's.
    async fn take_turn(&self, by: [u8; 16], now: Timestamp, until: Timestamp) -> Stored<bool>;

    /// The master keys that processes have noted.
    async fn master_keys(&self) -> Stored<Vec<KnownMasterKey>>;
    /// Notes a master key and when it was used, which never goes back. Answers what is known of
    /// that id now: another proof means another key, which is left as it is.
    async fn note_master_key(&self, key: KnownMasterKey) -> Stored<KnownMasterKey>;
    /// Forgets a master key; every process reads its own again.
    async fn forget_master_key(&self, id: u8) -> Stored<()>;
    /// Live grants from before `until`: their refresh tokens may be made with an older master key.
    async fn grants_from_before(&self, until: Timestamp, now: Timestamp) -> Stored<u64>;
}

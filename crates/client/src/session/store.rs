//! Where sessions are kept: the port.

use std::fmt;

use async_trait::async_trait;
use keystile_protocol::Timestamp;
use keystile_protocol::encoding::{base64url, sha256};

/// The name of a session in a store: the SHA-256 of the handle that the browser has. Who reads a
/// store cannot make a cookie of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key that belongs to a handle.
    pub fn of_handle(handle: &str) -> Self {
        Self(sha256(handle))
    }

    /// The key that was stored as these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store it under.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A short name for logs and events; it opens nothing.
    pub fn digest(&self) -> String {
        base64url(&sha256(self.0)[..9])
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({})", self.digest())
    }
}

/// A session as a store keeps it. The store can read none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Tokens and claims, encrypted.
    pub sealed: Vec<u8>,
    /// Counts the changes of `sealed`.
    pub generation: u64,
    /// A digest of issuer and subject, by which all sessions of a user can be ended.
    pub subject: [u8; 32],
    /// A digest of issuer and `sid`, by which the sessions of one login can be ended.
    pub sid: Option<[u8; 32]>,
    /// Over at this moment unless it is used before.
    pub idle_until: Timestamp,
    /// Over at this moment in any case.
    pub expires_at: Timestamp,
    /// Until when one process has claimed to replace `sealed`; the beginning of time where none has.
    pub claimed_until: Timestamp,
}

impl StoredSession {
    /// Whether it still counts.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.idle_until && now < self.expires_at
    }
}

/// Several sessions at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whose {
    /// All of one user.
    Subject([u8; 32]),
    /// Those that came from one login at the authorization server.
    Sid([u8; 32]),
}

/// The store cannot be used right now. The text goes to the log, not to the user.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the session store failed: {0}")]
pub struct StoreError(pub String);

/// Keeps sessions. Each method is one atomic operation; several processes may share a store, and
/// then it has to be so between them too.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Keeps a new session.
    async fn insert(&self, key: &SessionKey, session: StoredSession) -> Result<(), StoreError>;

    /// Reads one that is alive at `now`.
    async fn load(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<Option<StoredSession>, StoreError>;

    /// Moves `claimed_until` to `until` if it is still `from` and the generation still
    /// `generation`. Says whether it did: of several callers with the same `from` one is told yes.
    async fn claim(
        &self,
        key: &SessionKey,
        generation: u64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the contents if the generation is still `expected`, whoever has claimed that,
    /// counts the generation up by one and takes the claim away. Says whether it did: of several
    /// callers with the same `expected` one is told yes.
    async fn replace(
        &self,
        key: &SessionKey,
        expected: u64,
        sealed: Vec<u8>,
    ) -> Result<bool, StoreError>;

    /// Notes that it was used: moves `idle_until`, never back.
    async fn touch(&self, key: &SessionKey, idle_until: Timestamp) -> Result<(), StoreError>;

    /// Ends one and hands it out, alive or not, for the last time: nobody else gets it.
    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreError>;

    /// Ends several, `at_most` that many, and hands them out like [`Self::remove`]. Fewer mean that
    /// there are no more.
    async fn remove_some(
        &self,
        whose: Whose,
        at_most: usize,
    ) -> Result<Vec<(SessionKey, StoredSession)>, StoreError>;

    /// Keeps the name of something that works once, until `until`. Says whether it was new at
    /// `now`: of several callers with the same name one is told yes.
    async fn first_use(
        &self,
        name: &[u8; 32],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Forgets what is over at `now`. Called about once a minute while people sign in.
    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Whether sessions outlive the process. Then the client demands an encryption key that does
    /// so too.
    fn is_durable(&self) -> bool {
        true
    }
}

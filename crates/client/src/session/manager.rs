//! Sessions between the store, which reads nothing, and the rest, which stores nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keystile_protocol::Timestamp;
use keystile_protocol::encoding::base64url;
use keystile_protocol::seal::Seals;

use super::{SessionKey, SessionRecord, SessionStore, StoreError, StoredSession, Whose};
use crate::entropy::random;
use crate::refresh::Flights;
use crate::taint::Taints;

const PURPOSE: &str = "client-session-1";
const BETWEEN_SWEEPS: Duration = Duration::from_mins(1);
/// More sessions are ended one batch after another: so many tokens are in memory at once.
const BATCH: usize = 100;

/// How long sessions live.
#[derive(Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
}

pub(crate) struct Sessions {
    store: Arc<dyn SessionStore>,
    seals: Seals,
    lifetimes: Lifetimes,
    swept_at: AtomicI64,
    pub(crate) flights: Flights,
    taints: Taints,
}

/// A session that is alive.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) record: Arc<SessionRecord>,
    pub(crate) generation: u64,
    /// See [`StoredSession::claimed_until`].
    pub(crate) claimed_until: Timestamp,
}

/// Sessions that have just ended.
pub(crate) struct Batch {
    /// Those that could be opened.
    pub(crate) records: Vec<SessionRecord>,
    pub(crate) count: usize,
    pub(crate) is_last: bool,
}

/// A session that has just begun: the one thing that knows its handle.
pub(crate) struct Begun {
    pub(crate) handle: String,
    pub(crate) record: SessionRecord,
}

impl Sessions {
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        seals: Seals,
        lifetimes: Lifetimes,
        taints: Taints,
    ) -> Self {
        let swept_at = AtomicI64::new(0);
        let flights = Flights::default();
        let sessions = Self { store, seals, lifetimes, swept_at, flights, taints };
        sessions.taint_keys();
        sessions
    }

    fn taint_keys(&self) {
        self.seals.masters().now().iter().for_each(|key| self.taints.sealing_key(&key.secret));
    }

    /// The seals, which logins under way use too.
    pub(crate) fn seals(&self) -> &Seals {
        &self.seals
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetimes.absolute
    }

    /// Keeps a new session under a new handle.
    pub(crate) async fn begin(
        &self,
        complete: impl FnOnce([u8; 32], Timestamp) -> SessionRecord,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        self.sweep_sometimes(now).await;
        let handle = base64url(random::<32>());
        self.taints.handle(&handle);
        let key = SessionKey::of_handle(&handle);
        let record = complete(*key.as_bytes(), now.plus(self.lifetimes.absolute));
        let session = StoredSession {
            sealed: self.seal(&record, now),
            generation: 0,
            subject: record.subject_digest(),
            sid: record.sid_digest(),
            idle_until: now.plus(self.lifetimes.idle),
            expires_at: record.expires_at,
            claimed_until: Timestamp::default(),
        };
        self.store.insert(&key, session).await?;
        Ok(Begun { handle, record })
    }

    /// Reads a session and notes, once in a while, that it is used.
    pub(crate) async fn load(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<Option<Loaded>, StoreError> {
        let Some(stored) = self.store.load(key, now).await?.filter(|s| s.is_alive(now)) else {
            return Ok(None);
        };
        let Some(record) = self.open(key, &stored.sealed) else { return Ok(None) };
        let idle_until = now.plus(self.lifetimes.idle);
        if idle_until.since(stored.idle_until) >= self.lifetimes.idle / 10
            && let Err(error) = self.store.touch(key, idle_until).await
        {
            tracing::warn!(session = %key.digest(), %error, "the use of a session was not noted");
        }
        let (generation, claimed_until) = (stored.generation, stored.claimed_until);
        Ok(Some(Loaded { record: Arc::new(record), generation, claimed_until }))
    }

    /// Whether a session goes on. To ask is no use of it.
    pub(crate) async fn is_alive(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.store.load(key, now).await?.is_some_and(|session| session.is_alive(now)))
    }

    /// Replaces what a session knows, unless somebody else did first.
    pub(crate) async fn replace(
        &self,
        record: &SessionRecord,
        expected: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.store.replace(&record.key(), expected, self.seal(record, now)).await
    }

    /// Takes the right to replace what a session knows, keeps it for longer or gives it back: see
    /// [`SessionStore::claim`].
    pub(crate) async fn claim(
        &self,
        session: &Loaded,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.store.claim(&session.record.key(), session.generation, from, until).await
    }

    /// Ends a session, and says what it was.
    pub(crate) async fn end(&self, key: &SessionKey) -> Result<Option<SessionRecord>, StoreError> {
        let ended = self.store.remove(key).await?;
        Ok(ended.and_then(|ended| self.open(key, &ended.sealed)))
    }

    /// Ends several, and says what they were: to be called until it was the last batch.
    pub(crate) async fn end_batch(&self, whose: Whose) -> Result<Batch, StoreError> {
        let ended = self.store.remove_some(whose, BATCH).await?;
        let records = ended.iter().filter_map(|(key, ended)| self.open(key, &ended.sealed));
        let (count, is_last) = (ended.len(), ended.len() < BATCH);
        Ok(Batch { records: records.collect(), count, is_last })
    }

    /// Whether something that works once, by its digest, is used for the first time, on whichever
    /// node; `lifetime` is how long it can be used.
    pub(crate) async fn first_use(
        &self,
        name: [u8; 32],
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.store.first_use(&name, now, now.plus(lifetime)).await
    }

    fn seal(&self, record: &SessionRecord, now: Timestamp) -> Vec<u8> {
        let plain = serde_json::to_vec(record).expect("a session has a plain form");
        self.seals.seal_bytes(PURPOSE, plain, 0, now, random())
    }

    fn open(&self, key: &SessionKey, sealed: &[u8]) -> Option<SessionRecord> {
        let plain = self.seals.open_bytes(PURPOSE, sealed, 0).ok();
        let record = plain.and_then(|plain| serde_json::from_slice::<SessionRecord>(&plain).ok());
        let record = record.filter(|record| record.key == *key.as_bytes());
        if let Some(record) = &record {
            self.taints.tokens(&record.tokens, record.proof_key.as_ref());
            if let Some(token) = &record.id_token {
                self.taints.secret("id_token", token);
            }
        } else {
            tracing::warn!(session = %key.digest(), "a session that no key here can open");
        }
        record
    }

    /// Also looks whether the keys have changed.
    async fn sweep_sometimes(&self, now: Timestamp) {
        let before = self.swept_at.load(Ordering::Relaxed);
        if now.since(Timestamp::from_millis(before)) < BETWEEN_SWEEPS {
            return;
        }
        let mine = self
            .swept_at
            .compare_exchange(before, now.millis(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if !mine {
            return;
        }
        if let Err(error) = self.store.sweep(now).await {
            tracing::warn!(%error, "old sessions were not swept");
        }
        if self.seals.masters().reread() {
            self.taint_keys();
        }
    }
}

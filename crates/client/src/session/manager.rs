//! Sessions between the store, which reads nothing, and the rest, which stores nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keystile_protocol::encoding::base64url;
use keystile_protocol::seal::Seals;
use keystile_protocol::{Issuer, Timestamp};

use super::record::{sid_digest, subject_digest};
use super::{SessionKey, SessionRecord, SessionStore, StoreError, StoredSession, Whose};
use crate::entropy::random;
use crate::refresh::Flights;
use crate::taint::Taints;

const PURPOSE: &str = "client-session-1";
const BETWEEN_SWEEPS: Duration = Duration::from_mins(1);

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
        Self { store, seals, lifetimes, swept_at, flights: Flights::default(), taints }
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
        let Some(record) = self.open(key, &stored.sealed) else {
            tracing::warn!(session = %key.digest(), "a session that this key cannot open");
            return Ok(None);
        };
        let idle_until = now.plus(self.lifetimes.idle);
        if idle_until.since(stored.idle_until) >= self.lifetimes.idle / 10
            && let Err(error) = self.store.touch(key, idle_until).await
        {
            tracing::warn!(session = %key.digest(), %error, "the use of a session was not noted");
        }
        self.taints.tokens(&record.tokens, record.proof_key.as_ref());
        Ok(Some(Loaded { record: Arc::new(record), generation: stored.generation }))
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

    pub(crate) async fn end(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.store.remove(key).await
    }

    /// Ends what a logout token means: the sessions of its `sid`, or else all of its `sub`
    /// (OpenID Connect Back-Channel Logout 1.0 section 2.7).
    pub(crate) async fn end_all(
        &self,
        issuer: &Issuer,
        sub: Option<&str>,
        sid: Option<&str>,
    ) -> Result<u64, StoreError> {
        let whose = match (sid, sub) {
            (Some(sid), _) => Whose::Sid(sid_digest(issuer, sid)),
            (None, Some(sub)) => Whose::Subject(subject_digest(issuer, sub)),
            (None, None) => return Ok(0),
        };
        self.store.remove_all(whose).await
    }

    fn seal(&self, record: &SessionRecord, now: Timestamp) -> Vec<u8> {
        let plain = serde_json::to_vec(record).expect("a session has a plain form");
        self.seals.seal_bytes(PURPOSE, plain, 0, now, random())
    }

    fn open(&self, key: &SessionKey, sealed: &[u8]) -> Option<SessionRecord> {
        let plain = self.seals.open_bytes(PURPOSE, sealed, 0).ok()?;
        let record: SessionRecord = serde_json::from_slice(&plain).ok()?;
        (record.key == *key.as_bytes()).then_some(record)
    }

    async fn sweep_sometimes(&self, now: Timestamp) {
        let before = self.swept_at.load(Ordering::Relaxed);
        if now.since(Timestamp::from_millis(before)) < BETWEEN_SWEEPS {
            return;
        }
        let mine = self
            .swept_at
            .compare_exchange(before, now.millis(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if mine && let Err(error) = self.store.sweep(now).await {
            tracing::warn!(%error, "old sessions were not swept");
        }
    }
}
        self.seals.masters().reread();

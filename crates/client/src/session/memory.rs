use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use keystile_protocol::Timestamp;

use super::{SessionKey, SessionStore, StoreError, StoredSession, Whose};

/// Sessions in memory: gone when the process ends, and bounded in number. Where there is no room
/// the one that was not used for the longest time ends.
#[derive(Debug)]
pub struct MemorySessions {
    sessions: Mutex<HashMap<SessionKey, StoredSession>>,
    at_most: usize,
}

impl MemorySessions {
    /// With room for that many.
    pub fn with_room_for(at_most: usize) -> Self {
        Self { sessions: Mutex::default(), at_most: at_most.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, StoredSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemorySessions {
    /// With room for 100,000.
    fn default() -> Self {
        Self::with_room_for(100_000)
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn insert(&self, key: &SessionKey, session: StoredSession) -> Result<(), StoreError> {
        let mut sessions = self.lock();
        if sessions.len() >= self.at_most && !sessions.contains_key(key) {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.idle_until);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                sessions.remove(&oldest);
            }
        }
        sessions.insert(*key, session);
        Ok(())
    }

    async fn load(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.lock().get(key).filter(|session| session.is_alive(now)).cloned())
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: u64,
        sealed: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(key).filter(|s| s.generation == expected) else {
            return Ok(false);
        };
        session.sealed = sealed;
        session.generation += 1;
        Ok(true)
    }

    async fn touch(&self, key: &SessionKey, idle_until: Timestamp) -> Result<(), StoreError> {
        if let Some(session) = self.lock().get_mut(key) {
            session.idle_until = session.idle_until.max(idle_until);
        }
        Ok(())
    }

    async fn remove(&self, key: &SessionKey) -> Result<bool, StoreError> {
        Ok(self.lock().remove(key).is_some())
    }

    async fn remove_all(&self, whose: Whose) -> Result<u64, StoreError> {
        let mut sessions = self.lock();
        let before = sessions.len();
        sessions.retain(|_, session| match whose {
            Whose::Subject(subject) => session.subject != subject,
            Whose::Sid(sid) => session.sid != Some(sid),
        });
        Ok(u64::try_from(before - sessions.len()).unwrap_or(u64::MAX))
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.lock().retain(|_, session| session.is_alive(now));
        Ok(())
    }

    fn is_durable(&self) -> bool {
        false
    }
}

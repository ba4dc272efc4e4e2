use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use keystile_protocol::Timestamp;

use super::{SessionKey, SessionStore, StoreError, StoredSession, Whose};

/// More names of what works once are not remembered: the oldest are forgotten first.
const USED_AT_MOST: usize = 20_000;

/// Sessions in memory: gone when the process ends, and bounded in number. Where there is no room
/// the one that was not used for the longest time ends.
#[derive(Debug)]
pub struct MemorySessions {
    sessions: Mutex<HashMap<SessionKey, StoredSession>>,
    used: Mutex<Used>,
    at_most: usize,
}

/// What works once and was used.
#[derive(Debug, Default)]
struct Used {
    until: HashMap<[u8; 32], Timestamp>,
    order: VecDeque<[u8; 32]>,
}

impl MemorySessions {
    /// With room for that many.
    pub fn with_room_for(at_most: usize) -> Self {
        Self { sessions: Mutex::default(), used: Mutex::default(), at_most: at_most.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, StoredSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `change` says of a session of that generation; no, where there is none.
    fn change(
        &self,
        key: &SessionKey,
        generation: u64,
        change: impl FnOnce(&mut StoredSession) -> bool,
    ) -> bool {
        self.lock().get_mut(key).filter(|s| s.generation == generation).is_some_and(change)
    }
}

impl Used {
    fn first_use(&mut self, name: &[u8; 32], now: Timestamp, until: Timestamp) -> bool {
        while self.order.front().is_some_and(|oldest| {
            self.order.len() >= USED_AT_MOST
                || self.until.get(oldest).is_none_or(|until| *until <= now)
        }) {
            if let Some(oldest) = self.order.pop_front() {
                self.until.remove(&oldest);
            }
        }
        let first = self.until.get(name).is_none_or(|until| *until <= now);
        if first && self.until.insert(*name, until).is_none() {
            self.order.push_back(*name);
        }
        first
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

    async fn claim(
        &self,
        key: &SessionKey,
        generation: u64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.change(key, generation, |session| {
            let mine = session.claimed_until == from;
            if mine {
                session.claimed_until = until;
            }
            mine
        }))
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: u64,
        sealed: Vec<u8>,
    ) -> Result<bool, StoreError> {
        Ok(self.change(key, expected, |session| {
            session.sealed = sealed;
            session.generation += 1;
            session.claimed_until = Timestamp::default();
            true
        }))
    }

    async fn touch(&self, key: &SessionKey, idle_until: Timestamp) -> Result<(), StoreError> {
        if let Some(session) = self.lock().get_mut(key) {
            session.idle_until = session.idle_until.max(idle_until);
        }
        Ok(())
    }

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.lock().remove(key))
    }

    async fn remove_some(
        &self,
        whose: Whose,
        at_most: usize,
    ) -> Result<Vec<(SessionKey, StoredSession)>, StoreError> {
        let mut sessions = self.lock();
        let meant = sessions.extract_if(|_, session| match whose {
            Whose::Subject(subject) => session.subject == subject,
            Whose::Sid(sid) => session.sid == Some(sid),
        });
        Ok(meant.take(at_most).collect())
    }

    async fn first_use(
        &self,
        name: &[u8; 32],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(used.first_use(name, now, until))
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.lock().retain(|_, session| session.is_alive(now));
        Ok(())
    }

    fn is_durable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_remembered_within_bounds() {
        let mut used = Used::default();
        let name = |number: usize| {
            let mut name = [0; 32];
            name[..8].copy_from_slice(&number.to_be_bytes());
            name
        };
        let until = Timestamp::from_seconds(10);
        for number in 0..=USED_AT_MOST {
            assert!(used.first_use(&name(number), Timestamp::default(), until));
        }
        assert_eq!((used.until.len(), used.order.len()), (USED_AT_MOST, USED_AT_MOST));
        assert!(!used.first_use(&name(USED_AT_MOST), Timestamp::default(), until));
        assert!(
            used.first_use(&name(0), until, Timestamp::from_seconds(20)),
            "all others are over"
        );
        assert_eq!((used.until.len(), used.order.len()), (1, 1));
    }
}

//! What is remembered of clients, and how it is noticed that it is old.
//!
//! `PRAGMA data_version` tells without reading a page whether anything at all was written; a
//! count of changes then tells whether it was a client or a key. Both are looked at once a second
//! at most, by whoever asks first.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use keystile_authority::ports::Stored;
use keystile_authority::records::Client;
use keystile_protocol::ClientId;
use rusqlite::Connection;

use super::OpenError;
use super::db::{Db, at_once, failure};
use super::readers::lock;
use crate::meta::{self, Marks};

/// In milliseconds.
const LOOK_EVERY: u64 = 1000;
/// Clients that are remembered.
const ROOM: usize = 10_000;

pub(crate) struct Memory {
    started: Instant,
    looked_at: AtomicU64,
    watch: Mutex<Watch>,
    marks: RwLock<Marks>,
    clients: RwLock<Clients>,
}

struct Watch {
    connection: Connection,
    data_version: i64,
}

#[derive(Default)]
struct Clients {
    /// Counts how often all were forgotten.
    round: u64,
    known: HashMap<ClientId, Arc<Client>>,
}

impl Memory {
    pub(crate) fn new(connection: Connection) -> Result<Self, OpenError> {
        let memory = Self {
            started: Instant::now(),
            looked_at: AtomicU64::new(0),
            watch: Mutex::new(Watch { connection, data_version: -1 }),
            marks: RwLock::default(),
            clients: RwLock::default(),
        };
        memory.try_look().map_err(OpenError::Store)?;
        Ok(memory)
    }

    pub(crate) fn marks(&self) -> Marks {
        self.look_if_due();
        *self.marks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client, if it is remembered.
    pub(crate) fn client(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.look_if_due();
        self.clients.read().unwrap_or_else(PoisonError::into_inner).known.get(id).cloned()
    }

    /// To be asked before a row is read that is to be remembered.
    pub(crate) fn round(&self) -> u64 {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).round
    }

    /// Remembers a client, unless all were forgotten since `round`: the row may be older than the
    /// change.
    pub(crate) fn remember(&self, client: &Arc<Client>, round: u64) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        if clients.round != round {
            return;
        }
        if clients.known.len() >= ROOM {
            clients.known.clear();
        }
        clients.known.insert(client.id.clone(), client.clone());
    }

    /// Looks now, because this process has just changed something.
    pub(crate) fn look(&self) {
        if let Err(error) = self.try_look() {
            tracing::warn!(%error, "cannot look whether the store has changed");
        }
    }

    fn look_if_due(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let before = self.looked_at.load(Ordering::Relaxed);
        let due = now.saturating_sub(before) >= LOOK_EVERY;
        if due
            && self
                .looked_at
                .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.look();
        }
    }

    fn try_look(&self) -> Stored<()> {
        let mut watch = lock(&self.watch);
        let data_version = watch.data_version().map_err(failure)?;
        if data_version == watch.data_version {
            return Ok(());
        }
        let marks = at_once(meta::marks(&mut Db::new(&watch.connection)))?;
        watch.data_version = data_version;
        let mut known = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes != marks.changes {
            let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
            clients.round += 1;
            clients.known.clear();
        }
        *known = marks;
        Ok(())
    }
}

impl Watch {
    fn data_version(&self) -> rusqlite::Result<i64> {
        self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
    }
}

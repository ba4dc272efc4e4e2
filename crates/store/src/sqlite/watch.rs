//! How it is noticed that another process has written.
//!
//! `PRAGMA data_version` tells without reading a page whether anything at all was written; a
//! count of changes then tells whether it was a client or a key. Both are looked at once a second
//! at most, by whoever asks first.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use keystile_authority::ports::Stored;
use rusqlite::Connection;

use super::db::{Db, at_once, failure};
use super::readers::lock;
use crate::memory::Memory;
use crate::meta;

/// In milliseconds.
const LOOK_EVERY: u64 = 1000;

pub(crate) struct Watch {
    started: Instant,
    looked_at: AtomicU64,
    seen: Mutex<Seen>,
}

struct Seen {
    connection: Connection,
    data_version: i64,
}

impl Watch {
    pub(crate) fn new(connection: Connection) -> Self {
        let seen = Mutex::new(Seen { connection, data_version: -1 });
        Self { started: Instant::now(), looked_at: AtomicU64::new(0), seen }
    }

    /// Looks now.
    pub(crate) fn look(&self, memory: &Memory) {
        if let Err(error) = self.try_look(memory) {
            tracing::warn!(%error, "cannot look whether the store has changed");
        }
    }

    pub(crate) fn look_if_due(&self, memory: &Memory) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let before = self.looked_at.load(Ordering::Relaxed);
        let due = now.saturating_sub(before) >= LOOK_EVERY;
        if due
            && self
                .looked_at
                .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.look(memory);
        }
    }

    pub(crate) fn try_look(&self, memory: &Memory) -> Stored<()> {
        let mut seen = lock(&self.seen);
        let data_version = seen.data_version().map_err(failure)?;
        if data_version != seen.data_version {
            let marks = at_once(meta::marks(&mut Db::new(&mut seen.connection)))?;
            seen.data_version = data_version;
            memory.learn(marks);
        }
        Ok(())
    }
}

impl Seen {
    fn data_version(&self) -> rusqlite::Result<i64> {
        self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
    }
}

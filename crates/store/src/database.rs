//! The one type that the ports are implemented for, whichever backend is below it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;

use crate::memory::Memory;
use crate::meta::{self, Marks};
use crate::sqlite::{self, Sqlite};
use crate::statements::{Fields, Statements, Value};
use crate::sweep::Cursor;

/// `authority`'s store and registry in a database. Clones are the same store.
#[derive(Clone)]
pub struct Database {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    backend: Backend,
    pub(crate) memory: Memory,
    pub(crate) cursor: Mutex<Cursor>,
}

enum Backend {
    Sqlite(Sqlite),
}

impl Database {
    /// Opens an SQLite file, makes it if it is missing (it and its folder for its owner alone),
    /// and brings its tables up to date.
    pub fn open_sqlite(path: &Path, options: sqlite::Options) -> Result<Self, sqlite::OpenError> {
        let memory = Memory::default();
        let backend = Backend::Sqlite(Sqlite::open(path, options, &memory)?);
        Ok(Self { inner: Arc::new(Inner { backend, memory, cursor: Mutex::default() }) })
    }

    /// Refuses new writes, and lets those that wait finish. Dropping the last clone does the same.
    pub fn shutdown(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.stop(),
        }
    }

    /// Begins a new epoch, as a restore does: what was sealed before is refused.
    pub async fn raise_epoch(&self, now: Timestamp) -> Stored<u64> {
        let raised = self.write(async move |db| meta::begin_epoch(db, now).await).await;
        self.look().await;
        raised
    }

    /// Counts changes of clients and signing keys by whichever process; a second old at most.
    pub fn changes(&self) -> i64 {
        self.marks().changes
    }

    pub(crate) fn marks(&self) -> Marks {
        self.look_if_due();
        self.inner.memory.marks()
    }

    /// Looks now whether clients or keys have changed: this process has just changed something.
    pub(crate) async fn look(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.watch().look(&self.inner.memory),
        }
    }

    pub(crate) fn look_if_due(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.watch().look_if_due(&self.inner.memory),
        }
    }

    /// Whether so many writes wait that what can be left out should be.
    pub(crate) fn is_pressed(&self) -> bool {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.is_pressed(),
        }
    }

    /// Whether writes are taken.
    pub(crate) fn is_running(&self) -> bool {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.is_running(),
        }
    }

    /// Asks: statements that write nothing.
    pub(crate) async fn read<T>(
        &self,
        ask: impl AsyncFnOnce(&mut Db<'_>) -> Stored<T>,
    ) -> Stored<T> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => {
                sqlite.read(async move |db| ask(&mut Db::Sqlite(db.again())).await)
            }
        }
    }

    /// Acts in a transaction, which is durable when this returns.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
    ) -> Stored<T> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => {
                sqlite.write(async move |db| act(&mut Db::Sqlite(db.again())).await).await
            }
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// A place for statements, on whichever backend.
pub(crate) enum Db<'c> {
    Sqlite(sqlite::db::Db<'c>),
}

impl Statements for Db<'_> {
    async fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Stored<usize> {
        match self {
            Self::Sqlite(db) => db.execute(sql, params).await,
        }
    }

    async fn rows<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>> {
        match self {
            Self::Sqlite(db) => db.rows(sql, params, read).await,
        }
    }
}

//! SQLite: a file beside the program. One thread writes, a few connections read, and what was
//! answered is on disk.

mod backup;
mod db;
mod locks;
mod logos;
mod logout_outbox;
mod memory;
mod open;
mod parking;
mod pending;
mod pings;
mod readers;
mod registrations;
mod registry;
mod restore;
mod store;
mod sweeper;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;

use crate::meta;
use crate::migrations::MigrationPlan;
use crate::sweep::Cursor;
use db::Db;
use memory::Memory;
use readers::Readers;
use writer::Writer;

pub use backup::{Contents, CopyError, StoreCopy};
pub use open::OpenError;
pub use restore::Restore;

/// How a [`SqliteStore`] works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections that read: as many as threads that ask, or reads wait for each other.
    pub readers: usize,
    /// Writes that may wait; more are refused at once.
    pub queue: usize,
    /// Writes that share a commit at most.
    pub batch: usize,
    /// How long to wait for another process, such as the command line, that is writing.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            readers: threads.clamp(2, 16),
            queue: 1024,
            batch: 64,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// `authority`'s store and registry in an SQLite file. Clones are the same store.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    // The writer goes first: it finishes its queue while the rest is still there.
    writer: Writer,
    readers: Readers,
    memory: Memory,
    cursor: Mutex<Cursor>,
    /// Locked for as long as the store is open.
    _in_use: File,
}

impl SqliteStore {
    /// Opens the file, makes it if it is missing (it and its folder for its owner alone), and
    /// brings its tables up to date.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (connection, in_use) = open::prepare(path, options)?;
        let reader = || open::reader(path, options).map_err(OpenError::Sqlite);
        let readers = (0..options.readers.max(1)).map(|_| reader()).collect::<Result<_, _>>()?;
        let memory = Memory::new(reader()?)?;
        let again = path.to_owned();
        let reopen = move || open::writer(&again, options);
        let writer = Writer::start(connection, reopen, options).map_err(OpenError::Thread)?;
        let readers = Readers::new(readers);
        let cursor = Mutex::default();
        let inner = Inner { writer, readers, memory, cursor, _in_use: in_use };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What opening the file would do to its tables. Nothing is touched.
    pub fn plan(path: &Path, options: Options) -> Result<MigrationPlan, OpenError> {
        if !path.exists() {
            return Ok(open::plan_of_new());
        }
        open::plan(&open::reader(path, options).map_err(OpenError::Sqlite)?)
    }

    /// Refuses new writes, lets those that wait finish, and stops the writer. Dropping the last
    /// clone does the same.
    pub fn shutdown(&self) {
        self.inner.writer.stop();
    }

    /// Begins a new epoch, as a restore does: what was sealed before is refused.
    pub async fn raise_epoch(&self, now: Timestamp) -> Stored<u64> {
        let raised = self.write(async move |db| meta::begin_epoch(db, now).await).await;
        self.inner.memory.look();
        raised
    }

    /// Counts changes of clients and signing keys by whichever process; a second old at most.
    pub fn changes(&self) -> i64 {
        self.inner.memory.marks().changes
    }

    fn read<T>(&self, ask: impl AsyncFnOnce(&mut Db<'_>) -> Stored<T>) -> Stored<T> {
        self.inner.readers.ask(ask)
    }

    async fn write<T: Send + 'static>(
        &self,
        act: impl AsyncFnOnce(&mut Db<'_>) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        self.inner.writer.write(act).await
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

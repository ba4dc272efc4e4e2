//! PostgreSQL: one database for any number of equal nodes.
//!
//! Single statements go over a few connections that all callers share, where they do not wait for
//! each other's answers; transactions over a small pool. Nothing waits without a bound: neither in
//! number nor in time.

mod address;
mod advice;
mod arrays;
mod arrival;
mod connection;
mod connector;
pub(crate) mod db;
mod epoch;
mod gatherer;
mod identity;
mod lines;
mod migrate;
mod pool;
pub(crate) mod questions;
pub(crate) mod reading;
mod redemptions;
mod rotations;
#[cfg(test)]
mod tests;
mod tls;
pub(crate) mod tries;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystile_authority::ports::{StoreError, Stored};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::memory::Memory;
use crate::migrations::MigrationPlan;
use connector::Connector;
use gatherer::{Gathered, Gatherers, Gathering};
use lines::Lines;
use pool::Connections;
use reading::Reading;
use tries::{Manner, Tries};

pub use address::Address;
pub use arrival::{MoveError, Moved, move_here};

/// What opening the database would do to its tables. Nothing is touched.
pub async fn plan(address: &Address) -> Result<MigrationPlan, OpenError> {
    let connector = Connector::new(address.clone(), Arc::default()).map_err(OpenError::Address)?;
    let connection = connector.connect_bare().await.map_err(OpenError::Store)?;
    migrate::plan(&connection).await.map_err(OpenError::Store)
}

/// How a database on PostgreSQL is used.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections that reading statements share.
    pub reading: usize,
    /// Connections that single writing statements share.
    pub writing: usize,
    /// Connections for transactions.
    pub transactions: usize,
    /// Operations that may be under way or wait; more are refused at once.
    pub queue: usize,
    /// How long an operation may take, with all its tries.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reading: 3,
            writing: 2,
            transactions: 6,
            queue: 1024,
            patience: Duration::from_secs(5),
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The way to the database cannot be what the address says.
    #[error("{0}")]
    Address(String),
    /// The database was written by a program that is too new for this one.
    #[error(
        "the database needs a newer program: it is for programs that know migration {needed}, \
         this one knows {known}"
    )]
    Newer {
        /// The migration that a program must know.
        needed: i64,
        /// The last one that this program knows.
        known: i64,
    },
    /// It is away, or what it should hold cannot be read.
    #[error("{0}")]
    Store(StoreError),
    /// A migration failed, and the database is as it was before.
    #[error("the database cannot be brought up to date: {0}")]
    Migration(Box<refinery::Error>),
}

pub(crate) struct Postgres {
    ways: Arc<Ways>,
    gatherers: Gatherers,
    room: Arc<Semaphore>,
    size: usize,
    watch: AbortHandle,
    stopped: AtomicBool,
}

/// Everything that leads to the database.
pub(crate) struct Ways {
    reading: Lines,
    writing: Lines,
    transactions: Connections,
    patience: Duration,
}

impl Postgres {
    /// Brings the tables up to date. Each connection is made when it is first needed.
    pub(crate) async fn open(
        address: &Address,
        options: Options,
        memory: &Arc<Memory>,
    ) -> Result<Self, OpenError> {
        let connector = Connector::new(address.clone(), memory.clone());
        let connector = Arc::new(connector.map_err(OpenError::Address)?);
        let mut first = connector.connect_bare().await.map_err(OpenError::Store)?;
        migrate::migrate(&mut first).await?;
        for advice in advice::advice(&first).await.map_err(OpenError::Store)? {
            tracing::warn!("the database: {advice}");
        }
        let transactions = Connections::new(connector.clone(), options.transactions);
        let ways = Arc::new(Ways {
            reading: Lines::new(connector.clone(), options.reading),
            writing: Lines::new(connector, options.writing),
            transactions: transactions.map_err(OpenError::Address)?,
            patience: options.patience,
        });
        // The first connection learns what the store says of itself.
        ways.reading.take(ways.reading.next()).await.map_err(OpenError::Store)?;
        let watch = tokio::spawn(watch::watch(ways.clone(), memory.clone())).abort_handle();
        let room = Arc::new(Semaphore::new(options.queue));
        Ok(Self {
            gatherers: Gatherers::start(&ways),
            ways,
            room,
            size: options.queue,
            watch,
            stopped: AtomicBool::new(false),
        })
    }

    /// A place to ask, if there is room for one more.
    pub(crate) async fn reading(&self) -> Stored<Reading<'_>> {
        Reading::begin(&self.ways, Some(self.place()?)).await
    }

    /// The tries of a write, if there is room for one more.
    pub(crate) fn tries(&self, manner: Manner) -> Stored<Tries<'_>> {
        self.takes_writes()?;
        Ok(Tries::new(&self.ways, manner, Some(self.place()?)))
    }

    /// Does it together with whatever else of its kind is to be done now.
    pub(crate) async fn together<O: Gathered>(&self, operation: O) -> Stored<O::Answer> {
        if O::MANNER == Gathering::Writing {
            self.takes_writes()?;
        }
        let end = Instant::now() + self.ways.patience;
        O::gatherer(&self.gatherers).ask(operation, end, self.place()?).await
    }

    #[cfg(test)]
    pub(crate) fn ways(&self) -> Arc<Ways> {
        self.ways.clone()
    }

    fn takes_writes(&self) -> Stored<()> {
        if self.is_running() {
            return Ok(());
        }
        Err(StoreError::Unavailable("the store takes no writes any more".into()))
    }

    fn place(&self) -> Stored<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_owned().map_err(|_| {
            StoreError::Unavailable("too many operations wait for the database".into())
        })
    }

    /// Looks now whether another node has changed something.
    pub(crate) async fn look(&self, memory: &Memory) {
        watch::look(&self.ways, memory).await;
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.room.available_permits() < self.size - self.size / 4
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

const LATE: &str = "the database does not answer in time";

/// Advisory locks are numbers that all programs on a database share. Ours begin with this one,
/// which is the migrations'.
const LOCKS: i64 = 0x6b65_7973_7469_6c00;

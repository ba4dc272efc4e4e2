//! SQLite: a file beside the program. One thread writes, a few connections read, and what was
//! answered is on disk.

mod backup;
pub(crate) mod db;
mod departure;
mod locks;
mod open;
mod place;
mod readers;
mod restore;
mod watch;
mod writer;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use keystile_authority::ports::Stored;

use crate::memory::Memory;
use crate::migrations::MigrationPlan;
use db::Db;
use place::Place;
use readers::Readers;
use watch::Watch;
use writer::Writer;

pub use backup::{Contents, CopyError, StoreCopy};
pub use departure::Departure;
pub use open::OpenError;
pub use restore::Restore;

/// What opening the file would do to its tables. Nothing is touched.
pub fn plan(path: &Path, options: Options) -> Result<MigrationPlan, OpenError> {
    if !path.exists() {
        return Ok(open::plan_of_new());
    }
    open::plan(&mut open::reader(path, options).map_err(OpenError::Sqlite)?)
}

/// How a database in a file works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections that read: as many as threads that ask, or reads wait for each other.
    pub readers: usize,
    /// Writes that may wait; more are refused at once.
    pub queue: usize,
    /// Writes that share a commit at most.
    pub batch: usize,
    /// When a commit has taken this long, the disk or another process holds it up: from then on
    /// until it is over, writes are refused at once instead of waiting behind it.
    pub patience: Duration,
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
            patience: Duration::from_secs(2),
            busy_timeout: Duration::from_secs(5),
        }
    }
}

pub(crate) struct Sqlite {
    // The writer goes first: it finishes its queue while the rest is still there.
    writer: Writer,
    readers: Readers,
    watch: Watch,
    place: Place,
    /// Locked for as long as the store is open.
    _in_use: File,
}

impl Sqlite {
    /// Opens the file, makes it if it is missing (it and its folder for its owner alone), and
    /// brings its tables up to date.
    pub(crate) fn open(path: &Path, options: Options, memory: &Memory) -> Result<Self, OpenError> {
        let (connection, in_use) = open::prepare(path, options)?;
        let reader = || open::reader(path, options).map_err(OpenError::Sqlite);
        let readers = (0..options.readers.max(1)).map(|_| reader()).collect::<Result<_, _>>()?;
        let watch = Watch::new(reader()?);
        watch.try_look(memory).map_err(OpenError::Store)?;
        let again = path.to_owned();
        let reopen = move || open::writer(&again, options);
        let place = Place::of(path);
        let here = place.clone();
        let check = move || here.check();
        let writer =
            Writer::start(connection, reopen, check, options).map_err(OpenError::Thread)?;
        let readers = Readers::new(readers);
        Ok(Self { writer, readers, watch, place, _in_use: in_use })
    }

    pub(crate) fn read<T>(&self, ask: impl AsyncFnOnce(&mut Db<'_>) -> Stored<T>) -> Stored<T> {
        self.readers.ask(ask)
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        self.writer.write(act).await
    }

    /// The same for what comes out the same when it is done twice: while its commit is in doubt it
    /// is sent again.
    pub(crate) async fn write_again<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
    ) -> Stored<T> {
        self.writer.write_until_known(act).await
    }

    /// Whether what is written will be found again.
    pub(crate) fn check_place(&self) -> Stored<()> {
        self.place.check()
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.writer.is_pressed()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.writer.is_running()
    }

    pub(crate) fn stop(&self) {
        self.writer.stop();
    }
}

#[cfg(test)]
mod lost_answers;

//! Lock files beside the database, for what SQLite's own locks do not say.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::open::{OpenError, private};

/// Held while the tables are brought up to date, or the file is replaced. Whoever opens the store
/// waits for it: refinery takes no lock of its own.
pub(super) fn of_changes(database: &Path) -> Result<File, OpenError> {
    let path = beside(database, ".lock");
    let locked = open(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| OpenError::File { path, error })
}

/// Held by each process that has the store open, for as long as it has.
pub(super) fn of_use(database: &Path) -> Result<File, OpenError> {
    let path = beside(database, ".in-use");
    let locked = open(&path).and_then(|file| file.lock_shared().map(|()| file));
    locked.map_err(|error| OpenError::File { path, error })
}

/// For a command that is about to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Held by a process that wants the store for itself. Nothing if another one has it open.
pub(super) fn alone(database: &Path) -> Result<Option<File>, OpenError> {
    let path = beside(database, ".in-use");
    let failed = |error| OpenError::File { path: path.clone(), error };
    let file = open(&path).map_err(failed)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() > PATIENCE => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    private(options.write(true).create(true).truncate(false)).open(path)
}

/// The database's path with something behind its name.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

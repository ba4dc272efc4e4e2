//! A backup put in a store's place. Until the last step nothing of what is there is touched, and
//! that step is a rename: whenever it ends, there is the store of before or that of the backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use keystile_protocol::Timestamp;

use super::backup::{CopyError, Draft, StoreCopy, sync_folder_of, unreadable};
use super::{Options, locks, open};

/// A backup that is read, checked and brought up to date, while nobody else can open the store
/// whose place it is to take.
#[derive(Debug)]
pub struct Restore {
    copy: StoreCopy,
    store: PathBuf,
    options: Options,
    // Given back in this order: whoever waits to open the store finds it free.
    _alone: File,
    _changes: File,
}

impl Restore {
    /// Reads the backup. In the copy of it a new epoch has begun.
    pub fn prepare(
        backup: &Path,
        store: &Path,
        now: Timestamp,
        options: Options,
    ) -> Result<Self, CopyError> {
        let mut from = match File::open(backup) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CopyError::Missing(backup.to_owned()));
            }
            opened => opened.map_err(CopyError::file(backup))?,
        };
        if fs::metadata(locks::beside(backup, "-wal")).is_ok_and(|log| log.len() > 0) {
            return Err(CopyError::NotWhole(backup.to_owned()));
        }
        open::make_folder(store)?;
        // Programs that open the store from now on wait.
        let changes = locks::of_changes(store)?;
        let alone = locks::alone(store)?.ok_or_else(|| CopyError::InUse(store.to_owned()))?;
        let draft = Draft::beside(store)?;
        let mut to =
            OpenOptions::new().write(true).open(&draft.0).map_err(CopyError::file(store))?;
        io::copy(&mut from, &mut to).map_err(CopyError::file(&draft.0))?;
        let mut copy = StoreCopy::checked(draft, backup, options)?;
        copy.renew(now)?;
        Ok(Self { copy, store: store.to_owned(), options, _alone: alone, _changes: changes })
    }

    /// What will be in the place of the store.
    pub fn copy(&mut self) -> &mut StoreCopy {
        &mut self.copy
    }

    /// Puts it there. What was there keeps a name, which is told.
    pub fn finish(self, now: Timestamp) -> Result<Option<PathBuf>, CopyError> {
        let draft = self.copy.close()?;
        let aside = set_aside(&self.store, now, self.options)?;
        fs::rename(&draft.0, &self.store).map_err(CopyError::file(&self.store))?;
        sync_folder_of(&self.store)?;
        Ok(aside)
    }
}

/// Gives the store a second name. It keeps the first one until the other file takes it.
fn set_aside(store: &Path, now: Timestamp, options: Options) -> Result<Option<PathBuf>, CopyError> {
    match fs::metadata(store) {
        // Whoever waits to open the store has made the file.
        Ok(file) if file.len() == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CopyError::file(store)(error)),
    }
    let whole = into_one_file(store, options)?;
    let aside = locks::beside(store, &format!(".before-restore-{}", now.seconds()));
    link(store, &aside)?;
    if !whole {
        // SQLite would write the log of the one file into the other.
        for suffix in ["-wal", "-shm"] {
            let part = locks::beside(store, suffix);
            if part.exists() {
                link(&part, &locks::beside(&aside, suffix))?;
                fs::remove_file(&part).map_err(CopyError::file(&part))?;
            }
        }
    }
    sync_folder_of(store)?;
    Ok(Some(aside))
}

/// Takes the log into the database, which works only where nobody has it open: programs of before
/// that hold no lock of ours are noticed here. False for a file that SQLite does not read.
fn into_one_file(store: &Path, options: Options) -> Result<bool, CopyError> {
    // SQLite would throw away the log of a file that it does not know.
    if !begins_as_a_database(store).map_err(CopyError::file(store))? {
        return Ok(false);
    }
    let alone = open::connect(store, options).and_then(|connection| {
        connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0))
    });
    match alone {
        Ok(mode) if mode == "delete" => Ok(true),
        Ok(_) => Err(CopyError::InUse(store.to_owned())),
        Err(error) => match unreadable(store, error) {
            CopyError::NotAStore(_) | CopyError::Damaged { .. } => Ok(false),
            CopyError::Sqlite(error) if is_busy(&error) => Err(CopyError::InUse(store.to_owned())),
            other => Err(other),
        },
    }
}

fn begins_as_a_database(store: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(store)?.take(16).read_to_end(&mut start)?;
    Ok(start == b"SQLite format 3\0")
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

fn link(from: &Path, to: &Path) -> Result<(), CopyError> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(CopyError::Taken(to.to_owned()))
        }
        Ok(()) => Ok(()),
        // Not every file system has links.
        Err(_) => copy(from, to).map_err(CopyError::file(to)),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

//! Whether the database's files are still where they were opened.
//!
//! A file that was removed stays open: SQLite would go on writing to what nobody finds again, and
//! what was answered would be gone with the process.

use std::path::{Path, PathBuf};

use keystile_authority::ports::{StoreError, Stored};

/// Two files, the database and its write-ahead log.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    files: [(PathBuf, Option<Identity>); 2],
}

impl Place {
    /// Of a database that is open.
    pub(crate) fn of(database: &Path) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let files = [database.to_owned(), PathBuf::from(log)].map(|path| {
            let identity = identity(&path);
            (path, identity)
        });
        Self { files }
    }

    /// Whether what is written there will be found again.
    pub(crate) fn check(&self) -> Stored<()> {
        let moved = self.files.iter().any(|(path, opened)| identity(path) != *opened);
        if moved { Err(StoreError::Unavailable(MOVED.into())) } else { Ok(()) }
    }
}

const MOVED: &str = "the database's file was moved, removed or replaced; put it back, or restart";

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
type Identity = ();

/// An open file can be neither moved nor removed there.
#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<Identity> {
    Some(())
}

//! Opening the file, and bringing it up to date.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use keystile_authority::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Options;
use super::db::{Db, at_once};
use crate::meta;

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder could not be made or locked.
    #[error("{}: {error}", path.display())]
    File {
        /// What was to be made or locked.
        path: PathBuf,
        /// Why it was not.
        error: io::Error,
    },
    /// SQLite does not take it.
    #[error("the database cannot be opened: {0}")]
    Sqlite(rusqlite::Error),
    /// It was written by a program that is too new for this one.
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
    /// It is open, and what it should hold cannot be read.
    #[error("the database cannot be read: {0}")]
    Store(StoreError),
    /// A migration failed, and the database is as it was before.
    #[error("the database cannot be brought up to date: {0}")]
    Migration(Box<refinery::Error>),
    /// The file system cannot hold a database that several processes share.
    #[error("the database cannot keep a write-ahead log here; is it on a network file system?")]
    NoWriteAheadLog,
    /// No thread for the writer.
    #[error("the writer cannot be started: {0}")]
    Thread(io::Error),
}

/// Makes the file if need be and migrates it; the connection is the writer's.
pub(crate) fn prepare(path: &Path, options: Options) -> Result<Connection, OpenError> {
    make(path)?;
    let _one_at_a_time = migration_lock(path)?;
    let mut connection = writer(path, options).map_err(OpenError::Sqlite)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(OpenError::Sqlite)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog);
    }
    migrate(&mut connection)?;
    Ok(connection)
}

fn make(path: &Path) -> Result<(), OpenError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::File { path, error }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        for_owner_alone(DirBuilder::new().recursive(true), 0o700)
            .create(folder)
            .map_err(failed(folder))?;
    }
    let mut new = OpenOptions::new();
    private(new.write(true).create_new(true));
    match new.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn for_owner_alone(builder: &mut DirBuilder, mode: u32) -> &mut DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(builder, mode)
}

#[cfg(not(unix))]
fn for_owner_alone(builder: &mut DirBuilder, _mode: u32) -> &mut DirBuilder {
    builder
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn private(_options: &mut OpenOptions) {}

/// refinery takes no lock: two programs that start together wait for each other here.
fn migration_lock(path: &Path) -> Result<File, OpenError> {
    let mut path = path.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let mut options = OpenOptions::new();
    private(options.write(true).create(true).truncate(false));
    let locked = options.open(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| OpenError::File { path, error })
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations().iter().map(|migration| i64::from(migration.version()));
    let known = known.max().unwrap_or(0);
    let needed = readable_by(connection)?;
    if needed > known {
        return Err(OpenError::Newer { needed, known });
    }
    // In one transaction, so that no migration is applied and not noted. A migration that this
    // program does not know was let pass by `readable_by`.
    let runner = runner.set_grouped(true).set_abort_missing(false);
    runner.run(connection).map_err(|error| OpenError::Migration(Box::new(error)))?;
    Ok(())
}

fn readable_by(connection: &mut Connection) -> Result<i64, OpenError> {
    if !connection.table_exists(None, "meta").map_err(OpenError::Sqlite)? {
        return Ok(0);
    }
    at_once(meta::readable_by(&mut Db::new(connection))).map_err(OpenError::Store)
}

/// A connection that writes, to a file that is there.
pub(crate) fn writer(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let connection = connect(path, options)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = 1;
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -8000;",
    )?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn reader(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let connection = connect(path, options)?;
    connection.execute_batch("PRAGMA query_only = 1;")?;
    Ok(connection)
}

fn connect(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    // Without this guarantee the planner looks at the parameters' values and prepares a statement
    // anew whenever they change: that was most of a read's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

//! Opening the file, and bringing it up to date.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use keystile_authority::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::db::{Db, at_once};
use super::departure::moved_at;
use super::{Options, locks};
use crate::meta;
use crate::migrations::{self, MigrationPlan};

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
    /// What it holds is in another database by now.
    #[error(
        "the store was moved to another database ('keystile store move'), which is to be served \
         instead. 'keystile store reopen' opens this one again, as it was then"
    )]
    Moved,
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

/// Makes the file if need be and migrates it; the connection is the writer's, and the file says to
/// other processes that the store is in use.
pub(super) fn prepare(path: &Path, options: Options) -> Result<(Connection, File), OpenError> {
    make(path)?;
    let _one_at_a_time = locks::of_changes(path)?;
    let in_use = locks::of_use(path)?;
    let mut connection = writer(path, options).map_err(OpenError::Sqlite)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(OpenError::Sqlite)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog);
    }
    migrate(&mut connection)?;
    Ok((connection, in_use))
}

fn make(path: &Path) -> Result<(), OpenError> {
    make_folder(path)?;
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(OpenError::File { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Makes the folder of the file, if it is missing.
pub(super) fn make_folder(path: &Path) -> Result<(), OpenError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    let made = for_owner_alone(DirBuilder::new().recursive(true), 0o700).create(folder);
    made.map_err(|error| OpenError::File { path: folder.to_owned(), error })
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
pub(super) fn private(options: &mut OpenOptions) -> &OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
pub(super) fn private(options: &mut OpenOptions) -> &OpenOptions {
    options
}

/// In one transaction, so that no migration is applied and not noted.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let plan = plan(connection)?;
    if plan.at > 0 && moved_at(connection).map_err(OpenError::Sqlite)?.is_some() {
        return Err(OpenError::Moved);
    }
    if plan.readable_by > plan.known {
        return Err(OpenError::Newer { needed: plan.readable_by, known: plan.known });
    }
    // A migration that this program does not know was let pass by `readable_by`.
    let runner = embedded::migrations::runner().set_grouped(true).set_abort_missing(false);
    runner.run(connection).map_err(|error| OpenError::Migration(Box::new(error)))?;
    Ok(())
}

/// What the store lacks of what this program knows.
pub(super) fn plan(connection: &mut Connection) -> Result<MigrationPlan, OpenError> {
    if !connection.table_exists(None, "meta").map_err(OpenError::Sqlite)? {
        return Ok(plan_of_new());
    }
    let asked = at_once(async {
        let mut db = Db::new(connection);
        Ok((migrations::applied(&mut db).await?, meta::readable_by(&mut db).await?))
    });
    let (applied, readable_by) = asked.map_err(OpenError::Store)?;
    let runner = embedded::migrations::runner();
    Ok(migrations::plan(&applied, readable_by, runner.get_migrations()))
}

/// For a store that is not there yet.
pub(super) fn plan_of_new() -> MigrationPlan {
    migrations::plan(&[], 0, embedded::migrations::runner().get_migrations())
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

pub(super) fn connect(path: &Path, options: Options) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    // Without this guarantee the planner looks at the parameters' values and prepares a statement
    // anew whenever they change: that was most of a read's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_tables_is_that_of_the_schema() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate(&mut connection).expect("migrated");
        let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
                   WHERE t.type = 'table' AND t.name NOT IN ('meta', 'refinery_schema_history')
                   AND t.name NOT LIKE 'sqlite%'";
        let mut statement = connection.prepare(sql).expect("a statement");
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let there = statement.query_map([], pair).expect("rows");
        let there = there.collect::<rusqlite::Result<_>>().expect("text");
        assert_eq!(crate::tables::columns(), there, "what is not in the list would not be moved");
    }

    #[test]
    fn finding_30_every_migration_says_which_programs_can_work_on_the_result() {
        migrations::must_say_it(embedded::migrations::runner().get_migrations());
    }
}

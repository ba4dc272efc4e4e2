//! A store that is moved to another backend: read as a whole, left as it is, and marked, so that it
//! is not served by accident.

use std::fs::File;
use std::path::Path;

use keystile_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::backup::{CopyError, must_be_ours, unreadable};
use super::{Options, locks, open};

/// What programs have to know that are to open a store which has moved: more than any does. Those
/// of before know nothing of the mark.
const NOBODY: i64 = 1_000_000;

/// A store that nobody else can open while it is moved.
#[derive(Debug)]
pub struct Departure {
    connection: Connection,
    _alone: File,
    _changes: File,
}

impl Departure {
    /// Takes hold of the store. It may be marked already, by a move that did not end.
    pub fn begin(path: &Path, options: Options) -> Result<Self, CopyError> {
        let mut departure = Self::hold(path, options)?;
        let plan = open::plan(&mut departure.connection)?;
        if !plan.ahead.is_empty() {
            return Err(CopyError::Behind(path.to_owned()));
        }
        if plan.readable_by > plan.known && departure.moved_at()?.is_none() {
            let (needed, known) = (plan.readable_by, plan.known);
            return Err(CopyError::Open(open::OpenError::Newer { needed, known }));
        }
        Ok(departure)
    }

    /// Says in the store that it has moved, and when: no program opens it from now on.
    pub(crate) fn mark(&self, now: Timestamp) -> Result<i64, CopyError> {
        if let Some(before) = self.moved_at()? {
            return Ok(before);
        }
        let transaction = self.connection.unchecked_transaction()?;
        let add = "INSERT INTO meta (name, value) SELECT 'moved_at', ?1
                   UNION ALL SELECT 'readable_before', value FROM meta WHERE name = 'readable_by'";
        transaction.execute(add, params![now.millis()])?;
        let nobody = "UPDATE meta SET value = ?1 WHERE name = 'readable_by'";
        transaction.execute(nobody, params![NOBODY])?;
        transaction.commit()?;
        Ok(now.millis())
    }

    /// When it was moved, if it was.
    pub(crate) fn moved_at(&self) -> Result<Option<i64>, CopyError> {
        Ok(moved_at(&self.connection)?)
    }

    /// Takes the mark away, so that the store can be served again. False: it has none.
    pub fn cancel(path: &Path, options: Options) -> Result<bool, CopyError> {
        let departure = Self::hold(path, options)?;
        if departure.moved_at()?.is_none() {
            return Ok(false);
        }
        departure.connection.execute_batch(
            "BEGIN IMMEDIATE;
             UPDATE meta SET value = (SELECT m.value FROM meta m WHERE m.name = 'readable_before')
             WHERE name = 'readable_by';
             DELETE FROM meta WHERE name IN ('moved_at', 'readable_before');
             COMMIT;",
        )?;
        Ok(true)
    }

    fn hold(path: &Path, options: Options) -> Result<Self, CopyError> {
        if !path.exists() {
            return Err(CopyError::Missing(path.to_owned()));
        }
        let changes = locks::of_changes(path)?;
        let alone = locks::alone(path)?.ok_or_else(|| CopyError::InUse(path.to_owned()))?;
        let mut connection =
            open::writer(path, options).map_err(|error| unreadable(path, error))?;
        must_be_ours(&mut connection, path)?;
        Ok(Self { connection, _alone: alone, _changes: changes })
    }

    /// A number of the store's own.
    pub(crate) fn number(&self, name: &str) -> Result<i64, CopyError> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        Ok(self.connection.query_row(sql, [name], |row| row.get(0))?)
    }

    /// To be read row by row.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// When the store was moved away, if it was.
pub(super) fn moved_at(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT value FROM meta WHERE name = 'moved_at'";
    connection.query_row(sql, [], |row| row.get(0)).optional()
}

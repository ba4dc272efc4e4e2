//! Statements on an SQLite connection.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};

use keystile_authority::ports::{StoreError, Stored};
use keystile_protocol::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql};

use crate::statements::{Columns, Fields, Statements, Turn, Value};

/// A connection, inside of a transaction or not.
pub(crate) struct Db<'c> {
    connection: &'c mut Connection,
}

impl<'c> Db<'c> {
    pub(crate) fn new(connection: &'c mut Connection) -> Self {
        Self { connection }
    }

    /// The same for a while.
    pub(crate) fn again(&mut self) -> Db<'_> {
        Db { connection: self.connection }
    }

    fn prepare(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> rusqlite::Result<CachedStatement<'_>> {
        let mut statement = self.connection.prepare_cached(&numbered(sql))?;
        for (index, value) in params.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, value)?;
        }
        Ok(statement)
    }
}

/// `$n` is a *name* in SQLite, and names are numbered as they first appear: `SELECT $2, $1` would
/// swap its parameters. `?n` is a number.
///
/// Done once for each text of the program, which is found again by where it is.
fn numbered(sql: &'static str) -> Arc<str> {
    static NUMBERED: RwLock<BTreeMap<(usize, usize), Arc<str>>> = RwLock::new(BTreeMap::new());
    let place = (sql.as_ptr().addr(), sql.len());
    if let Some(known) = NUMBERED.read().unwrap_or_else(PoisonError::into_inner).get(&place) {
        return Arc::clone(known);
    }
    let numbered: Arc<str> = sql.replace('$', "?").into();
    let mut all = NUMBERED.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(all.entry(place).or_insert(numbered))
}

impl Statements for Db<'_> {
    async fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Stored<usize> {
        self.prepare(sql, params).and_then(|mut statement| statement.raw_execute()).map_err(failure)
    }

    async fn rows<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>> {
        let mut statement = self.prepare(sql, params).map_err(failure)?;
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(failure)? {
            all.push(read(&mut Fields::new(row))?);
        }
        Ok(all)
    }

    /// There is one writer at a time.
    async fn take_turn(&mut self, _: Turn) -> Stored<()> {
        Ok(())
    }

    async fn clock(&mut self) -> Stored<Option<Timestamp>> {
        Ok(None)
    }
}

impl Columns for rusqlite::Row<'_> {
    fn column(&self, index: usize) -> Option<Value<'_>> {
        match self.get_ref(index).ok()? {
            ValueRef::Null => Some(Value::Null),
            ValueRef::Integer(number) => Some(Value::Int(number)),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(Value::Text),
            ValueRef::Blob(bytes) => Some(Value::Bytes(bytes)),
            ValueRef::Real(_) => None,
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Runs an operation to its end: on SQLite nothing in it ever waits.
pub(crate) fn at_once<T>(operation: impl Future<Output = Stored<T>>) -> Stored<T> {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(StoreError::Broken("an operation on SQLite waits".into())),
    }
}

/// What an error means to the caller. Its text is SQLite's name for it: the message itself could
/// quote what was stored.
#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn failure(error: rusqlite::Error) -> StoreError {
    let Some(cause) = error.sqlite_error() else {
        return StoreError::Broken("a statement and its parameters do not fit together".into());
    };
    let words = rusqlite::ffi::code_to_str(cause.extended_code).to_owned();
    match cause.code {
        ErrorCode::ConstraintViolation => StoreError::Conflict("it is there already".into()),
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::NotADatabase
        | ErrorCode::ReadOnly
        | ErrorCode::OutOfMemory
        | ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::PermissionDenied => StoreError::Unavailable(words),
        _ => StoreError::Broken(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::{only_number, params};

    #[test]
    fn idea_10_parameters_are_bound_by_their_number_and_not_by_their_first_appearance() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let mut db = Db::new(&mut connection);
        let params = params!["one", "two"];
        let ask =
            db.row("SELECT $2, $1, $2", params, |row| Ok([row.text()?, row.text()?, row.text()?]));
        assert_eq!(at_once(ask), Ok(Some(["two", "one", "two"].map(str::to_owned))));
    }

    #[test]
    fn errors_say_what_happened_and_never_what_was_stored() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let mut db = Db::new(&mut connection);
        let schema = "CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER NOT NULL) STRICT";
        at_once(db.execute(schema, params![])).expect("a table");
        let add = "INSERT INTO t VALUES ($1, $2)";
        at_once(db.execute(add, params!["hunter2", 1_i64])).expect("a row");
        let twice = at_once(db.execute(add, params!["hunter2", 1_i64]));
        assert_eq!(twice, Err(StoreError::Conflict("it is there already".into())));
        let read = at_once(db.row("SELECT a FROM t", params![], only_number::<i64>));
        let words = "column 0 of a stored row cannot be read".to_owned();
        assert_eq!(read, Err(StoreError::Broken(words)));
        let unknown = at_once(db.execute("SELECT hunter2 FROM nowhere", params![]));
        assert_eq!(unknown, Err(StoreError::Broken("SQL logic error".into())));
    }
}

//! A whole store that comes from a file: every table, row by row, in one transaction.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::{SinkExt, pin_mut};
use keystile_authority::ports::StoreError;
use keystile_protocol::Timestamp;
use rusqlite::types::ValueRef;
use tokio_postgres::{CopyInSink, Transaction};

use super::connector::Connector;
use super::db::failure;
use super::{Address, OpenError, migrate};
use crate::sqlite::{CopyError, Departure};
use crate::tables::{TABLES, Table};

/// What is sent at once, in bytes.
const CHUNK: usize = 256 * 1024;

/// Why a store was not moved. Then nothing of it is in the database.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The file cannot be read.
    #[error(transparent)]
    From(#[from] CopyError),
    /// The database cannot be opened.
    #[error("the database cannot be opened: {0}")]
    To(#[from] OpenError),
    /// The database holds something already.
    #[error(
        "the database is not empty: there are rows in its table '{0}'. Move to a database in which \
         no server was started yet"
    )]
    NotEmpty(&'static str),
    /// The database did not take it.
    #[error("the database did not take it: {0}")]
    Refused(StoreError),
    /// Not as many rows arrived as were sent.
    #[error("{sent} rows of the table '{table}' were sent, and {there} are there")]
    Lost {
        /// Which table.
        table: &'static str,
        /// How many there are in the file.
        sent: u64,
        /// How many arrived.
        there: u64,
    },
    /// A number that is none, or a text that is none.
    #[error("a row of the table '{0}' cannot be read")]
    Unreadable(&'static str),
}

impl From<tokio_postgres::Error> for MoveError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Refused(failure(&error).1)
    }
}

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Each table, and how many rows of it there were and are.
    pub tables: Vec<(&'static str, u64)>,
    /// Whether a move of before had brought it here already.
    pub was_there: bool,
}

/// Moves the store to an empty database. The file is marked before the first row is sent, so that
/// there is no moment in which both could be served.
pub async fn move_here(from: &Departure, to: &Address, now: Timestamp) -> Result<Moved, MoveError> {
    let connector = Connector::new(to.clone(), std::sync::Arc::default());
    let connector = connector.map_err(OpenError::Address)?;
    let mut connection = connector.connect_bare().await.map_err(OpenError::Store)?;
    migrate::migrate(&mut connection).await?;
    let client = connection.client();
    // Large tables take their time.
    client.batch_execute("SET statement_timeout = 0").await?;
    let transaction = client.transaction().await?;
    for (table, _) in TABLES {
        let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        transaction.batch_execute(&lock).await?;
    }
    if let Some(moved_at) = from.moved_at()?
        && number(&transaction, "moved_from").await? == Some(moved_at)
    {
        let tables = counts(&transaction).await?;
        return Ok(Moved { tables, was_there: true });
    }
    for (table, rows) in counts(&transaction).await? {
        if rows > 0 {
            return Err(MoveError::NotEmpty(table));
        }
    }
    let moved_at = from.mark(now)?;
    for table in TABLES {
        copy(from, &transaction, *table).await?;
    }
    settle(from, &transaction, moved_at, now).await?;
    let tables = counts(&transaction).await?;
    transaction.commit().await?;
    Ok(Moved { tables, was_there: false })
}

/// Goes on counting where the file stopped, in an epoch of its own: codes and pages of before are
/// refused, and what waits for a word is asked anew. Sessions and grants stay.
async fn settle(
    from: &Departure,
    to: &Transaction<'_>,
    moved_at: i64,
    now: Timestamp,
) -> Result<(), MoveError> {
    let epoch = from.number("epoch")?.saturating_add(1).max(now.millis());
    let changes = from.number("changes")?.saturating_add(1);
    let set = format!(
        "UPDATE meta SET value = CASE name WHEN 'epoch' THEN {epoch} ELSE {changes} END
         WHERE name IN ('epoch', 'changes');
         INSERT INTO meta (name, value) VALUES ('moved_from', {moved_at});
         SELECT setval(pg_get_serial_sequence('logout_messages', 'id'),
                       (SELECT COALESCE(MAX(id), 0) + 1 FROM logout_messages), false);
         DELETE FROM pings;
         DELETE FROM pending_authorizations"
    );
    Ok(to.batch_execute(&set).await?)
}

async fn number(to: &Transaction<'_>, name: &str) -> Result<Option<i64>, MoveError> {
    let sql = format!("SELECT value FROM meta WHERE name = '{name}'");
    Ok(to.query_opt(&sql, &[]).await?.map(|row| row.get(0)))
}

async fn counts(to: &Transaction<'_>) -> Result<Vec<(&'static str, u64)>, MoveError> {
    let mut counts = Vec::new();
    for (table, _) in TABLES {
        let row = to.query_one(&format!("SELECT COUNT(*) FROM {table}"), &[]).await?;
        counts.push((*table, u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)));
    }
    Ok(counts)
}

async fn copy(from: &Departure, to: &Transaction<'_>, table: Table) -> Result<(), MoveError> {
    let (name, columns) = table;
    let sink = to.copy_in(&format!("COPY {name} ({columns}) FROM STDIN")).await?;
    pin_mut!(sink);
    let mut sink: std::pin::Pin<&mut CopyInSink<Bytes>> = sink;
    let select = format!("SELECT {columns} FROM {name}");
    let mut statement = from.connection().prepare(&select).map_err(CopyError::Sqlite)?;
    let width = statement.column_count();
    let mut rows = statement.query([]).map_err(CopyError::Sqlite)?;
    let (mut sent, mut text) = (0, String::new());
    while let Some(row) = rows.next().map_err(CopyError::Sqlite)? {
        for column in 0..width {
            if column > 0 {
                text.push('\t');
            }
            let value = row.get_ref(column).map_err(CopyError::Sqlite)?;
            write_value(value, &mut text).ok_or(MoveError::Unreadable(name))?;
        }
        text.push('\n');
        sent += 1;
        if text.len() > CHUNK {
            sink.send(Bytes::from(std::mem::take(&mut text))).await?;
        }
    }
    sink.send(Bytes::from(text)).await?;
    let there = sink.finish().await?;
    if there == sent { Ok(()) } else { Err(MoveError::Lost { table: name, sent, there }) }
}

/// A value as COPY reads it: <https://www.postgresql.org/docs/current/sql-copy.html>, text format.
fn write_value(value: ValueRef<'_>, text: &mut String) -> Option<()> {
    match value {
        ValueRef::Null => text.push_str("\\N"),
        ValueRef::Integer(number) => write!(text, "{number}").ok()?,
        ValueRef::Blob(bytes) => {
            text.push_str("\\\\x");
            for byte in bytes {
                write!(text, "{byte:02x}").ok()?;
            }
        }
        ValueRef::Text(bytes) => {
            for character in std::str::from_utf8(bytes).ok()?.chars() {
                match character {
                    '\\' => text.push_str("\\\\"),
                    '\t' => text.push_str("\\t"),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    // PostgreSQL has no such texts.
                    '\0' => return None,
                    other => text.push(other),
                }
            }
        }
        ValueRef::Real(_) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_list_of_tables_is_that_of_the_schema() {
        let fresh = tokio::task::spawn_blocking(keystile_test_postgres::Database::fresh);
        let fresh = fresh.await.expect("a database");
        let address = Address::parse(&fresh.url(), None).expect("an address");
        let connector = Connector::new(address, std::sync::Arc::default()).expect("a way");
        let mut connection = connector.connect_bare().await.expect("there");
        migrate::migrate(&mut connection).await.expect("migrated");
        let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns
                   WHERE table_schema = 'public'
                   AND table_name NOT IN ('meta', 'refinery_schema_history')";
        let rows = connection.client().query(sql, &[]).await.expect("rows");
        let there = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(crate::tables::columns(), there, "what is not in the list would not be moved");
    }

    #[test]
    fn values_are_written_as_copy_reads_them() {
        let cases = [
            (ValueRef::Null, Some("\\N")),
            (ValueRef::Integer(-7), Some("-7")),
            (ValueRef::Blob(&[0, 0xab]), Some("\\\\x00ab")),
            (ValueRef::Blob(&[]), Some("\\\\x")),
            (ValueRef::Text(b""), Some("")),
            (ValueRef::Text(b"\\N"), Some("\\\\N")),
            (ValueRef::Text(b"\\."), Some("\\\\.")),
            (ValueRef::Text("a\tb\r\nZo\u{eb}".as_bytes()), Some("a\\tb\\r\\nZo\u{eb}")),
            (ValueRef::Text(b"a\0b"), None),
            (ValueRef::Text(b"\xff"), None),
            (ValueRef::Real(1.5), None),
        ];
        for (value, expected) in cases {
            let mut text = String::new();
            let written = write_value(value, &mut text).map(|()| text.as_str());
            assert_eq!(written, expected, "{value:?}");
        }
    }
}

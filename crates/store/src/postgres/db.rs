//! Statements on a PostgreSQL connection.

use std::error::Error as _;
use std::fmt;
use std::pin::Pin;
use std::sync::OnceLock;

use bytes::BytesMut;
use keystile_authority::ports::{StoreError, Stored};
use keystile_protocol::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use super::LOCKS;
use super::arrays::Array;
use super::connection::Connection;
use crate::statements::{Columns, Fields, Statements, Turn, Value, only_number, params};

/// A connection, inside of a transaction or not.
#[derive(Clone, Copy)]
pub(crate) struct Db<'c> {
    connection: &'c Connection,
    trouble: &'c OnceLock<Trouble>,
}

/// What a failure means for the connection and for another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is of no more use. What was sent last may have been done or not.
    Lost,
    /// Others were in the way: nothing was done, and the next try may succeed.
    Collision,
    /// The statement was refused.
    Refused,
}

impl<'c> Db<'c> {
    /// `trouble` will say what went wrong first.
    pub(crate) fn new(connection: &'c Connection, trouble: &'c OnceLock<Trouble>) -> Self {
        Self { connection, trouble }
    }

    fn failed(&self, error: tokio_postgres::Error) -> StoreError {
        let (trouble, words) = failure(&error);
        if trouble == Trouble::Lost {
            self.connection.retire();
        }
        self.trouble.get_or_init(|| trouble);
        words
    }

    /// Boxed, so that nobody has to look into the driver to see that it can be sent to another
    /// thread.
    fn query<'a>(&'a self, sql: &'static str, params: &'a [Value<'a>]) -> Answer<'a, Vec<Row>> {
        Box::pin(async move {
            let statement = self.connection.prepare(sql, params).await?;
            let params: Vec<_> = params.iter().map(|value| value as _).collect();
            self.connection.query(&statement, &params).await
        })
    }

    /// A statement whose parameters are columns.
    pub(crate) async fn rows_by_arrays<T>(
        self,
        sql: &'static str,
        params: &[Array<'_>],
        mut read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>> {
        let asked = async {
            let types: Vec<Type> = params.iter().map(Array::kind).collect();
            let statement = self.connection.prepare_typed(sql, 0, &types).await?;
            let params: Vec<_> = params.iter().map(|array| array as _).collect();
            self.connection.query(&statement, &params).await
        };
        let rows = asked.await.map_err(|error| self.failed(error))?;
        rows.iter().map(|row| read(&mut Fields::new(row))).collect()
    }

    fn change<'a>(&'a self, sql: &'static str, params: &'a [Value<'a>]) -> Answer<'a, u64> {
        Box::pin(async move {
            let statement = self.connection.prepare(sql, params).await?;
            self.connection.execute(&statement, params).await
        })
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>> + Send + 'a>>;

impl Statements for Db<'_> {
    async fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Stored<usize> {
        let changed = self.change(sql, params).await.map_err(|error| self.failed(error))?;
        usize::try_from(changed).map_err(|_| StoreError::Broken("too many rows".into()))
    }

    async fn rows<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>> {
        let rows = self.query(sql, params).await.map_err(|error| self.failed(error))?;
        rows.iter().map(|row| read(&mut Fields::new(row))).collect()
    }

    async fn take_turn(&mut self, turn: Turn) -> Stored<()> {
        let number: i64 = match turn {
            Turn::Keys => 1,
            Turn::Parked => 2,
            Turn::Pending => 3,
            Turn::Registrations => 4,
        };
        let sql = "SELECT pg_advisory_xact_lock($1)";
        self.execute(sql, params![LOCKS + number]).await.map(drop)
    }

    async fn clock(&mut self) -> Stored<Option<Timestamp>> {
        let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        let now = self.row(sql, params![], only_number::<i64>).await?;
        Ok(now.map(Timestamp::from_millis))
    }
}

/// Types of the parameters as they are told to the server; of a NULL it finds out by itself.
pub(crate) fn types(params: &[Value<'_>]) -> Vec<Type> {
    let type_of = |value: &Value<'_>| match value {
        Value::Null => Type::UNKNOWN,
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    };
    params.iter().map(type_of).collect()
}

impl Columns for Row {
    fn column(&self, index: usize) -> Option<Value<'_>> {
        self.try_get(index).ok().map(|Column(value)| value)
    }
}

struct Column<'a>(Value<'a>);

impl<'a> FromSql<'a> for Column<'a> {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *kind {
            Type::INT8 => Value::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Value::Int(i32::from_sql(kind, raw)?.into()),
            Type::BYTEA => Value::Bytes(raw),
            _ => Value::Text(<&str>::from_sql(kind, raw)?),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::INT4 | Type::BYTEA | Type::TEXT)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(number), &Type::INT8) => number.to_sql(kind, out),
            // What PostgreSQL cannot hold becomes what stands for it, when it is asked for as well.
            (Self::Text(text), &Type::TEXT) if text.contains('\0') => {
                text.replace('\0', "\u{FFFD}").to_sql(kind, out)
            }
            (Self::Text(text), &Type::TEXT) => text.to_sql(kind, out),
            (Self::Bytes(bytes), &Type::BYTEA) => bytes.to_sql(kind, out),
            _ => Err("a parameter has another type than its place".into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::BYTEA | Type::TEXT)
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Without what it holds: the driver writes parameters to the log where that is set up so.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Int(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
        })
    }
}

/// What an error means to the caller. The server's message stays out of it: that could quote what
/// was stored.
pub(crate) fn failure(error: &tokio_postgres::Error) -> (Trouble, StoreError) {
    let Some(code) = error.code() else {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
        return if cause.is_some() || error.is_closed() {
            (Trouble::Lost, StoreError::Unavailable(LOST.into()))
        } else {
            let words = "a statement and its parameters do not fit together";
            (Trouble::Refused, StoreError::Broken(words.into()))
        };
    };
    let words = format!("PostgreSQL says {}", code.code());
    match *code {
        SqlState::UNIQUE_VIOLATION => {
            (Trouble::Refused, StoreError::Conflict("it is there already".into()))
        }
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
            (Trouble::Collision, StoreError::Unavailable(words))
        }
        // A server that only reads is not, or no longer, the one that takes writes.
        SqlState::READ_ONLY_SQL_TRANSACTION
        | SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            (Trouble::Lost, StoreError::Unavailable(words))
        }
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => {
            (Trouble::Refused, StoreError::Unavailable(words))
        }
        _ => match code.code().get(..2) {
            Some("08") => (Trouble::Lost, StoreError::Unavailable(words)),
            // Too little disk, memory or connections; an error of the system below.
            Some("53" | "58") => (Trouble::Refused, StoreError::Unavailable(words)),
            _ => (Trouble::Refused, StoreError::Broken(words)),
        },
    }
}

/// What a caller is told whose connection broke.
pub(crate) const LOST: &str = "the connection to the database was lost";

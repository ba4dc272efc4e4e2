//! What an operation needs of a backend: statements with parameters, and rows.
//!
//! SQL is written once, with `$n` for the n-th parameter.

use keystile_authority::ids::{AccountId, GrantId, ParkedId, SessionId};
use keystile_authority::ports::{StoreError, Stored};
use keystile_protocol::{ClientId, Scope, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A transaction, or a place to read from.
///
/// The methods are async for backends behind a network; SQLite's are ready at once.
pub(crate) trait Statements {
    /// Runs a statement and says how many rows it changed.
    async fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Stored<usize>;

    /// Runs a statement and reads all of its rows.
    async fn rows<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>>;

    /// Runs a statement that has one row at most, and reads it.
    async fn row<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Option<T>> {
        Ok(self.rows(sql, params, read).await?.pop())
    }

    /// Waits until no other transaction has this turn, and keeps it until the end of this one: what
    /// is read from now on stays as it is for those who take turns.
    async fn take_turn(&mut self, turn: Turn) -> Stored<()>;

    /// What time it is where the database is; nothing if that is here.
    async fn clock(&mut self) -> Stored<Option<Timestamp>>;
}

/// Of what one at a time is counted and added, so that no two take the last place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Keys,
    Parked,
    Pending,
    Registrations,
}

/// What a parameter or a column holds.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The parameters of a statement, in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::statements::Value::from($value)),*] };
}
pub(crate) use params;

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value<'_> {
    fn from(yes: bool) -> Self {
        Self::Int(yes.into())
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Int(time.millis())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Scope> for Value<'a> {
    fn from(scope: &'a Scope) -> Self {
        Self::Text(scope.as_str())
    }
}

impl<'a> From<&'a ClientId> for Value<'a> {
    fn from(id: &'a ClientId) -> Self {
        Self::Text(id.as_str())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, T> From<Option<T>> for Value<'a>
where
    Value<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

macro_rules! id_values {
    ($($id:ident),*) => {$(
        impl<'a> From<&'a $id> for Value<'a> {
            fn from(id: &'a $id) -> Self {
                Self::Bytes(id.as_bytes())
            }
        }
    )*};
}
id_values!(AccountId, GrantId, ParkedId, SessionId);

/// A row of a backend.
pub(crate) trait Columns {
    /// What the column holds; nothing if there is no such column, or nothing that we write.
    fn column(&self, index: usize) -> Option<Value<'_>>;
}

/// A row's columns one after another, in the order of the `SELECT`.
pub(crate) struct Fields<'r> {
    row: &'r dyn Columns,
    next: usize,
}

impl<'r> Fields<'r> {
    pub(crate) fn new(row: &'r dyn Columns) -> Self {
        Self { row, next: 0 }
    }

    /// The next column, read by `read`. The error names the column and never its content.
    fn next<T>(&mut self, read: impl FnOnce(Value<'r>) -> Option<T>) -> Stored<T> {
        let index = self.next;
        self.next += 1;
        self.row.column(index).and_then(read).ok_or_else(|| {
            StoreError::Broken(format!("column {index} of a stored row cannot be read"))
        })
    }

    pub(crate) fn int(&mut self) -> Stored<i64> {
        self.next(|value| if let Value::Int(number) = value { Some(number) } else { None })
    }

    pub(crate) fn maybe_int(&mut self) -> Stored<Option<i64>> {
        self.maybe_number()
    }

    pub(crate) fn maybe_number<T: TryFrom<i64>>(&mut self) -> Stored<Option<T>> {
        self.next(|value| match value {
            Value::Int(number) => T::try_from(number).ok().map(Some),
            Value::Null => Some(None),
            _ => None,
        })
    }

    pub(crate) fn flag(&mut self) -> Stored<bool> {
        Ok(self.int()? != 0)
    }

    pub(crate) fn time(&mut self) -> Stored<Timestamp> {
        self.int().map(Timestamp::from_millis)
    }

    /// A number that is kept as a signed one.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self) -> Stored<T> {
        self.next(|value| match value {
            Value::Int(number) => T::try_from(number).ok(),
            _ => None,
        })
    }

    fn str(&mut self) -> Stored<&'r str> {
        self.next(|value| if let Value::Text(text) = value { Some(text) } else { None })
    }

    pub(crate) fn text(&mut self) -> Stored<String> {
        self.str().map(str::to_owned)
    }

    pub(crate) fn maybe_text(&mut self) -> Stored<Option<String>> {
        self.next(|value| match value {
            Value::Text(text) => Some(Some(text.to_owned())),
            Value::Null => Some(None),
            _ => None,
        })
    }

    pub(crate) fn bytes(&mut self) -> Stored<&'r [u8]> {
        self.next(|value| if let Value::Bytes(bytes) = value { Some(bytes) } else { None })
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Stored<[u8; N]> {
        self.next(|value| match value {
            Value::Bytes(bytes) => bytes.try_into().ok(),
            _ => None,
        })
    }

    pub(crate) fn maybe_array<const N: usize>(&mut self) -> Stored<Option<[u8; N]>> {
        self.next(|value| match value {
            Value::Bytes(bytes) => bytes.try_into().ok().map(Some),
            Value::Null => Some(None),
            _ => None,
        })
    }

    /// Text of a type that checks it, such as a scope.
    pub(crate) fn checked<T: TryFrom<&'r str>>(&mut self) -> Stored<T> {
        self.next(|value| match value {
            Value::Text(text) => T::try_from(text).ok(),
            _ => None,
        })
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Stored<T> {
        self.next(|value| match value {
            Value::Text(text) => serde_json::from_str(text).ok(),
            _ => None,
        })
    }
}

/// Reads a row of one number.
pub(crate) fn only_number<T: TryFrom<i64>>(row: &mut Fields<'_>) -> Stored<T> {
    row.number()
}

/// Reads a row of one record.
pub(crate) fn only_json<T: DeserializeOwned>(row: &mut Fields<'_>) -> Stored<T> {
    row.json()
}

/// A record as it is kept.
pub(crate) fn to_json(record: &impl Serialize) -> Stored<String> {
    serde_json::to_string(record)
        .map_err(|_| StoreError::Broken("a record cannot be written as JSON".into()))
}

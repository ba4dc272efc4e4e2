//! Parameters that hold a column of values each.

use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type};

use crate::statements::Value;

/// What a column is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Bytes,
}

/// The values of one column.
pub(crate) enum Array<'a> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

impl<'a> Array<'a> {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Int => Self::Ints(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
            Kind::Bytes => Self::Bytes(Vec::new()),
        }
    }

    /// Adds a value; one of another kind counts as none.
    pub(crate) fn push(&mut self, value: Value<'a>) {
        match self {
            Self::Ints(all) => all.push(match value {
                Value::Int(number) => Some(number),
                _ => None,
            }),
            Self::Texts(all) => all.push(match value {
                Value::Text(text) => Some(text),
                _ => None,
            }),
            Self::Bytes(all) => all.push(match value {
                Value::Bytes(bytes) => Some(bytes),
                _ => None,
            }),
        }
    }

    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::Ints(_) => Type::INT8_ARRAY,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::Bytes(_) => Type::BYTEA_ARRAY,
        }
    }
}

impl ToSql for Array<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Ints(all) => all.to_sql(kind, out),
            Self::Texts(all) => all.to_sql(kind, out),
            Self::Bytes(all) => all.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8_ARRAY | Type::TEXT_ARRAY | Type::BYTEA_ARRAY)
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Without what it holds.
impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
}

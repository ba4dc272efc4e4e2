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
pub(crate) struct Array<'a> {
    kind: Kind,
    values: Vec<Value<'a>>,
}

/// Rows as columns, which are of these kinds.
pub(crate) fn columns<'a, const N: usize>(
    kinds: [Kind; N],
    rows: impl IntoIterator<Item = [Value<'a>; N]>,
) -> [Array<'a>; N] {
    let mut columns = kinds.map(|kind| Array { kind, values: Vec::new() });
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.values.push(value);
        }
    }
    columns
}

impl Array<'_> {
    pub(crate) fn kind(&self) -> Type {
        match self.kind {
            Kind::Int => Type::INT8_ARRAY,
            Kind::Text => Type::TEXT_ARRAY,
            Kind::Bytes => Type::BYTEA_ARRAY,
        }
    }
}

impl ToSql for Array<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.values.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <Vec<Value<'_>> as ToSql>::accepts(kind)
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Without what it holds.
impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }
}

//! Numbers about the store as a whole.

use keystile_authority::ports::{StoreError, Stored};
use keystile_protocol::Timestamp;

use crate::statements::{Statements, only_number, params};
use crate::{migrations, pending, sessions};

/// What every process looks at from time to time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Counts writes to clients and keys.
    pub(crate) changes: i64,
    /// See `Store::epoch`.
    pub(crate) epoch: u64,
}

pub(crate) async fn marks(db: &mut impl Statements) -> Stored<Marks> {
    let sql = "SELECT c.value, e.value, r.value FROM meta c, meta e, meta r \
               WHERE c.name = 'changes' AND e.name = 'epoch' AND r.name = 'readable_by'";
    let marks = db.row(sql, params![], |row| {
        Ok((Marks { changes: row.int()?, epoch: row.number()? }, row.int()?))
    });
    let (marks, readable_by) =
        marks.await?.ok_or_else(|| StoreError::Broken("the store has lost its epoch".into()))?;
    // Brought up to date under our feet, by a program that left a version out.
    if readable_by > migrations::KNOWN {
        return Err(StoreError::Unavailable(format!(
            "the store is for programs that know migration {readable_by} by now"
        )));
    }
    Ok(marks)
}

/// Tells every process that what it remembers of clients and keys is old. Until the transaction
/// ends nobody else does so.
pub(crate) async fn note_change(db: &mut impl Statements) -> Stored<()> {
    let sql = "UPDATE meta SET value = value + 1 WHERE name = 'changes'";
    db.execute(sql, params![]).await.map(drop)
}

/// Begins a new epoch after the store went back in time, or may have: nothing that waits for a word
/// is left, browsers sign in again, and what was sealed before is refused. Grants stay.
pub(crate) async fn begin_epoch(db: &mut impl Statements, now: Timestamp) -> Stored<u64> {
    pending::delete_all(db).await?;
    sessions::forget_browsers(db).await?;
    note_change(db).await?;
    raise_epoch(db, now).await
}

/// Its number is the time, so that two restores of one backup do not begin
/// the same epoch twice.
pub(crate) async fn raise_epoch(db: &mut impl Statements, now: Timestamp) -> Stored<u64> {
    let sql = "UPDATE meta SET value = CASE WHEN value < $1 THEN $1 ELSE value + 1 END \
               WHERE name = 'epoch' RETURNING value";
    let epoch = db.row(sql, params![now], only_number::<u64>).await?;
    epoch.ok_or_else(|| StoreError::Broken("the store has lost its epoch".into()))
}

/// The lowest migration that a program must know to work on this store.
pub(crate) async fn readable_by(db: &mut impl Statements) -> Stored<i64> {
    let sql = "SELECT value FROM meta WHERE name = 'readable_by'";
    Ok(db.row(sql, params![], only_number::<i64>).await?.unwrap_or(0))
}

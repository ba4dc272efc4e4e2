//! What becomes of the server's keys, of whichever kind, and what is kept beside them.

use keystile_authority::decisions::KeyChange;
use keystile_authority::ports::{Kept, Resealed, StoreError, Stored};

use crate::key_table::{DECRYPTION, SIGNING};
use crate::statements::{Statements, Turn, params};
use crate::{keys, meta};

pub(crate) async fn kept(db: &mut impl Statements, what: Kept) -> Stored<Option<Vec<u8>>> {
    let sql = "SELECT value FROM kept WHERE name = $1";
    db.row(sql, params![what.as_str()], |row| row.bytes().map(<[u8]>::to_vec)).await
}

pub(crate) async fn keep(db: &mut impl Statements, what: Kept, value: &[u8]) -> Stored<Vec<u8>> {
    let sql = "INSERT INTO kept (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    db.execute(sql, params![what.as_str(), value]).await?;
    kept(db, what).await?.ok_or_else(|| StoreError::Broken("what was kept is not there".into()))
}

/// An error takes all of it back.
pub(crate) async fn change(db: &mut impl Statements, change: &KeyChange) -> Stored<()> {
    db.take_turn(Turn::Keys).await?;
    for (kid, from) in &change.used_from {
        let found =
            SIGNING.use_from(db, kid, *from).await? || DECRYPTION.use_from(db, kid, *from).await?;
        if !found {
            return Err(StoreError::Conflict(format!("the key {kid} is not there any more")));
        }
    }
    for (kid, since) in &change.unused_since {
        keys::note_unused(db, kid, *since).await?;
    }
    for kid in &change.removed {
        if !SIGNING.remove(db, kid).await? || !DECRYPTION.remove(db, kid).await? {
            return Err(StoreError::Conflict(format!("the key {kid} is the last of its kind")));
        }
    }
    meta::note_change(db).await
}

/// An error takes all of it back.
pub(crate) async fn reseal(db: &mut impl Statements, resealed: &[Resealed]) -> Stored<()> {
    let sql = "UPDATE kept SET value = $3 WHERE name = $1 AND value = $2";
    meta::note_change(db).await?;
    for Resealed { name, from, to } in resealed {
        let done = SIGNING.reseal(db, name, from, to).await?
            || DECRYPTION.reseal(db, name, from, to).await?
            || db.execute(sql, params![name, from.as_slice(), to.as_slice()]).await? > 0;
        if !done {
            return Err(StoreError::Conflict(format!("the key {name} has changed meanwhile")));
        }
    }
    Ok(())
}

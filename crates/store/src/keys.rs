//! Signing keys, sealed by whoever hands them in.

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::StoredKey;
use keystile_protocol::Timestamp;
use keystile_protocol::jose::Algorithm;

use crate::key_table::{KeyRow, SIGNING};
use crate::statements::{Fields, Statements, params};

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<StoredKey>> {
    SIGNING.all(db, read).await
}

fn read(row: &mut Fields<'_>) -> Stored<StoredKey> {
    let kid = row.text()?;
    let algorithm = Algorithm::from_name(&row.text()?)
        .ok_or_else(|| StoreError::Broken("a key's algorithm is unknown".into()))?;
    let (sealed, created_at) = (row.bytes()?.to_vec(), row.time()?);
    let (used_from, unused_since) = (row.time()?, row.maybe_int()?.map(Timestamp::from_millis));
    Ok(StoredKey { kid, algorithm, sealed, created_at, used_from, unused_since })
}

fn row(key: &StoredKey) -> KeyRow<'_> {
    let StoredKey { kid, algorithm, sealed, created_at, used_from, .. } = key;
    let kind = algorithm.as_str();
    KeyRow { kid, kind, sealed, created_at: *created_at, used_from: *used_from }
}

/// Notes since when a key is not used; nothing: it is used again.
pub(crate) async fn note_unused(
    db: &mut impl Statements,
    kid: &str,
    since: Option<Timestamp>,
) -> Stored<()> {
    let sql = "UPDATE signing_keys SET unused_since = $2 WHERE kid = $1";
    db.execute(sql, params![kid, since]).await.map(drop)
}

pub(crate) async fn rotate(db: &mut impl Statements, key: &StoredKey) -> Stored<()> {
    SIGNING.rotate(db, row(key)).await
}

pub(crate) async fn add(db: &mut impl Statements, key: &StoredKey) -> Stored<()> {
    if SIGNING.add(db, row(key)).await? {
        return Ok(());
    }
    let words = format!("another node has just added a key for {}", key.algorithm.as_str());
    Err(StoreError::Conflict(words))
}

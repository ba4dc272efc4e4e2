//! Signing keys, sealed by whoever hands them in.

use std::time::Duration;

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::StoredKey;
use keystile_protocol::Timestamp;
use keystile_protocol::jose::Algorithm;

use crate::meta;
use crate::statements::{Fields, Statements, Turn, only_number, params};

/// Two keys of one algorithm (or type) within this time were made by two nodes that did not know of each
/// other. A rotation comes much later.
pub(crate) const MEANWHILE: Duration = Duration::from_secs(600);

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<StoredKey>> {
    let sql = "SELECT kid, algorithm, sealed, created_at, COALESCE(used_from, created_at) \
               FROM signing_keys ORDER BY created_at, kid";
    db.rows(sql, params![], read).await
}

fn read(row: &mut Fields<'_>) -> Stored<StoredKey> {
    let kid = row.text()?;
    let algorithm = Algorithm::from_name(&row.text()?)
        .ok_or_else(|| StoreError::Broken("a key's algorithm is unknown".into()))?;
    let (sealed, created_at) = (row.bytes()?.to_vec(), row.time()?);
    Ok(StoredKey { kid, algorithm, sealed, created_at, used_from: row.time()? })
}

const ADD: &str = "
    INSERT INTO signing_keys (kid, algorithm, sealed, created_at, used_from)
    SELECT n.kid, n.algorithm, n.sealed, n.created_at, n.used_from
    FROM (SELECT $1 AS kid, $2 AS algorithm, $3 AS sealed, $4 AS created_at, $5 AS used_from) n
    WHERE NOT EXISTS (SELECT 1 FROM signing_keys k
                      WHERE k.algorithm = $2 AND k.created_at > $6)";

/// Adds a key after others of its algorithm, by the operator's word.
pub(crate) async fn rotate(db: &mut impl Statements, key: &StoredKey) -> Stored<()> {
    let sql = "INSERT INTO signing_keys (kid, algorithm, sealed, created_at, used_from) \
               VALUES ($1, $2, $3, $4, $5)";
    let (algorithm, sealed) = (key.algorithm.as_str(), key.sealed.as_slice());
    let row = params![&key.kid, algorithm, sealed, key.created_at, key.used_from];
    db.execute(sql, row).await?;
    meta::note_change(db).await
}

pub(crate) async fn add(db: &mut impl Statements, key: &StoredKey) -> Stored<()> {
    let (algorithm, sealed) = (key.algorithm.as_str(), key.sealed.as_slice());
    let since = key.created_at.minus(MEANWHILE);
    let row = params![&key.kid, algorithm, sealed, key.created_at, key.used_from, since];
    db.take_turn(Turn::Keys).await?;
    if db.execute(ADD, row).await? == 0 {
        let words = format!("another node has just added a key for {algorithm}");
        return Err(StoreError::Conflict(words));
    }
    meta::note_change(db).await
}

const REMOVE: &str = "
    DELETE FROM signing_keys WHERE kid = $1
    AND EXISTS (SELECT 1 FROM signing_keys o
                WHERE o.algorithm = signing_keys.algorithm AND o.kid <> $1)";

/// Takes a key away, unless it is the last of its algorithm. False: it is still there.
pub(crate) async fn remove(db: &mut impl Statements, kid: &str) -> Stored<bool> {
    db.execute(REMOVE, params![kid]).await?;
    let sql = "SELECT COUNT(*) FROM signing_keys WHERE kid = $1";
    Ok(db.row(sql, params![kid], only_number::<i64>).await? == Some(0))
}

/// Has a key used from then on. False: there is no such key.
pub(crate) async fn use_from(db: &mut impl Statements, kid: &str, from: Timestamp) -> Stored<bool> {
    let sql = "UPDATE signing_keys SET used_from = $2 WHERE kid = $1";
    Ok(db.execute(sql, params![kid, from]).await? > 0)
}

/// Replaces what is kept of a key. False: it is not what it was.
pub(crate) async fn reseal(
    db: &mut impl Statements,
    kid: &str,
    from: &[u8],
    to: &[u8],
) -> Stored<bool> {
    let sql = "UPDATE signing_keys SET sealed = $3 WHERE kid = $1 AND sealed = $2";
    Ok(db.execute(sql, params![kid, from, to]).await? > 0)
}

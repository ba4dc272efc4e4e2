//! Signing keys, sealed by whoever hands them in.

use std::time::Duration;

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::StoredKey;
use keystile_protocol::jose::Algorithm;

use crate::meta;
use crate::statements::{Fields, Statements, Turn, params};

/// Two keys of one algorithm (or type) within this time were made by two nodes that did not know of each
/// other. A rotation comes much later.
pub(crate) const MEANWHILE: Duration = Duration::from_secs(600);

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<StoredKey>> {
    let sql = "SELECT kid, algorithm, sealed, created_at FROM signing_keys \
               ORDER BY created_at, kid";
    db.rows(sql, params![], read).await
}

fn read(row: &mut Fields<'_>) -> Stored<StoredKey> {
    let kid = row.text()?;
    let algorithm = Algorithm::from_name(&row.text()?)
        .ok_or_else(|| StoreError::Broken("a key's algorithm is unknown".into()))?;
    Ok(StoredKey { kid, algorithm, sealed: row.bytes()?.to_vec(), created_at: row.time()? })
}

const ADD: &str = "
    INSERT INTO signing_keys (kid, algorithm, sealed, created_at)
    SELECT n.kid, n.algorithm, n.sealed, n.created_at
    FROM (SELECT $1 AS kid, $2 AS algorithm, $3 AS sealed, $4 AS created_at) n
    WHERE NOT EXISTS (SELECT 1 FROM signing_keys k
                      WHERE k.algorithm = $2 AND k.created_at > $5)";

/// Adds a key after others of its algorithm, by the operator's word.
pub(crate) async fn rotate(db: &mut impl Statements, key: &StoredKey) -> Stored<()> {
    let sql = "INSERT INTO signing_keys (kid, algorithm, sealed, created_at) \
               VALUES ($1, $2, $3, $4)";
    let algorithm = key.algorithm.as_str();
    db.execute(sql, params![&key.kid, algorithm, key.sealed.as_slice(), key.created_at]).await?;
    meta::note_change(db).await
}

pub(crate) async fn add(db: &mut impl Statements, key: &StoredKey) -> Stored<()> {
    let algorithm = key.algorithm.as_str();
    let since = key.created_at.minus(MEANWHILE);
    let params = params![&key.kid, algorithm, key.sealed.as_slice(), key.created_at, since];
    db.take_turn(Turn::Keys).await?;
    if db.execute(ADD, params).await? == 0 {
        let words = format!("another node has just added a key for {algorithm}");
        return Err(StoreError::Conflict(words));
    }
    meta::note_change(db).await
}

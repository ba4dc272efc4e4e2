//! Keys that decrypt, sealed by whoever hands them in.

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::StoredDecryptionKey;
use keystile_protocol::Timestamp;
use keystile_protocol::jose::encryption::KeyType;

use crate::keys::MEANWHILE;
use crate::meta;
use crate::statements::{Fields, Statements, Turn, only_number, params};

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<StoredDecryptionKey>> {
    let sql = "SELECT kid, key_type, sealed, created_at, COALESCE(used_from, created_at) \
               FROM decryption_keys ORDER BY created_at, kid";
    db.rows(sql, params![], read).await
}

fn read(row: &mut Fields<'_>) -> Stored<StoredDecryptionKey> {
    let kid = row.text()?;
    let key_type = KeyType::from_name(&row.text()?)
        .ok_or_else(|| StoreError::Broken("a key's type is unknown".into()))?;
    let (sealed, created_at) = (row.bytes()?.to_vec(), row.time()?);
    Ok(StoredDecryptionKey { kid, key_type, sealed, created_at, used_from: row.time()? })
}

const ADD: &str = "
    INSERT INTO decryption_keys (kid, key_type, sealed, created_at, used_from)
    SELECT n.kid, n.key_type, n.sealed, n.created_at, n.used_from
    FROM (SELECT $1 AS kid, $2 AS key_type, $3 AS sealed, $4 AS created_at, $5 AS used_from) n
    WHERE NOT EXISTS (SELECT 1 FROM decryption_keys k
                      WHERE k.key_type = $2 AND k.created_at > $6)";

/// Adds a key after others of its type, by the operator's word.
pub(crate) async fn rotate(db: &mut impl Statements, key: &StoredDecryptionKey) -> Stored<()> {
    let sql = "INSERT INTO decryption_keys (kid, key_type, sealed, created_at, used_from) \
               VALUES ($1, $2, $3, $4, $5)";
    let (key_type, sealed) = (key.key_type.as_str(), key.sealed.as_slice());
    let row = params![&key.kid, key_type, sealed, key.created_at, key.used_from];
    db.execute(sql, row).await?;
    meta::note_change(db).await
}

pub(crate) async fn add(db: &mut impl Statements, key: &StoredDecryptionKey) -> Stored<()> {
    let (key_type, sealed) = (key.key_type.as_str(), key.sealed.as_slice());
    let since = key.created_at.minus(MEANWHILE);
    let row = params![&key.kid, key_type, sealed, key.created_at, key.used_from, since];
    db.take_turn(Turn::Keys).await?;
    if db.execute(ADD, row).await? == 0 {
        let words = format!("another node has just added an {key_type} key for decryption");
        return Err(StoreError::Conflict(words));
    }
    meta::note_change(db).await
}

const REMOVE: &str = "
    DELETE FROM decryption_keys WHERE kid = $1
    AND EXISTS (SELECT 1 FROM decryption_keys o
                WHERE o.key_type = decryption_keys.key_type AND o.kid <> $1)";

/// Takes a key away, unless it is the last of its type. False: it is still there.
pub(crate) async fn remove(db: &mut impl Statements, kid: &str) -> Stored<bool> {
    db.execute(REMOVE, params![kid]).await?;
    let sql = "SELECT COUNT(*) FROM decryption_keys WHERE kid = $1";
    Ok(db.row(sql, params![kid], only_number::<i64>).await? == Some(0))
}

/// Has others encrypt to a key from then on. False: there is no such key.
pub(crate) async fn use_from(db: &mut impl Statements, kid: &str, from: Timestamp) -> Stored<bool> {
    let sql = "UPDATE decryption_keys SET used_from = $2 WHERE kid = $1";
    Ok(db.execute(sql, params![kid, from]).await? > 0)
}

/// Replaces what is kept of a key. False: it is not what it was.
pub(crate) async fn reseal(
    db: &mut impl Statements,
    kid: &str,
    from: &[u8],
    to: &[u8],
) -> Stored<bool> {
    let sql = "UPDATE decryption_keys SET sealed = $3 WHERE kid = $1 AND sealed = $2";
    Ok(db.execute(sql, params![kid, from, to]).await? > 0)
}

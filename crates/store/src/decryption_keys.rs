//! Keys that decrypt, sealed by whoever hands them in.

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::StoredDecryptionKey;
use keystile_protocol::jose::encryption::KeyType;

use crate::keys::MEANWHILE;
use crate::meta;
use crate::statements::{Fields, Statements, Turn, params};

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<StoredDecryptionKey>> {
    let sql = "SELECT kid, key_type, sealed, created_at FROM decryption_keys \
               ORDER BY created_at, kid";
    db.rows(sql, params![], read).await
}

fn read(row: &mut Fields<'_>) -> Stored<StoredDecryptionKey> {
    let kid = row.text()?;
    let key_type = KeyType::from_name(&row.text()?)
        .ok_or_else(|| StoreError::Broken("a key's type is unknown".into()))?;
    let (sealed, created_at) = (row.bytes()?.to_vec(), row.time()?);
    Ok(StoredDecryptionKey { kid, key_type, sealed, created_at })
}

const ADD: &str = "
    INSERT INTO decryption_keys (kid, key_type, sealed, created_at)
    SELECT n.kid, n.key_type, n.sealed, n.created_at
    FROM (SELECT $1 AS kid, $2 AS key_type, $3 AS sealed, $4 AS created_at) n
    WHERE NOT EXISTS (SELECT 1 FROM decryption_keys k
                      WHERE k.key_type = $2 AND k.created_at > $5)";

pub(crate) async fn add(db: &mut impl Statements, key: &StoredDecryptionKey) -> Stored<()> {
    let key_type = key.key_type.as_str();
    let since = key.created_at.minus(MEANWHILE);
    let params = params![&key.kid, key_type, key.sealed.as_slice(), key.created_at, since];
    db.take_turn(Turn::Keys).await?;
    if db.execute(ADD, params).await? == 0 {
        let words = format!("another node has just added an {key_type} key for decryption");
        return Err(StoreError::Conflict(words));
    }
    meta::note_change(db).await
}

//! Keys that decrypt, sealed by whoever hands them in.

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::StoredDecryptionKey;
use keystile_protocol::jose::encryption::KeyType;

use crate::key_table::{DECRYPTION, KeyRow};
use crate::statements::{Fields, Statements};

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<StoredDecryptionKey>> {
    DECRYPTION.all(db, read).await
}

fn read(row: &mut Fields<'_>) -> Stored<StoredDecryptionKey> {
    let kid = row.text()?;
    let key_type = KeyType::from_name(&row.text()?)
        .ok_or_else(|| StoreError::Broken("a key's type is unknown".into()))?;
    let (sealed, created_at) = (row.bytes()?.to_vec(), row.time()?);
    Ok(StoredDecryptionKey { kid, key_type, sealed, created_at, used_from: row.time()? })
}

fn row(key: &StoredDecryptionKey) -> KeyRow<'_> {
    let StoredDecryptionKey { kid, key_type, sealed, created_at, used_from } = key;
    let kind = key_type.as_str();
    KeyRow { kid, kind, sealed, created_at: *created_at, used_from: *used_from }
}

pub(crate) async fn rotate(db: &mut impl Statements, key: &StoredDecryptionKey) -> Stored<()> {
    DECRYPTION.rotate(db, row(key)).await
}

pub(crate) async fn add(db: &mut impl Statements, key: &StoredDecryptionKey) -> Stored<()> {
    if DECRYPTION.add(db, row(key)).await? {
        return Ok(());
    }
    let key_type = key.key_type.as_str();
    Err(StoreError::Conflict(format!(
        "another node has just added an {key_type} key for decryption"
    )))
}

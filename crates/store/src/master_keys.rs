//! Which master keys the processes have, without the keys themselves.

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::rules::master_key::KnownMasterKey;
use keystile_protocol::Timestamp;

use crate::meta;
use crate::statements::{Fields, Statements, only_number, params};

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<KnownMasterKey>> {
    let sql = "SELECT id, proof, sealed_at FROM master_keys ORDER BY id";
    db.rows(sql, params![], read).await
}

fn read(row: &mut Fields<'_>) -> Stored<KnownMasterKey> {
    let (id, proof) = (row.number()?, row.array()?);
    Ok(KnownMasterKey { id, proof, sealed_at: row.maybe_int()?.map(Timestamp::from_millis) })
}

const NOTE: &str = "
    INSERT INTO master_keys (id, proof, sealed_at) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE SET sealed_at = CASE
        WHEN master_keys.proof <> excluded.proof THEN master_keys.sealed_at
        WHEN master_keys.sealed_at > excluded.sealed_at THEN master_keys.sealed_at
        ELSE COALESCE(excluded.sealed_at, master_keys.sealed_at) END
    RETURNING id, proof, sealed_at";

pub(crate) async fn note(db: &mut impl Statements, key: &KnownMasterKey) -> Stored<KnownMasterKey> {
    let noted = db.row(NOTE, params![u32::from(key.id), &key.proof, key.sealed_at], read).await?;
    noted.ok_or_else(|| StoreError::Broken("a master key was not noted".into()))
}

pub(crate) async fn forget(db: &mut impl Statements, id: u8) -> Stored<()> {
    let sql = "DELETE FROM master_keys WHERE id = $1";
    db.execute(sql, params![u32::from(id)]).await?;
    meta::note_change(db).await
}

const GRANTS: &str = "
    SELECT COUNT(*) FROM grants WHERE created_at < $1 AND expires_at > $2 AND revoked_at IS NULL";

/// Reads all grants: this is for an operator who asks.
pub(crate) async fn grants_from_before(
    db: &mut impl Statements,
    until: Timestamp,
    now: Timestamp,
) -> Stored<u64> {
    Ok(db.row(GRANTS, params![until, now], only_number).await?.unwrap_or(0))
}

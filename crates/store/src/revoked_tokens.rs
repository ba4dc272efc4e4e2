//! Access tokens that were revoked by themselves (RFC 7009), until they expire.

use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;

use crate::statements::{Statements, only_number, params};

pub(crate) async fn contains(db: &mut impl Statements, jti: &str) -> Stored<bool> {
    let sql = "SELECT 1 FROM revoked_tokens WHERE jti = $1";
    Ok(db.row(sql, params![jti], only_number::<i64>).await?.is_some())
}

pub(crate) async fn add(db: &mut impl Statements, jti: &str, expires_at: Timestamp) -> Stored<()> {
    let sql = "INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) \
               ON CONFLICT (jti) DO NOTHING";
    db.execute(sql, params![jti, expires_at]).await.map(drop)
}

//! What counts once, until it is refused for its age: client assertions (RFC 7523 section 3) and
//! DPoP proofs (RFC 9449 section 11.1).

use keystile_authority::decisions::{OnceKind, UsedOnce};
use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;

use crate::statements::{Fields, Statements, only_number, params};

/// One statement, so that of parallel uses one finds itself and all others find that one.
const USE: &str = "
    INSERT INTO used_once (key, used_by, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT (key) DO UPDATE SET used_by = used_once.used_by
    RETURNING used_by";

/// Writes them as `by`'s; says which of them was another's. A write in doubt may be sent again: it
/// finds its own.
pub(crate) async fn add(
    db: &mut impl Statements,
    once: &[UsedOnce],
    by: &[u8; 16],
) -> Stored<Option<OnceKind>> {
    for used in once {
        let row = params![&used.key, by, used.expires_at];
        let used_by = db.row(USE, row, user).await?;
        if used_by != Some(*by) {
            return Ok(Some(used.kind));
        }
    }
    Ok(None)
}

fn user(row: &mut Fields<'_>) -> Stored<[u8; 16]> {
    row.array()
}

const EXPIRED: &str = "SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM used_once WHERE expires_at < $1 LIMIT $2) t";

pub(crate) async fn expired(db: &mut impl Statements, now: Timestamp, limit: u32) -> Stored<u32> {
    Ok(db.row(EXPIRED, params![now, limit], only_number).await?.unwrap_or(0))
}

const DELETE: &str = "
    DELETE FROM used_once WHERE key IN (
        SELECT key FROM used_once WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";

pub(crate) async fn delete(db: &mut impl Statements, now: Timestamp, limit: u32) -> Stored<usize> {
    db.execute(DELETE, params![now, limit]).await
}

//! What is too large to travel: pushed requests (RFC 9126) and codes, for the minutes in which
//! somebody may come back for them.

use keystile_authority::decisions::{Park, Parked};
use keystile_authority::ids::ParkedId;
use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;

use crate::statements::{Fields, Statements, Turn, only_number, params};

/// What has expired and is not swept yet takes no place.
const PARK: &str = "
    INSERT INTO parked (id, owner, content, expires_at)
    SELECT $1, $2, $3, $4
    WHERE (SELECT COUNT(*) FROM (SELECT 1 AS one FROM parked
           WHERE owner = $2 AND expires_at > $5 LIMIT $6) o) < $6
      AND (SELECT COUNT(*) FROM (SELECT 1 AS one FROM parked
           WHERE expires_at > $5 LIMIT $7) a) < $7";

pub(crate) async fn add(db: &mut impl Statements, park: &Park) -> Stored<Parked> {
    let params = params![
        &park.id,
        &park.owner,
        &park.content,
        park.expires_at,
        park.at,
        park.per_owner,
        park.in_all,
    ];
    db.take_turn(Turn::Parked).await?;
    match db.execute(PARK, params).await? {
        0 => Ok(Parked::Full),
        _ => Ok(Parked::Done),
    }
}

pub(crate) async fn find(
    db: &mut impl Statements,
    id: &ParkedId,
    now: Timestamp,
) -> Stored<Option<String>> {
    let sql = "SELECT content FROM parked WHERE id = $1 AND expires_at > $2";
    db.row(sql, params![id, now], content).await
}

fn content(row: &mut Fields<'_>) -> Stored<String> {
    row.text()
}

const EXPIRED: &str = "SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM parked WHERE expires_at <= $1 LIMIT $2) t";

pub(crate) async fn expired(db: &mut impl Statements, now: Timestamp, limit: u32) -> Stored<u32> {
    Ok(db.row(EXPIRED, params![now, limit], only_number).await?.unwrap_or(0))
}

const DELETE: &str = "
    DELETE FROM parked WHERE id IN (
        SELECT id FROM parked WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

pub(crate) async fn delete(db: &mut impl Statements, now: Timestamp, limit: u32) -> Stored<usize> {
    db.execute(DELETE, params![now, limit]).await
}

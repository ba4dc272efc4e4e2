//! Initial access tokens (RFC 7591 section 3), by their digests.

use keystile_authority::ports::Stored;
use keystile_authority::registered::InitialAccessToken;
use keystile_protocol::Timestamp;

use crate::statements::{Statements, only_number, params};

const GOOD: &str = "
    SELECT COUNT(*) FROM initial_access_tokens
    WHERE digest = $1 AND expires_at > $2 AND uses_left > 0";

pub(crate) async fn is_good(
    db: &mut impl Statements,
    digest: &[u8; 32],
    now: Timestamp,
) -> Stored<bool> {
    let found: Option<u32> = db.row(GOOD, params![digest, now], only_number).await?;
    Ok(found.unwrap_or(0) > 0)
}

/// Of a token that is good in the same transaction.
pub(crate) async fn use_up(db: &mut impl Statements, digest: &[u8; 32]) -> Stored<()> {
    let sql = "UPDATE initial_access_tokens SET uses_left = uses_left - 1 WHERE digest = $1";
    db.execute(sql, params![digest]).await.map(drop)
}

const ADD: &str = "
    INSERT INTO initial_access_tokens (digest, name, created_at, expires_at, uses_left)
    VALUES ($1, $2, $3, $4, $5)";

pub(crate) async fn add(
    db: &mut impl Statements,
    digest: &[u8; 32],
    token: &InitialAccessToken,
) -> Stored<()> {
    let InitialAccessToken { name, created_at, expires_at, uses_left } = token;
    let row = params![digest, name, *created_at, *expires_at, *uses_left];
    db.execute(ADD, row).await.map(drop)
}

const ALL: &str = "
    SELECT name, created_at, expires_at, uses_left FROM initial_access_tokens
    WHERE expires_at > $1 AND uses_left > 0 ORDER BY created_at, name";

pub(crate) async fn all(
    db: &mut impl Statements,
    now: Timestamp,
) -> Stored<Vec<InitialAccessToken>> {
    db.rows(ALL, params![now], |row| {
        Ok(InitialAccessToken {
            name: row.text()?,
            created_at: row.time()?,
            expires_at: row.time()?,
            uses_left: row.number()?,
        })
    })
    .await
}

pub(crate) async fn remove(db: &mut impl Statements, name: &str) -> Stored<bool> {
    let sql = "DELETE FROM initial_access_tokens WHERE name = $1";
    Ok(db.execute(sql, params![name]).await? > 0)
}

/// Whether any is of no more use.
pub(crate) async fn any_spent(db: &mut impl Statements, now: Timestamp) -> Stored<bool> {
    let sql = "SELECT COUNT(*) FROM initial_access_tokens WHERE expires_at <= $1 OR uses_left = 0";
    let spent: Option<u32> = db.row(sql, params![now], only_number).await?;
    Ok(spent.unwrap_or(0) > 0)
}

pub(crate) async fn delete_spent(db: &mut impl Statements, now: Timestamp) -> Stored<()> {
    let sql = "DELETE FROM initial_access_tokens WHERE expires_at <= $1 OR uses_left = 0";
    db.execute(sql, params![now]).await.map(drop)
}

//! Pings: written with the request that they are about, taken by whoever delivers them, forgotten
//! when they are delivered.

use keystile_authority::ids::GrantId;
use keystile_authority::pending::Pending;
use keystile_authority::ping::{Ping, PingCall, PingClaim, PingSettled};
use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;
use keystile_protocol::seal::Sealed;

use crate::statements::{Statements, only_number, params};

const ADD: &str = "
    INSERT INTO pings (request, client, sealed, tries, due_at, lease_until)
    VALUES ($1, $2, $3, 0, $4, 0)";

/// Without a word it is due when the request ends.
pub(crate) async fn add(
    db: &mut impl Statements,
    pending: &Pending,
    call: &Sealed<PingCall>,
) -> Stored<()> {
    let row = params![&pending.grant, &pending.client, call.as_str(), pending.expires_at];
    db.execute(ADD, row).await.map(drop)
}

/// To be called with the user's word.
pub(crate) async fn make_due(
    db: &mut impl Statements,
    request: &GrantId,
    at: Timestamp,
) -> Stored<()> {
    let sql = "UPDATE pings SET due_at = $2 WHERE request = $1 AND tries = 0";
    db.execute(sql, params![request, at]).await.map(drop)
}

const DUE: &str = "
    SELECT COUNT(*) FROM (SELECT 1 AS one FROM pings
    WHERE due_at <= $1 AND lease_until <= $1 LIMIT 1) t";

/// Whether there is anything to take: asked of a reader, so that the writer is left alone.
pub(crate) async fn any_due(db: &mut impl Statements, now: Timestamp) -> Stored<bool> {
    let due: u32 = db.row(DUE, params![now], only_number).await?.unwrap_or(0);
    Ok(due > 0)
}

/// The row is asked again: another node may have taken it since the inner statement saw it.
const CLAIM: &str = "
    UPDATE pings SET tries = tries + 1, lease_until = $2
    WHERE request IN (SELECT request FROM pings WHERE due_at <= $1 AND lease_until <= $1
                      ORDER BY due_at, request LIMIT $3)
      AND lease_until <= $1
    RETURNING request, client, sealed, tries";

pub(crate) async fn claim(db: &mut impl Statements, claim: PingClaim) -> Stored<Vec<Ping>> {
    db.rows(CLAIM, params![claim.now, claim.lease_until, claim.limit], |row| {
        Ok(Ping {
            request: GrantId::from_bytes(row.array()?),
            client: row.checked()?,
            call: Sealed::from_text(row.text()?),
            tries: row.number()?,
        })
    })
    .await
}

pub(crate) async fn settle(db: &mut impl Statements, settled: &PingSettled) -> Stored<()> {
    let request = &settled.request;
    let Some(next) = settled.next_try_at else {
        let sql = "DELETE FROM pings WHERE request = $1";
        return db.execute(sql, params![request]).await.map(drop);
    };
    let sql = "UPDATE pings SET due_at = $2, lease_until = 0 WHERE request = $1";
    db.execute(sql, params![request, next]).await.map(drop)
}

/// After a restore no seal of before can be opened.
pub(crate) async fn delete_all(db: &mut impl Statements) -> Stored<()> {
    db.execute("DELETE FROM pings", params![]).await.map(drop)
}

//! Clients of metadata documents: each has its row among the clients once a person has let it in,
//! and one here.

use keystile_authority::ports::Stored;
use keystile_authority::records::ClientOrigin;
use keystile_authority::registered::ApprovedClient;
use keystile_protocol::{ClientId, Timestamp};

use crate::statements::{Statements, Value, only_number, params};
use crate::{clients, meta};

const APPROVE: &str = "
    INSERT INTO approved_clients (client, approved_at) VALUES ($1, $2)
    ON CONFLICT (client) DO NOTHING";

/// As the client is now; not where somebody registered one of that name.
pub(crate) async fn keep(db: &mut impl Statements, approved: &ApprovedClient) -> Stored<()> {
    let ApprovedClient { client, at, .. } = approved;
    // First, so that nobody registers one meanwhile.
    meta::note_change(db).await?;
    match clients::find(db, &client.id).await? {
        Some(known) if known.origin != ClientOrigin::Document => return Ok(()),
        _ => {}
    }
    db.execute(APPROVE, params![&client.id, *at]).await?;
    clients::put(db, client).await
}

/// To be called where a client is removed, or is the operator's from now on.
pub(crate) async fn forget(db: &mut impl Statements, client: &ClientId) -> Stored<()> {
    let sql = "DELETE FROM approved_clients WHERE client = $1";
    db.execute(sql, params![client]).await.map(drop)
}

/// Asked of a reader: nearly always there is nothing to note.
pub(crate) async fn never_used(db: &mut impl Statements, client: &ClientId) -> Stored<bool> {
    let sql = "SELECT COUNT(*) FROM approved_clients WHERE client = $1 AND used_at IS NULL";
    let found: Option<u32> = db.row(sql, params![client], only_number).await?;
    Ok(found.unwrap_or(0) > 0)
}

pub(crate) async fn note_first_use(
    db: &mut impl Statements,
    client: &ClientId,
    now: Timestamp,
) -> Stored<()> {
    let sql = "UPDATE approved_clients SET used_at = $2 WHERE client = $1 AND used_at IS NULL";
    db.execute(sql, params![client, now]).await.map(drop)
}

/// Those that took no tokens and are older than `$1`.
macro_rules! abandoned {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "(SELECT client FROM approved_clients WHERE used_at IS NULL AND approved_at < $1
              ORDER BY approved_at LIMIT $2)",
            $after
        )
    };
}

pub(crate) async fn abandoned(
    db: &mut impl Statements,
    before: Timestamp,
    limit: u32,
) -> Stored<u32> {
    let sql = abandoned!("SELECT COUNT(*) FROM ", " t");
    Ok(db.row(sql, params![before, limit], only_number).await?.unwrap_or(0))
}

/// Removes them as [`clients::remove`] does, many at once.
pub(crate) async fn sweep(
    db: &mut impl Statements,
    before: Timestamp,
    limit: u32,
) -> Stored<usize> {
    let which: &[Value<'_>] = params![before, limit];
    db.execute(abandoned!("DELETE FROM consents WHERE client IN ", ""), which).await?;
    db.execute(abandoned!("DELETE FROM clients WHERE id IN ", ""), which).await?;
    let sql = abandoned!("DELETE FROM approved_clients WHERE client IN ", "");
    let gone = db.execute(sql, which).await?;
    meta::note_change(db).await?;
    Ok(gone)
}

//! Clients of metadata documents: each has its row among the clients once a person has let it in,
//! and one here.

use keystile_authority::ports::Stored;
use keystile_authority::records::ClientOrigin;
use keystile_authority::registered::ApprovedClient;
use keystile_protocol::ClientId;

use crate::statements::{Statements, params};
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

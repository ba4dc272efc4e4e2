//! Clients, each a JSON record with a format number.

use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::{Client, ClientOrigin};
use keystile_protocol::ClientId;

use crate::statements::{Fields, Statements, params, to_json};
use crate::{approved_clients, logos, meta, registrations};

/// The format that this release writes.
const FORMAT: i64 = 1;

/// Reads the columns `format, record`.
pub(crate) fn read(row: &mut Fields<'_>) -> Stored<Client> {
    let format = row.int()?;
    if format != FORMAT {
        return Err(StoreError::Broken(format!(
            "a client's record has format {format}; this program reads format {FORMAT}"
        )));
    }
    row.json()
}

pub(crate) async fn find(db: &mut impl Statements, id: &ClientId) -> Stored<Option<Client>> {
    db.row("SELECT format, record FROM clients WHERE id = $1", params![id], read).await
}

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<Client>> {
    db.rows("SELECT format, record FROM clients ORDER BY id", params![], read).await
}

/// The registration's number stays as it is when a client is replaced.
const PUT: &str = "
    INSERT INTO clients (id, enabled, registration, format, record, told_of_logout)
    VALUES ($1, $2, (SELECT value FROM meta WHERE name = 'changes'), $3, $4, $5)
    ON CONFLICT (id) DO UPDATE
    SET enabled = excluded.enabled, format = excluded.format, record = excluded.record,
        told_of_logout = excluded.told_of_logout";

pub(crate) async fn put(db: &mut impl Statements, client: &Client) -> Stored<()> {
    meta::note_change(db).await?;
    if client.origin == ClientOrigin::Operator {
        // Whatever it was before: it is not swept with strangers' clients.
        registrations::forget(db, &client.id).await?;
        approved_clients::forget(db, &client.id).await?;
    }
    let record = to_json(client)?;
    let told_of_logout = client.logout.backchannel_uri.is_some();
    let params = params![&client.id, client.enabled, FORMAT, &record, told_of_logout];
    db.execute(PUT, params).await.map(drop)
}

/// Forgets what people allowed it too: whoever is registered under that name next starts anew.
pub(crate) async fn remove(db: &mut impl Statements, id: &ClientId) -> Stored<bool> {
    if db.execute("DELETE FROM clients WHERE id = $1", params![id]).await? == 0 {
        return Ok(false);
    }
    db.execute("DELETE FROM consents WHERE client = $1", params![id]).await?;
    registrations::forget(db, id).await?;
    approved_clients::forget(db, id).await?;
    logos::forget(db, id).await?;
    meta::note_change(db).await?;
    Ok(true)
}

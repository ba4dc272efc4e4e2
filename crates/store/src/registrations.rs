//! Clients that registered themselves: each has its row among the clients, and one here.

use keystile_authority::ports::Stored;
use keystile_authority::registered::{
    Admission, ChangedRegistration, NewRegistration, Registered, Registration,
};
use keystile_protocol::ClientId;

use crate::statements::{Fields, Statements, Turn, only_number, params, to_json};
use crate::{clients, initial_access_tokens, logos};

const OF_NETWORK: &str = "
    SELECT COUNT(*) FROM (SELECT 1 AS one FROM registrations
    WHERE network = $1 AND created_at > $2 LIMIT $3) t";

const UNUSED: &str = "
    SELECT COUNT(*) FROM (SELECT 1 AS one FROM registrations
    WHERE network IS NOT NULL AND used_at IS NULL LIMIT $1) t";

/// Whether there is room; nothing is written.
pub(crate) async fn admitted(
    db: &mut impl Statements,
    admission: &Admission,
) -> Stored<Registered> {
    match admission {
        Admission::Token { digest, at } => {
            let good = initial_access_tokens::is_good(db, digest, *at).await?;
            Ok(if good { Registered::Done } else { Registered::NoToken })
        }
        Admission::Open { network, since, per_network, unused_at_most } => {
            let params = params![network, *since, *per_network];
            let lately: Option<u32> = db.row(OF_NETWORK, params, only_number).await?;
            if lately.unwrap_or(0) >= *per_network {
                return Ok(Registered::NetworkFull);
            }
            let unused: Option<u32> = db.row(UNUSED, params![*unused_at_most], only_number).await?;
            let full = unused.unwrap_or(0) >= *unused_at_most;
            Ok(if full { Registered::Full } else { Registered::Done })
        }
    }
}

const ADD: &str = "
    INSERT INTO registrations (client, token_digest, metadata, created_at, network)
    VALUES ($1, $2, $3, $4, $5)";

pub(crate) async fn add(db: &mut impl Statements, new: &NewRegistration) -> Stored<Registered> {
    db.take_turn(Turn::Registrations).await?;
    match admitted(db, &new.admission).await? {
        Registered::Done => {}
        no_room => return Ok(no_room),
    }
    let network = match &new.admission {
        Admission::Token { digest, .. } => {
            initial_access_tokens::use_up(db, digest).await?;
            None
        }
        Admission::Open { network, .. } => Some(network),
    };
    let Registration { client, token_digest, metadata, created_at } = &new.registration;
    let metadata = to_json(metadata)?;
    let row = params![client, token_digest, &metadata, *created_at, network];
    db.execute(ADD, row).await?;
    clients::put(db, &new.client).await?;
    if let Some(logo) = &new.logo {
        logos::put(db, client, logo).await?;
    }
    Ok(Registered::Done)
}

const FIND: &str =
    "SELECT client, token_digest, metadata, created_at FROM registrations WHERE client = $1";

pub(crate) async fn find(
    db: &mut impl Statements,
    client: &ClientId,
) -> Stored<Option<Registration>> {
    db.row(FIND, params![client], read).await
}

fn read(row: &mut Fields<'_>) -> Stored<Registration> {
    Ok(Registration {
        client: row.checked()?,
        token_digest: row.array()?,
        metadata: row.json()?,
        created_at: row.time()?,
    })
}

const CHANGE: &str =
    "UPDATE registrations SET metadata = $3 WHERE client = $1 AND token_digest = $2";

/// False, and nothing is written, where the registration is not there any more.
pub(crate) async fn change(
    db: &mut impl Statements,
    changed: &ChangedRegistration,
) -> Stored<bool> {
    let ChangedRegistration { client, token_digest, metadata, .. } = changed;
    let metadata = to_json(metadata)?;
    if db.execute(CHANGE, params![&client.id, token_digest, &metadata]).await? == 0 {
        return Ok(false);
    }
    clients::put(db, client).await?;
    match &changed.logo {
        Some(logo) => logos::put(db, &client.id, logo).await?,
        None if client.about.logo.is_none() => logos::forget(db, &client.id).await?,
        None => {}
    }
    Ok(true)
}

pub(crate) async fn remove(
    db: &mut impl Statements,
    client: &ClientId,
    token_digest: &[u8; 32],
) -> Stored<bool> {
    let sql = "SELECT COUNT(*) FROM registrations WHERE client = $1 AND token_digest = $2";
    let there: Option<u32> = db.row(sql, params![client, token_digest], only_number).await?;
    if there.unwrap_or(0) == 0 {
        return Ok(false);
    }
    clients::remove(db, client).await
}

/// To be called where a client is removed.
pub(crate) async fn forget(db: &mut impl Statements, client: &ClientId) -> Stored<()> {
    let sql = "DELETE FROM registrations WHERE client = $1";
    db.execute(sql, params![client]).await.map(drop)
}

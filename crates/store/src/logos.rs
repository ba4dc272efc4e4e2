//! Our copies of clients' logos.

use keystile_authority::ports::Stored;
use keystile_authority::rules::logo::{Logo, PictureKind};
use keystile_protocol::ClientId;

use crate::statements::{Fields, Statements, params};
use crate::{clients, meta};

const PUT: &str = "
    INSERT INTO logos (client, name, media_type, picture) VALUES ($1, $2, $3, $4)
    ON CONFLICT (client) DO UPDATE
    SET name = excluded.name, media_type = excluded.media_type, picture = excluded.picture";

pub(crate) async fn put(db: &mut impl Statements, client: &ClientId, logo: &Logo) -> Stored<()> {
    let picture = logo.picture.as_slice();
    let row = params![client, &logo.name, logo.kind.media_type(), picture];
    db.execute(PUT, row).await.map(drop)
}

/// With the client's record, unless that says something else by now.
pub(crate) async fn keep(
    db: &mut impl Statements,
    client: &ClientId,
    logo_uri: &str,
    logo: &Logo,
) -> Stored<()> {
    // First, so that nobody changes the client meanwhile.
    meta::note_change(db).await?;
    let Some(mut client) = clients::find(db, client).await? else { return Ok(()) };
    if client.about.logo_uri.as_deref() != Some(logo_uri) {
        return Ok(());
    }
    client.about.logo = Some(logo.name.clone());
    put(db, &client.id, logo).await?;
    clients::put(db, &client).await
}

pub(crate) async fn find(db: &mut impl Statements, name: &str) -> Stored<Option<Logo>> {
    let sql = "SELECT media_type, picture FROM logos WHERE name = $1 LIMIT 1";
    let read = |row: &mut Fields<'_>| {
        let kind = PictureKind::of_media_type(&row.text()?);
        Ok((kind, row.bytes()?.to_vec()))
    };
    let found = db.row(sql, params![name], read).await?;
    Ok(found.and_then(|(kind, picture)| Some(Logo { name: name.to_owned(), kind: kind?, picture })))
}

/// To be called where a client is removed, or has another logo or none.
pub(crate) async fn forget(db: &mut impl Statements, client: &ClientId) -> Stored<()> {
    let sql = "DELETE FROM logos WHERE client = $1";
    db.execute(sql, params![client]).await.map(drop)
}

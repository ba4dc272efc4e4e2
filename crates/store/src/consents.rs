//! What people allowed clients.

use std::sync::Arc;

use keystile_authority::decisions::ConsentGiven;
use keystile_authority::ids::AccountId;
use keystile_authority::ports::Stored;
use keystile_authority::records::AppAccess;
use keystile_protocol::{ClientId, Timestamp};

use crate::clients;
use crate::statements::{Fields, Statements, params};

/// Grants that were approved before a withdrawal stay dead: `valid_from` is left alone.
const REMEMBER: &str = "
    INSERT INTO consents (account, client, granted, refused, valid_from, since)
    VALUES ($1, $2, $3, $4, 0, $5)
    ON CONFLICT (account, client) DO UPDATE
    SET granted = excluded.granted, refused = excluded.refused,
        since = CASE WHEN consents.granted = '' THEN excluded.since ELSE consents.since END";

pub(crate) async fn remember(db: &mut impl Statements, given: &ConsentGiven) -> Stored<()> {
    let ConsentGiven { account, client, granted, refused, at, .. } = given;
    db.execute(REMEMBER, params![account, client, granted, refused, *at]).await.map(drop)
}

/// The client's grants die with it, also where no consent was ever asked for.
const WITHDRAW: &str = "
    INSERT INTO consents (account, client, granted, refused, valid_from, since)
    VALUES ($1, $2, '', '', $3, $3)
    ON CONFLICT (account, client) DO UPDATE
    SET granted = '', refused = '', valid_from = excluded.valid_from";

pub(crate) async fn withdraw(
    db: &mut impl Statements,
    account: &AccountId,
    client: &ClientId,
    now: Timestamp,
) -> Stored<()> {
    db.execute(WITHDRAW, params![account, client, now]).await.map(drop)
}

const APPS_OF: &str = "
    SELECT c.format, c.record, k.granted, k.since
    FROM consents k JOIN clients c ON c.id = k.client
    WHERE k.account = $1 AND k.granted <> ''
    ORDER BY k.client";

pub(crate) async fn apps_of(
    db: &mut impl Statements,
    account: &AccountId,
) -> Stored<Vec<AppAccess>> {
    db.rows(APPS_OF, params![account], read_app).await
}

fn read_app(row: &mut Fields<'_>) -> Stored<AppAccess> {
    let client = Arc::new(clients::read(row)?);
    Ok(AppAccess { client, granted: row.checked()?, since: row.time()? })
}

//! A promotion raises the epoch, as a restore does: the new primary may not know of the last
//! redemptions, so no code of before is redeemed.

use std::sync::OnceLock;

use keystile_authority::ports::{StoreError, Stored};
use keystile_protocol::Timestamp;

use super::connection::{Connection, Transaction};
use super::db::{Db, failure};
use super::identity::Identity;
use crate::meta::{self, Marks};
use crate::pending;
use crate::statements::{Statements, params};

/// Compares the server with the one that the database was last used on, and raises the epoch if it
/// is another.
pub(crate) async fn meet(connection: &Connection) -> Stored<Marks> {
    let trouble = OnceLock::new();
    let mut db = Db::new(connection, &trouble);
    if known(&mut db).await? != connection.identity() {
        let transaction =
            Transaction::begin(connection).await.map_err(|error| failure(&error).1)?;
        raise(&mut db, connection.identity()).await?;
        transaction.commit().await.map_err(|error| failure(&error).1)?;
        if connection.has_warned() {
            return Err(StoreError::Unavailable("no standby has heard of the new epoch".into()));
        }
    }
    meta::marks(&mut db).await
}

async fn known(db: &mut impl Statements) -> Stored<Identity> {
    let sql = "SELECT s.value, t.value FROM meta s, meta t \
               WHERE s.name = 'system' AND t.name = 'timeline'";
    let known =
        db.row(sql, params![], |row| Ok(Identity { system: row.int()?, timeline: row.int()? }));
    known.await?.ok_or_else(|| StoreError::Broken("the store does not know its server".into()))
}

/// Several nodes meet a new server at once: the first raises, the others see it.
async fn raise(db: &mut impl Statements, identity: Identity) -> Stored<()> {
    let lock = "UPDATE meta SET value = value WHERE name = 'epoch'";
    db.execute(lock, params![]).await?;
    let before = known(db).await?;
    if before == identity {
        return Ok(());
    }
    let set = "UPDATE meta SET value = CASE name WHEN 'system' THEN $1 ELSE $2 END \
               WHERE name IN ('system', 'timeline')";
    db.execute(set, params![identity.system, identity.timeline]).await?;
    if before == Identity::default() {
        // Nothing was sealed before the first use.
        return Ok(());
    }
    let now = db.clock().await?;
    pending::delete_all(db).await?;
    let epoch = meta::raise_epoch(db, now.unwrap_or(Timestamp::from_millis(0))).await?;
    tracing::warn!(epoch, "another server answers: what was sealed under the last one is refused");
    Ok(())
}

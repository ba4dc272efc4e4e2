//! Bringing the database up to date, one node at a time.

use std::sync::OnceLock;

use keystile_authority::ports::StoreError;

use super::connection::Connection;
use super::db::{Db, failure};
use super::{LOCKS, OpenError};
use crate::meta;
use crate::statements::{Statements, only_number, params};

mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// Waits for whoever migrates now. refinery takes no lock: nodes that start together would all
/// find the same migrations missing.
pub(crate) async fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let store = |error: tokio_postgres::Error| OpenError::Store(failure(&error).1);
    let wait = format!(
        "SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({LOCKS})"
    );
    connection.client().batch_execute(&wait).await.map_err(store)?;
    let done = locked(connection).await;
    let leave = format!("SELECT pg_advisory_unlock({LOCKS})");
    connection.client().batch_execute(&leave).await.map_err(store)?;
    done
}

async fn locked(connection: &mut Connection) -> Result<(), OpenError> {
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations().iter().map(|migration| i64::from(migration.version()));
    let known = known.max().unwrap_or(0);
    let needed = readable_by(connection).await.map_err(OpenError::Store)?;
    if needed > known {
        return Err(OpenError::Newer { needed, known });
    }
    // In one transaction, and what this program does not know is let pass, as on SQLite.
    let runner = runner.set_grouped(true).set_abort_missing(false);
    let run = runner.run_async(connection.client()).await;
    run.map(drop).map_err(|error| OpenError::Migration(Box::new(error)))
}

async fn readable_by(connection: &Connection) -> Result<i64, StoreError> {
    let trouble = OnceLock::new();
    let mut db = Db::new(connection, &trouble);
    let sql = "SELECT CASE WHEN to_regclass('meta') IS NULL THEN 0 ELSE 1 END";
    match db.row(sql, params![], only_number::<i64>).await? {
        Some(1) => meta::readable_by(&mut db).await,
        _ => Ok(0),
    }
}

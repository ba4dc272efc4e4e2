//! Bringing the database up to date, one node at a time.

use std::sync::OnceLock;

use keystile_authority::ports::StoreError;

use super::connection::Connection;
use super::db::{Db, failure};
use super::{LOCKS, OpenError};
use crate::meta;
use crate::migrations::{self, MigrationPlan};
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
    let plan = plan(connection).await.map_err(OpenError::Store)?;
    if plan.readable_by > plan.known {
        return Err(OpenError::Newer { needed: plan.readable_by, known: plan.known });
    }
    // In one transaction, and what this program does not know is let pass, as on SQLite.
    let runner = embedded::migrations::runner().set_grouped(true).set_abort_missing(false);
    let run = runner.run_async(connection.client()).await;
    run.map(drop).map_err(|error| OpenError::Migration(Box::new(error)))
}

/// What the store lacks of what this program knows.
pub(crate) async fn plan(connection: &Connection) -> Result<MigrationPlan, StoreError> {
    let trouble = OnceLock::new();
    let mut db = Db::new(connection, &trouble);
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations();
    let sql = "SELECT CASE WHEN to_regclass('meta') IS NULL THEN 0 ELSE 1 END";
    match db.row(sql, params![], only_number::<i64>).await? {
        Some(1) => {
            let applied = migrations::applied(&mut db).await?;
            Ok(migrations::plan(&applied, meta::readable_by(&mut db).await?, known))
        }
        _ => Ok(migrations::plan(&[], 0, known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_30_every_migration_says_which_programs_can_work_on_the_result() {
        migrations::must_say_it(embedded::migrations::runner().get_migrations());
    }
}

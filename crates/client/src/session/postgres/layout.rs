//! The schema: its tables, and how those of an older version become these.

use std::time::Duration;

use deadpool_postgres::Object;
use deadpool_postgres::tokio_postgres::{IsolationLevel, Transaction};

use super::{StoreError, failed};

/// How long it may take to lay the tables out, the wait for another node that does included.
pub(super) const TIME: Duration = Duration::from_secs(30);

/// What makes each layout of the one before; the first makes it of an empty schema. Their number
/// stands in the table `layout`.
const STEPS: [&str; 1] = ["
    CREATE TABLE SCHEMA.sessions (
        key bytea PRIMARY KEY,
        sealed bytea NOT NULL,
        generation bigint NOT NULL,
        subject bytea NOT NULL,
        sid bytea,
        idle_until bigint NOT NULL,
        expires_at bigint NOT NULL,
        claimed_until bigint NOT NULL
    );
    CREATE INDEX sessions_by_subject ON SCHEMA.sessions (subject);
    CREATE INDEX sessions_by_sid ON SCHEMA.sessions (sid) WHERE sid IS NOT NULL;
    CREATE INDEX sessions_by_idle ON SCHEMA.sessions (idle_until);
    CREATE TABLE SCHEMA.used (
        name bytea PRIMARY KEY,
        until bigint NOT NULL
    );
    CREATE INDEX used_by_until ON SCHEMA.used (until);
"];

/// Nodes that start at once wait for each other, and for nothing else of the app's: this number is
/// `keystile` in ASCII.
const LOCK: &str = "
    SET LOCAL lock_timeout = '20s';
    SET LOCAL statement_timeout = '25s';
    SELECT pg_advisory_xact_lock(7738725071487331429)";

/// A name that needs no escaping anywhere.
pub(super) fn check_name(schema: &str) -> Result<(), StoreError> {
    let starts_well = schema.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let rest = schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts_well && rest && schema.len() <= 63 && !schema.starts_with("pg_") {
        return Ok(());
    }
    let rule = "the name of a schema has 1 to 63 of a-z, 0-9 and _, begins with no digit, and not with pg_";
    Err(StoreError(rule.into()))
}

/// Brings the schema to the newest layout.
pub(super) async fn lay_out(connection: &mut Object, schema: &str) -> Result<(), StoreError> {
    let words = |error| failed(&error);
    let transaction = connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
    let transaction = transaction.start().await.map_err(words)?;
    transaction.batch_execute(LOCK).await.map_err(words)?;
    let layout = layout(&transaction, schema).await?;
    let missing = usize::try_from(layout).ok().and_then(|layout| STEPS.get(layout..));
    let missing = missing.ok_or_else(|| {
        let known = STEPS.len();
        StoreError(format!(
            "it has layout {layout}, made by a newer version: this one knows {known}"
        ))
    })?;
    for step in missing {
        let step = step.replace("SCHEMA", &format!("\"{schema}\""));
        transaction.batch_execute(&step).await.map_err(words)?;
    }
    if !missing.is_empty() {
        let note = format!("UPDATE \"{schema}\".layout SET number = {}", STEPS.len());
        transaction.batch_execute(&note).await.map_err(words)?;
    }
    transaction.commit().await.map_err(words)
}

/// The layout as it is, after seeing to it that there is a place to note it.
async fn layout(transaction: &Transaction<'_>, schema: &str) -> Result<i32, StoreError> {
    let words = |error| failed(&error);
    let there = "SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.layout') IS NOT NULL";
    let row = transaction.query_one(there, &[&schema]).await.map_err(words)?;
    let (has_schema, has_layout): (bool, bool) = (row.get(0), row.get(1));
    if !has_schema {
        // Whoever may not create one may still use one that was made for them.
        transaction.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await.map_err(words)?;
    }
    if !has_layout {
        let note = format!(
            "CREATE TABLE \"{schema}\".layout (number integer NOT NULL);
             INSERT INTO \"{schema}\".layout VALUES (0)"
        );
        transaction.batch_execute(&note).await.map_err(words)?;
    }
    let number = format!("SELECT number FROM \"{schema}\".layout");
    let row = transaction.query_one(&number, &[]).await.map_err(words)?;
    row.try_get(0).map_err(words)
}

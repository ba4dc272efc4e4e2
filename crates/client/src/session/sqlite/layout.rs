//! The file: its tables, and how those of an older version become these.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

/// What makes each layout of the one before; the first makes it of an empty file. Their number is
/// counted in `user_version`.
const STEPS: [&str; 2] = [
    "CREATE TABLE sessions (
        key BLOB NOT NULL PRIMARY KEY,
        sealed BLOB NOT NULL,
        generation INTEGER NOT NULL,
        subject BLOB NOT NULL,
        sid BLOB,
        idle_until INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_subject ON sessions (subject);
    CREATE INDEX sessions_by_sid ON sessions (sid) WHERE sid IS NOT NULL;
    CREATE INDEX sessions_by_idle ON sessions (idle_until);",
    "ALTER TABLE sessions ADD COLUMN claimed_until INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE used (
        name BLOB NOT NULL PRIMARY KEY,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX used_by_until ON used (until);",
];

/// Makes the file, readable by its owner alone, if there is none.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A refresh token that rotated and was not kept signs its user out.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Brings the file to the newest layout. Processes that start at once wait for each other.
pub(super) fn lay_out(connection: &mut Connection) -> Result<(), String> {
    let words = |e: rusqlite::Error| e.to_string();
    let behavior = rusqlite::TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior).map_err(words)?;
    let layout: i64 =
        transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(words)?;
    let missing = usize::try_from(layout).ok().and_then(|layout| STEPS.get(layout..));
    let missing = missing.ok_or_else(|| {
        format!("it has layout {layout}, made by a newer version: this one knows {}", STEPS.len())
    })?;
    for step in missing {
        transaction.execute_batch(step).map_err(words)?;
    }
    transaction.pragma_update(None, "user_version", STEPS.len().to_string()).map_err(words)?;
    transaction.commit().map_err(words)
}

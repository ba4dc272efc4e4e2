use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keystile_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SessionKey, SessionStore, StoreError, StoredSession, Whose};

/// The layout of the file, counted in `user_version`.
const LAYOUT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE sessions (
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
    CREATE INDEX sessions_by_idle ON sessions (idle_until);
    PRAGMA user_version = 1;
";

/// Sessions in an SQLite file of their own. They outlive a restart of the app, and several
/// processes on one machine may share the file.
#[derive(Clone, Debug)]
pub struct SqliteSessions {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl SqliteSessions {
    /// Opens the file, or makes it, readable by its owner alone.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let named = |e: &dyn std::fmt::Display| StoreError(format!("{}: {e}", path.display()));
        make_private(path).map_err(|e| named(&e))?;
        let writer = connect(path).map_err(|e| named(&e))?;
        lay_out(&writer).map_err(|e| named(&e))?;
        let reader = connect(path).map_err(|e| named(&e))?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)), reader: Arc::new(Mutex::new(reader)) })
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        on_a_thread(Arc::clone(&self.writer), work).await
    }
}

/// SQLite blocks while it waits for the disk: not on a thread that serves requests.
async fn on_a_thread<T: Send + 'static>(
    connection: Arc<Mutex<Connection>>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(move || {
        work(&connection.lock().unwrap_or_else(PoisonError::into_inner))
    });
    done.await.map_err(failed)?.map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A refresh token that rotated and was not kept signs its user out.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn lay_out(connection: &Connection) -> Result<(), String> {
    let words = |e: rusqlite::Error| e.to_string();
    connection.execute_batch("BEGIN IMMEDIATE").map_err(words)?;
    let layout: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(words)?;
    match layout {
        0 => connection.execute_batch(TABLES).map_err(words)?,
        LAYOUT => {}
        newer => return Err(format!("it has layout {newer}, made by a newer version")),
    }
    connection.execute_batch("COMMIT").map_err(words)
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredSession> {
    let generation: i64 = row.get("generation")?;
    Ok(StoredSession {
        sealed: row.get("sealed")?,
        generation: generation.cast_unsigned(),
        subject: row.get("subject")?,
        sid: row.get("sid")?,
        idle_until: Timestamp::from_millis(row.get("idle_until")?),
        expires_at: Timestamp::from_millis(row.get("expires_at")?),
    })
}

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn insert(&self, key: &SessionKey, session: StoredSession) -> Result<(), StoreError> {
        let key = *key;
        self.write(move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO sessions
                 (key, sealed, generation, subject, sid, idle_until, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            insert.execute(params![
                key.as_bytes(),
                session.sealed,
                session.generation.cast_signed(),
                session.subject,
                session.sid,
                session.idle_until.millis(),
                session.expires_at.millis(),
            ])?;
            Ok(())
        })
        .await
    }

    async fn load(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<Option<StoredSession>, StoreError> {
        let key = *key;
        on_a_thread(Arc::clone(&self.reader), move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT sealed, generation, subject, sid, idle_until, expires_at
                 FROM sessions WHERE key = ?1 AND idle_until > ?2 AND expires_at > ?2",
            )?;
            select.query_row(params![key.as_bytes(), now.millis()], read).optional()
        })
        .await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: u64,
        sealed: Vec<u8>,
    ) -> Result<bool, StoreError> {
        let key = *key;
        self.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE sessions SET sealed = ?3, generation = generation + 1
                 WHERE key = ?1 AND generation = ?2",
            )?;
            let changed =
                update.execute(params![key.as_bytes(), expected.cast_signed(), sealed])?;
            Ok(changed == 1)
        })
        .await
    }

    async fn touch(&self, key: &SessionKey, idle_until: Timestamp) -> Result<(), StoreError> {
        let key = *key;
        self.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE sessions SET idle_until = max(idle_until, ?2) WHERE key = ?1",
            )?;
            update.execute(params![key.as_bytes(), idle_until.millis()])?;
            Ok(())
        })
        .await
    }

    async fn remove(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let key = *key;
        self.write(move |connection| {
            let mut delete = connection.prepare_cached("DELETE FROM sessions WHERE key = ?1")?;
            Ok(delete.execute(params![key.as_bytes()])? == 1)
        })
        .await
    }

    async fn remove_all(&self, whose: Whose) -> Result<u64, StoreError> {
        let (sql, digest) = match whose {
            Whose::Subject(subject) => ("DELETE FROM sessions WHERE subject = ?1", subject),
            Whose::Sid(sid) => ("DELETE FROM sessions WHERE sid = ?1", sid),
        };
        self.write(move |connection| {
            let ended = connection.prepare_cached(sql)?.execute(params![digest])?;
            Ok(u64::try_from(ended).unwrap_or(u64::MAX))
        })
        .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            // In small pieces: a request that waits behind this waits for one of them.
            let mut delete = connection.prepare_cached(
                "DELETE FROM sessions WHERE key IN (
                     SELECT key FROM sessions WHERE idle_until <= ?1 OR expires_at <= ?1 LIMIT 1000)",
            )?;
            delete.execute(params![now.millis()]).map(drop)
        })
        .await
    }
}

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keystile_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SessionKey, SessionStore, StoreError, StoredSession, Whose};

mod layout;

/// Sessions in an SQLite file of their own. They outlive a restart of the app, and several
/// processes on one machine may share the file.
#[derive(Clone, Debug)]
pub struct SqliteSessions {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl SqliteSessions {
    /// Opens the file, or makes it, readable by its owner alone. One of an older version is brought
    /// to this one's layout, and its sessions live on.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let named = |e: &dyn std::fmt::Display| StoreError(format!("{}: {e}", path.display()));
        layout::make_private(path).map_err(|e| named(&e))?;
        let mut writer = layout::connect(path).map_err(|e| named(&e))?;
        layout::lay_out(&mut writer).map_err(|e| named(&e))?;
        let reader = layout::connect(path).map_err(|e| named(&e))?;
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

fn read_ended(row: &Row<'_>) -> rusqlite::Result<(SessionKey, StoredSession)> {
    Ok((SessionKey::from_bytes(row.get("key")?), read(row)?))
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
        claimed_until: Timestamp::from_millis(row.get("claimed_until")?),
    })
}

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn insert(&self, key: &SessionKey, session: StoredSession) -> Result<(), StoreError> {
        let key = *key;
        self.write(move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO sessions
                 (key, sealed, generation, subject, sid, idle_until, expires_at, claimed_until)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            insert.execute(params![
                key.as_bytes(),
                session.sealed,
                session.generation.cast_signed(),
                session.subject,
                session.sid,
                session.idle_until.millis(),
                session.expires_at.millis(),
                session.claimed_until.millis(),
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
                "SELECT * FROM sessions WHERE key = ?1 AND idle_until > ?2 AND expires_at > ?2",
            )?;
            select.query_row(params![key.as_bytes(), now.millis()], read).optional()
        })
        .await
    }

    async fn claim(
        &self,
        key: &SessionKey,
        generation: u64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = *key;
        self.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE sessions SET claimed_until = ?4
                 WHERE key = ?1 AND generation = ?2 AND claimed_until = ?3",
            )?;
            let generation = generation.cast_signed();
            let claim = params![key.as_bytes(), generation, from.millis(), until.millis()];
            Ok(update.execute(claim)? == 1)
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
                "UPDATE sessions SET sealed = ?3, generation = generation + 1, claimed_until = 0
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

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreError> {
        let key = *key;
        self.write(move |connection| {
            let mut delete =
                connection.prepare_cached("DELETE FROM sessions WHERE key = ?1 RETURNING *")?;
            // To the end, where it says whether it was committed.
            let ended: rusqlite::Result<Vec<_>> =
                delete.query_map(params![key.as_bytes()], read)?.collect();
            ended.map(|mut ended| ended.pop())
        })
        .await
    }

    async fn remove_some(
        &self,
        whose: Whose,
        at_most: usize,
    ) -> Result<Vec<(SessionKey, StoredSession)>, StoreError> {
        let (sql, digest) = match whose {
            Whose::Subject(subject) => (
                "DELETE FROM sessions WHERE key IN
                 (SELECT key FROM sessions WHERE subject = ?1 LIMIT ?2) RETURNING *",
                subject,
            ),
            Whose::Sid(sid) => (
                "DELETE FROM sessions WHERE key IN
                 (SELECT key FROM sessions WHERE sid = ?1 LIMIT ?2) RETURNING *",
                sid,
            ),
        };
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        self.write(move |connection| {
            let mut delete = connection.prepare_cached(sql)?;
            delete.query_map(params![digest, at_most], read_ended)?.collect()
        })
        .await
    }

    async fn first_use(
        &self,
        name: &[u8; 32],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let name = *name;
        self.write(move |connection| {
            let mut keep = connection.prepare_cached(
                "INSERT INTO used (name, until) VALUES (?1, ?3)
                 ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE until <= ?2",
            )?;
            Ok(keep.execute(params![name, now.millis(), until.millis()])? == 1)
        })
        .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            // In small pieces: a request that waits behind this waits for one of them.
            for piece in [
                "DELETE FROM sessions WHERE key IN (
                     SELECT key FROM sessions WHERE idle_until <= ?1 OR expires_at <= ?1 LIMIT 1000)",
                "DELETE FROM used WHERE name IN (
                     SELECT name FROM used WHERE until <= ?1 LIMIT 1000)",
            ] {
                connection.prepare_cached(piece)?.execute(params![now.millis()])?;
            }
            Ok(())
        })
        .await
    }
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::tokio_postgres::error::{DbError, SqlState};
use deadpool_postgres::tokio_postgres::types::{ToSql, Type};
use deadpool_postgres::tokio_postgres::{Error, Row};
use deadpool_postgres::{Object, Pool};
use keystile_protocol::Timestamp;
use tokio::time::timeout;

use super::{SessionKey, SessionStore, StoreError, StoredSession, Whose};

mod layout;
mod statements;

use statements::Statements;

/// Where the tables lie unless it is said otherwise.
const SCHEMA: &str = "keystile_client";
/// How long a statement may take, and before it the wait for a connection, unless it is said otherwise.
const TIME: Duration = Duration::from_secs(5);
/// A statement that the database gave up for another one's sake is sent again this often.
const TRIES: u32 = 3;

const BYTEA: Type = Type::BYTEA;
const INT8: Type = Type::INT8;

/// Sessions in PostgreSQL, by the app's own pool: any number of nodes share them, and they outlive
/// every one of these.
///
/// ```no_run
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use deadpool_postgres::tokio_postgres::NoTls;
/// use deadpool_postgres::{Config, Runtime};
/// use keystile_client::{Client, PostgresSessions};
///
/// let mut config = Config::new();
/// config.url = Some("postgres://app@localhost/app".into());
/// let pool = config.create_pool(Some(Runtime::Tokio1), NoTls)?;
/// let client = Client::builder("https://login.example", "photo-printer")
///     .secret(std::env::var("CLIENT_SECRET")?)
///     .app_url("https://prints.example")
///     .sessions(Arc::new(PostgresSessions::open(pool).await?))
///     .key_file("/etc/photo-printer/sessions.key")
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// Connections, their encryption and their number are the pool's. Each statement borrows one for
/// itself alone, is sent unprepared, so that a pooler may stand between, and is bounded in time.
#[derive(Clone)]
pub struct PostgresSessions {
    pool: Pool,
    statements: Arc<Statements>,
    time_limit: Duration,
}

impl PostgresSessions {
    /// With tables in a schema of their own, `keystile_client`. It is made if it is not there, for
    /// which the database's user needs the right to create one.
    pub async fn open(pool: Pool) -> Result<Self, StoreError> {
        Self::open_in(pool, SCHEMA).await
    }

    /// With tables in that schema: each app has its own. The tables are `sessions`, `used` and
    /// `layout`.
    pub async fn open_in(pool: Pool, schema: &str) -> Result<Self, StoreError> {
        layout::check_name(schema)?;
        let mut connection = borrow(&pool, TIME).await?;
        let laid_out = timeout(layout::TIME, layout::lay_out(&mut connection, schema)).await;
        let laid_out = laid_out.unwrap_or_else(|_| Err(no_answer(layout::TIME)));
        if laid_out.is_err() {
            give_up(connection);
        }
        laid_out.map_err(|StoreError(why)| StoreError(format!("schema {schema}: {why}")))?;
        Ok(Self { pool, statements: Arc::new(Statements::of(schema)), time_limit: TIME })
    }

    /// How long a statement may take, and before it the wait for a connection; 5 seconds by default.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sends one statement, and brings the rows that it returns.
    async fn ask(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<Row>, StoreError> {
        let mut tries = 0;
        loop {
            let limit = self.time_limit;
            let connection = borrow(&self.pool, limit).await?;
            let Ok(answer) = timeout(limit, connection.query_typed(sql, parameters)).await else {
                give_up(connection);
                return Err(no_answer(limit));
            };
            tries += 1;
            match answer {
                Err(error) if tries < TRIES && gave_way(&error) => {}
                other => return other.map_err(|error| failed(&error)),
            }
        }
    }

    /// Whether it changed anything: it returns what it changed.
    async fn did(&self, sql: &str, parameters: &Parameters<'_>) -> Result<bool, StoreError> {
        Ok(!self.ask(sql, parameters).await?.is_empty())
    }
}

/// With their types, so that the server need not be asked for these before.
type Parameters<'a> = [(&'a (dyn ToSql + Sync), Type)];

async fn borrow(pool: &Pool, limit: Duration) -> Result<Object, StoreError> {
    match timeout(limit, pool.get()).await {
        Ok(borrowed) => borrowed.map_err(|error| failed(&error)),
        Err(_) => Err(StoreError(format!("no connection of the pool within {limit:?}"))),
    }
}

/// A connection that still waits for an answer is nobody else's.
fn give_up(connection: Object) {
    drop(Object::take(connection));
}

fn no_answer(within: Duration) -> StoreError {
    StoreError(format!("PostgreSQL gave no answer within {within:?}"))
}

/// Two transactions stood in each other's way, and the database chose this one.
fn gave_way(error: &Error) -> bool {
    let one_of = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|code| one_of.contains(code))
}

/// What it says and why, without the values that a detail may quote.
fn failed(error: &(dyn std::error::Error + 'static)) -> StoreError {
    let mut words = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(said) = error.downcast_ref::<DbError>() {
            words.push(format!("{} ({})", said.message(), said.code().code()));
            break;
        }
        words.push(error.to_string());
        cause = error.source();
    }
    StoreError(words.join(": "))
}

fn ended(row: &Row) -> Result<(SessionKey, StoredSession), StoreError> {
    let digest = |name: &str| {
        let bytes: Option<&[u8]> = row.try_get(name).map_err(|error| failed(&error))?;
        let digest = bytes.map(<[u8; 32]>::try_from).transpose();
        digest.map_err(|_| StoreError(format!("its {name} does not have 32 bytes")))
    };
    let number = |name: &str| row.try_get::<_, i64>(name).map_err(|error| failed(&error));
    let moment = |name: &str| number(name).map(Timestamp::from_millis);
    let session = StoredSession {
        sealed: row.try_get("sealed").map_err(|error| failed(&error))?,
        generation: number("generation")?.cast_unsigned(),
        subject: digest("subject")?.unwrap_or_default(),
        sid: digest("sid")?,
        idle_until: moment("idle_until")?,
        expires_at: moment("expires_at")?,
        claimed_until: moment("claimed_until")?,
    };
    Ok((SessionKey::from_bytes(digest("key")?.unwrap_or_default()), session))
}

fn first(rows: &[Row]) -> Result<Option<StoredSession>, StoreError> {
    Ok(rows.first().map(ended).transpose()?.map(|(_, session)| session))
}

#[async_trait]
impl SessionStore for PostgresSessions {
    async fn insert(&self, key: &SessionKey, session: StoredSession) -> Result<(), StoreError> {
        let sid = session.sid.as_ref().map(<[u8; 32]>::as_slice);
        self.ask(
            &self.statements.insert,
            &[
                (&key.as_bytes().as_slice(), BYTEA),
                (&session.sealed, BYTEA),
                (&session.generation.cast_signed(), INT8),
                (&session.subject.as_slice(), BYTEA),
                (&sid, BYTEA),
                (&session.idle_until.millis(), INT8),
                (&session.expires_at.millis(), INT8),
                (&session.claimed_until.millis(), INT8),
            ],
        )
        .await
        .map(drop)
    }

    async fn load(
        &self,
        key: &SessionKey,
        now: Timestamp,
    ) -> Result<Option<StoredSession>, StoreError> {
        let parameters: &Parameters<'_> =
            &[(&key.as_bytes().as_slice(), BYTEA), (&now.millis(), INT8)];
        first(&self.ask(&self.statements.load, parameters).await?)
    }

    async fn claim(
        &self,
        key: &SessionKey,
        generation: u64,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.did(
            &self.statements.claim,
            &[
                (&key.as_bytes().as_slice(), BYTEA),
                (&generation.cast_signed(), INT8),
                (&from.millis(), INT8),
                (&until.millis(), INT8),
            ],
        )
        .await
    }

    async fn replace(
        &self,
        key: &SessionKey,
        expected: u64,
        sealed: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.did(
            &self.statements.replace,
            &[
                (&key.as_bytes().as_slice(), BYTEA),
                (&expected.cast_signed(), INT8),
                (&sealed, BYTEA),
            ],
        )
        .await
    }

    async fn touch(&self, key: &SessionKey, idle_until: Timestamp) -> Result<(), StoreError> {
        let parameters: &Parameters<'_> =
            &[(&key.as_bytes().as_slice(), BYTEA), (&idle_until.millis(), INT8)];
        self.ask(&self.statements.touch, parameters).await.map(drop)
    }

    async fn remove(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreError> {
        first(&self.ask(&self.statements.remove, &[(&key.as_bytes().as_slice(), BYTEA)]).await?)
    }

    async fn remove_some(
        &self,
        whose: Whose,
        at_most: usize,
    ) -> Result<Vec<(SessionKey, StoredSession)>, StoreError> {
        let (sql, digest) = match whose {
            Whose::Subject(subject) => (&self.statements.remove_of_subject, subject),
            Whose::Sid(sid) => (&self.statements.remove_of_sid, sid),
        };
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        let rows = self.ask(sql, &[(&digest.as_slice(), BYTEA), (&at_most, INT8)]).await?;
        rows.iter().map(ended).collect()
    }

    async fn first_use(
        &self,
        name: &[u8; 32],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.did(
            &self.statements.first_use,
            &[(&name.as_slice(), BYTEA), (&now.millis(), INT8), (&until.millis(), INT8)],
        )
        .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        for piece in &self.statements.sweep {
            self.ask(piece, &[(&now.millis(), INT8)]).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresSessions({:?})", self.pool.status())
    }
}

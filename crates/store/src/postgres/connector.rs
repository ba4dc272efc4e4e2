//! Coming to the server that takes writes, whichever of them that is today.

use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keystile_authority::ports::{StoreError, Stored};
use tokio::sync::Mutex as AsyncMutex;
use tokio_postgres::{NoTls, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Server};
use super::connection::Connection;
use super::epoch;
use super::identity::Identity;
use super::tls;
use crate::memory::Memory;

/// For how long nobody tries again after nobody answered, so that a request is refused at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Set on each connection, whatever the role or the database say. A stronger durability than `on`
/// is left alone. The planner knows our statements by heart: compiling them costs more than it saves,
/// and so does planning them each time. Nearly all of them find rows by their keys, and a plan that
/// is made while a table is small must do so too, since it is used when the table is large.
const SET_UP: &str = "
    SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET statement_timeout = '10s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
    SET jit = off;
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SELECT set_config('synchronous_commit',
                      CASE current_setting('synchronous_commit')
                      WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false);
    SELECT s.system_identifier::text AS system, pg_walfile_name(pg_current_wal_lsn()) AS log_file
    FROM pg_control_system() s";

pub(crate) struct Connector {
    address: Address,
    tls: Option<MakeRustlsConnect>,
    memory: Arc<Memory>,
    state: Mutex<State>,
    /// Whoever learns of another server raises the epoch alone.
    meeting: AsyncMutex<()>,
}

#[derive(Default)]
struct State {
    /// Which of the servers took writes when it was last tried.
    preferred: usize,
    /// When nobody answered, and what was said about it.
    failed: Option<(Instant, String)>,
    identity: Option<Identity>,
}

impl Connector {
    pub(crate) fn new(address: Address, memory: Arc<Memory>) -> Result<Self, String> {
        let tls = tls::connector(&address.encryption)?;
        let (state, meeting) = (Mutex::default(), AsyncMutex::new(()));
        Ok(Self { address, tls, memory, state, meeting })
    }

    /// The server that was last met.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.state().identity
    }

    /// A connection to the server that takes writes. What was sealed under another server, or
    /// before it was promoted, is of an earlier epoch by the time that this returns.
    pub(crate) async fn connect(&self) -> Stored<Connection> {
        let connection = self.connect_bare().await?;
        let _alone = self.meeting.lock().await;
        let identity = connection.identity();
        match self.identity() {
            Some(known) if known == identity => return Ok(connection),
            Some(known) if identity.is_before(known) => {
                let words = "the database that answers was primary before another one was promoted";
                tracing::error!("{words}");
                return Err(StoreError::Unavailable(words.into()));
            }
            _ => {}
        }
        let marks = epoch::meet(&connection).await?;
        self.memory.learn(marks);
        self.state().identity = Some(identity);
        Ok(connection)
    }

    /// The same for a database whose tables may not be there yet.
    pub(crate) async fn connect_bare(&self) -> Stored<Connection> {
        if let Some((at, words)) = &self.state().failed
            && at.elapsed() < PAUSE
        {
            return Err(StoreError::Unavailable(words.clone()));
        }
        let servers = &self.address.servers;
        let first = self.state().preferred;
        let mut problems = Vec::new();
        for index in (0..servers.len()).map(|step| (first + step) % servers.len()) {
            let server = &servers[index];
            let met = tokio::time::timeout(self.address.connect_timeout, self.come_to(server));
            match met.await.unwrap_or_else(|_| Err("it does not answer".into())) {
                Ok(connection) => {
                    self.succeeded(index, server);
                    return Ok(connection);
                }
                Err(words) => problems.push(format!("{server}: {words}")),
            }
        }
        Err(self.failed(problems.join("; ")))
    }

    async fn come_to(&self, server: &Server) -> Result<Connection, String> {
        let config = self.address.config(server);
        let mut connection = if let Some(tls) = &self.tls {
            let (client, connection) = config.connect(tls.clone()).await.map_err(words)?;
            Connection::new(client, connection)
        } else {
            let (client, connection) = config.connect(NoTls).await.map_err(words)?;
            Connection::new(client, connection)
        };
        let said = connection.client().simple_query(SET_UP).await.map_err(words)?;
        let identity = said.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => identity(row),
            _ => None,
        });
        connection.identify(identity.ok_or("it does not say which server it is")?);
        Ok(connection)
    }

    fn succeeded(&self, index: usize, server: &Server) {
        let mut state = self.state();
        state.preferred = index;
        if state.failed.take().is_some() {
            tracing::info!(%server, "the database is back");
        }
    }

    fn failed(&self, words: String) -> StoreError {
        let mut state = self.state();
        if state.failed.is_none() {
            tracing::error!("the database is away: {words}");
        }
        state.failed = Some((Instant::now(), words.clone()));
        StoreError::Unavailable(words)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity(row: &SimpleQueryRow) -> Option<Identity> {
    Identity::read(row.try_get("system").ok()?, row.try_get("log_file").ok()?)
}

/// What the server or the system says; a server's refusal never holds the password.
#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn words(error: tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(refusal), _) => refusal.message().to_owned(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}

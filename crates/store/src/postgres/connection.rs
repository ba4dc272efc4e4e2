//! One connection to the server that takes writes.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Error, Row, Statement};

use super::db::types;
use super::identity::Identity;
use crate::statements::Value;

/// May be shared: statements of several callers go one behind the other, and none waits for
/// another's answer.
pub(crate) struct Connection {
    client: Client,
    prepared: Mutex<HashMap<Key, Statement>>,
    identity: Identity,
    warned: Arc<AtomicBool>,
    retired: AtomicBool,
    sent: AtomicU64,
    driver: AbortHandle,
}

/// Where a text lies in the program, and the types of its parameters: a NULL has none, so that a
/// text may be prepared more than once.
type Key = (usize, usize, u64);

/// The types of the parameters as a number.
fn signature(params: &[Value<'_>]) -> u64 {
    params.iter().fold(1, |types, value| {
        (types << 2)
            | match value {
                Value::Null => 0,
                Value::Int(_) => 1,
                Value::Text(_) => 2,
                Value::Bytes(_) => 3,
            }
    })
}

impl Connection {
    /// Takes a connection over and reads what the server sends.
    pub(crate) fn new<S, T>(client: Client, connection: tokio_postgres::Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let warned = Arc::new(AtomicBool::new(false));
        let driver = tokio::spawn(drive(connection, warned.clone())).abort_handle();
        Self {
            client,
            prepared: Mutex::default(),
            identity: Identity::default(),
            warned,
            retired: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            driver,
        }
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The server and the time of its life that it leads to.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn identify(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Not to be used by anybody who does not use it yet.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.retired.load(Ordering::Relaxed)
    }

    /// Whether the server has warned. It does so where a commit did not get to a standby, and then
    /// says that it succeeded.
    pub(crate) fn has_warned(&self) -> bool {
        self.warned.load(Ordering::Acquire)
    }

    fn note_round_trip(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// How often this connection has waited for an answer.
    #[cfg(test)]
    pub(crate) fn round_trips(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) async fn prepare(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<Statement, Error> {
        self.prepare_typed(sql, signature(params), &types(params)).await
    }

    /// The same for a text whose parameters have these types, by a number that stands for them.
    pub(crate) async fn prepare_typed(
        &self,
        sql: &'static str,
        signature: u64,
        types: &[Type],
    ) -> Result<Statement, Error> {
        let key = (sql.as_ptr().addr(), sql.len(), signature);
        let prepared = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = prepared().get(&key) {
            return Ok(statement.clone());
        }
        self.note_round_trip();
        let statement = self.client.prepare_typed(sql, types).await?;
        prepared().insert(key, statement.clone());
        Ok(statement)
    }

    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        params: &[Value<'_>],
    ) -> Result<u64, Error> {
        self.note_round_trip();
        self.client.execute_raw(statement, params.iter().copied()).await
    }

    pub(crate) async fn query(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.note_round_trip();
        self.client.query(statement, params).await
    }
}

/// A transaction on a connection that nobody else uses meanwhile. Dropping it rolls back.
pub(crate) struct Transaction<C: Deref<Target = Connection>> {
    connection: C,
    is_open: AtomicBool,
}

impl<C: Deref<Target = Connection>> Transaction<C> {
    pub(crate) async fn begin(connection: C) -> Result<Self, Error> {
        let transaction = Self { connection, is_open: AtomicBool::new(true) };
        transaction.connection.note_round_trip();
        transaction.connection.client.batch_execute("BEGIN").await?;
        Ok(transaction)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) async fn commit(&self) -> Result<(), Error> {
        self.connection.note_round_trip();
        self.connection.client.batch_execute("COMMIT").await?;
        self.is_open.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl<C: Deref<Target = Connection>> Drop for Transaction<C> {
    /// The word is on its way when it was polled once, and before whatever comes next. Nobody
    /// waits for its answer.
    fn drop(&mut self) {
        if self.is_open.load(Ordering::Relaxed) {
            let rollback = pin!(self.connection.client.batch_execute("ROLLBACK"));
            let _is_sent = rollback.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl Drop for Connection {
    /// One that is given up may have answers outstanding for which nobody waits any more.
    fn drop(&mut self) {
        if self.retired.load(Ordering::Relaxed) {
            self.driver.abort();
        }
    }
}

/// Reads and writes until the connection ends. A warning is noted before the answer that follows
/// it is handed on.
async fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, warned: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) if *notice.code() == SqlState::WARNING => {
                tracing::error!("PostgreSQL warns: a commit may not have reached a standby");
                warned.store(true, Ordering::Release);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

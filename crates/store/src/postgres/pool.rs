//! Connections that one borrower has at a time, for transactions.

use std::sync::Arc;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use keystile_authority::ports::{StoreError, Stored};

use super::connection::Connection;
use super::connector::Connector;

pub(crate) struct Connections {
    pool: Pool<Lender>,
}

pub(crate) struct Lender(Arc<Connector>);

impl Connections {
    /// Each is opened when it is first needed.
    pub(crate) fn new(connector: Arc<Connector>, most: usize) -> Result<Self, String> {
        let pool = Pool::builder(Lender(connector)).max_size(most.max(1)).build();
        Ok(Self { pool: pool.map_err(|error| error.to_string())? })
    }

    pub(crate) async fn lend(&self) -> Stored<Lent> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            other => StoreError::Unavailable(other.to_string()),
        })
    }
}

/// Comes back by itself.
pub(crate) type Lent = Object<Lender>;

impl Manager for Lender {
    type Type = Connection;
    type Error = StoreError;

    async fn create(&self) -> Result<Connection, StoreError> {
        Box::pin(self.0.connect()).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<StoreError> {
        if connection.is_usable() && Some(connection.identity()) == self.0.identity() {
            return Ok(());
        }
        connection.retire();
        Err(RecycleError::message("it has broken"))
    }
}

//! A PostgreSQL database of a test's own, and pools such as an app has.

use deadpool_postgres::tokio_postgres::NoTls;
use deadpool_postgres::{Config, Pool, PoolConfig, Runtime};
use keystile_client::PostgresSessions;
use keystile_test_postgres::Database;

pub(crate) struct Postgres(Database);

impl Postgres {
    pub(crate) async fn start() -> Self {
        Self(tokio::task::spawn_blocking(Database::fresh).await.expect("started"))
    }

    /// A pool with that many connections.
    pub(crate) fn pool(&self, size: usize) -> Pool {
        pool(&self.0.url(), size)
    }

    /// One node's sessions.
    pub(crate) async fn sessions(&self) -> PostgresSessions {
        PostgresSessions::open(self.pool(4)).await.expect("opened")
    }

    /// Runs SQL and brings what it prints.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.0.sql(sql)
    }

    /// A pool to a port at which nobody listens.
    pub(crate) fn nowhere() -> Pool {
        pool("postgres://app@127.0.0.1:1/app", 1)
    }
}

fn pool(url: &str, size: usize) -> Pool {
    let mut config = Config::new();
    config.url = Some(url.to_owned());
    config.pool = Some(PoolConfig::new(size));
    config.create_pool(Some(Runtime::Tokio1), NoTls).expect("good settings")
}

//! The contract on PostgreSQL.

use std::sync::Arc;

use keystile_store::Database;
use keystile_store::postgres::{Address, Options};
use keystile_test_postgres::Database as Fresh;

use crate::contract::{Backend, cases};
use crate::model::row::against_the_store::go_the_same_way;

pub(crate) struct Postgres {
    store: Arc<Database>,
    database: Fresh,
}

pub(crate) async fn open(url: &str) -> Database {
    let address = Address::parse(url, None).expect("an address");
    Database::open_postgres(&address, Options::default()).await.expect("a store")
}

impl Postgres {
    pub(crate) fn database(&self) -> &Fresh {
        &self.database
    }

    pub(crate) async fn new() -> Self {
        let database = tokio::task::spawn_blocking(Fresh::fresh).await.expect("a database");
        Self { store: Arc::new(open(&database.url()).await), database }
    }
}

impl Backend for Postgres {
    type Memory = Database;

    fn store(&self) -> Arc<Database> {
        self.store.clone()
    }

    async fn another_process(&self) -> Arc<Database> {
        Arc::new(open(&self.database.url()).await)
    }
}

#[test]
fn evidence_the_models_row_and_the_stores_row_go_the_same_way() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let postgres = runtime.block_on(Postgres::new());
    go_the_same_way(&runtime, &*postgres.store);
}

macro_rules! on_postgres {
    ($($subject:ident { $($case:ident),* $(,)? })*) => {$(
        mod $subject {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    crate::contract::$subject::$case(&super::Postgres::new().await).await;
                }
            )*
        }
    )*};
}
cases!(on_postgres);

//! The contract on SQLite.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use keystile_authority::policy::Lifetimes;
use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;
use keystile_store::sqlite::Options;
use keystile_store::{Database, Swept, Work};

use crate::contract::{Backend, Memory, cases};
use crate::model::row::against_the_store::go_the_same_way;
use crate::soak::{Size, the_size_follows_what_is_alive};

/// A folder that goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "keystile-store-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("keystile.db")
    }

    pub(crate) fn open(&self) -> Database {
        Database::open_sqlite(&self.database(), Options::default()).expect("a store")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

struct Sqlite {
    store: Arc<Database>,
    folder: Folder,
}

impl Sqlite {
    fn new() -> Self {
        let folder = Folder::new();
        Self { store: Arc::new(folder.open()), folder }
    }
}

impl Backend for Sqlite {
    type Memory = Database;

    fn store(&self) -> Arc<Database> {
        self.store.clone()
    }

    async fn another_process(&self) -> Arc<Database> {
        Arc::new(self.folder.open())
    }
}

#[async_trait]
impl Memory for Database {
    async fn raise_epoch(&self, now: Timestamp) -> Stored<u64> {
        Self::raise_epoch(self, now).await
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> Stored<Swept> {
        Self::sweep(self, &Lifetimes::default(), now, limit).await
    }

    async fn take_lease(
        &self,
        work: Work,
        holder: [u8; 16],
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Stored<bool> {
        Self::take_lease(self, work, holder, now, ends_at).await
    }
}

impl Folder {
    /// What is in the file.
    fn size(&self) -> Size {
        let file = rusqlite::Connection::open(self.database()).expect("the file");
        let number = |sql: &str| file.query_row(sql, [], |row| row.get(0)).expect("a number");
        let names = "SELECT name FROM sqlite_master WHERE type = 'table'";
        let mut tables = file.prepare(names).expect("a statement");
        let tables = tables.query_map([], |row| row.get(0)).expect("tables");
        let tables: Vec<String> = tables.collect::<Result<_, _>>().expect("names");
        let rows = tables.into_iter().map(|table| {
            let rows = number(&format!("SELECT COUNT(*) FROM {table}"));
            (table, rows)
        });
        Size { rows: rows.collect(), pages: number("PRAGMA page_count") }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn expiry_after_months_of_use_there_are_rows_of_what_is_alive_alone() {
    let Sqlite { store, folder } = Sqlite::new();
    the_size_follows_what_is_alive(store, || folder.size()).await;
}

#[test]
fn evidence_the_models_row_and_the_stores_row_go_the_same_way() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    go_the_same_way(&runtime, &*Sqlite::new().store);
}

macro_rules! on_sqlite {
    ($($subject:ident { $($case:ident),* $(,)? })*) => {$(
        mod $subject {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    crate::contract::$subject::$case(&super::Sqlite::new()).await;
                }
            )*
        }
    )*};
}
cases!(on_sqlite);

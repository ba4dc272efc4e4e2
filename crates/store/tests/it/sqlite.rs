//! The contract on SQLite.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;
use keystile_store::sqlite::Options;
use keystile_store::{Database, Swept};

use crate::contract::{Backend, Memory, cases};

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
        Self::sweep(self, now, limit).await
    }
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

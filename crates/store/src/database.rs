//! The one type that the ports are implemented for, whichever backend is below it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use keystile_authority::decisions::{Redeemed, Redemption, Rotated, Rotation};
use keystile_authority::ids::{AccountId, GrantId};
use keystile_authority::ports::{SessionHandle, Stored};
use keystile_authority::records::{Account, GrantNow, Situation};
use keystile_protocol::{ClientId, Timestamp};
use tokio::time::timeout_at;

use crate::memory::Memory;
use crate::meta::{self, Marks};
use crate::postgres::questions::{AccountAsked, GrantAsked, SituationAsked};
use crate::postgres::tries::{Manner, Sent};
use crate::postgres::{self, Postgres};
use crate::sqlite::{self, Sqlite};
use crate::statements::{Fields, Statements, Turn, Value};
use crate::sweep::Cursor;
use crate::{accounts, grants, sessions};

/// `authority`'s store and registry in a database. Clones are the same store.
#[derive(Clone)]
pub struct Database {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    backend: Backend,
    pub(crate) memory: Arc<Memory>,
    pub(crate) cursor: Mutex<Cursor>,
}

#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    /// Opens an SQLite file, makes it if it is missing (it and its folder for its owner alone),
    /// and brings its tables up to date.
    pub fn open_sqlite(path: &Path, options: sqlite::Options) -> Result<Self, sqlite::OpenError> {
        let memory = Arc::default();
        Ok(Self::over_sqlite(Sqlite::open(path, options, &memory)?, memory))
    }

    pub(crate) fn over_sqlite(sqlite: Sqlite, memory: Arc<Memory>) -> Self {
        Self::new(Backend::Sqlite(sqlite), memory)
    }

    /// Opens a database of PostgreSQL and brings its tables up to date, while no other node does.
    pub async fn open_postgres(
        address: &postgres::Address,
        options: postgres::Options,
    ) -> Result<Self, postgres::OpenError> {
        let memory = Arc::default();
        let backend = Backend::Postgres(Postgres::open(address, options, &memory).await?);
        Ok(Self::new(backend, memory))
    }

    fn new(backend: Backend, memory: Arc<Memory>) -> Self {
        Self { inner: Arc::new(Inner { backend, memory, cursor: Mutex::default() }) }
    }

    /// Refuses new writes, and lets those that wait finish. Dropping the last clone does the same.
    pub fn shutdown(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.stop(),
            Backend::Postgres(postgres) => postgres.stop(),
        }
    }

    /// Begins a new epoch, as a restore does: what was sealed before is refused.
    pub async fn raise_epoch(&self, now: Timestamp) -> Stored<u64> {
        let raised = self.write(async move |db| meta::begin_epoch(db, now).await).await;
        self.look().await;
        raised
    }

    /// Counts changes of clients and signing keys by whichever process; a second old at most.
    pub fn changes(&self) -> i64 {
        self.marks().changes
    }

    pub(crate) fn marks(&self) -> Marks {
        self.look_if_due();
        self.inner.memory.marks()
    }

    /// Looks now whether clients or keys have changed: this process has just changed something.
    pub(crate) async fn look(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.watch().look(&self.inner.memory),
            Backend::Postgres(postgres) => postgres.look(&self.inner.memory).await,
        }
    }

    pub(crate) fn look_if_due(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.watch().look_if_due(&self.inner.memory),
            // It looks by itself.
            Backend::Postgres(_) => {}
        }
    }

    /// Whether so many writes wait that what can be left out should be.
    pub(crate) fn is_pressed(&self) -> bool {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.is_pressed(),
            Backend::Postgres(postgres) => postgres.is_pressed(),
        }
    }

    /// Whether writes are taken.
    pub(crate) fn is_running(&self) -> bool {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.is_running(),
            Backend::Postgres(postgres) => postgres.is_running(),
        }
    }

    /// Whether what is written will be found again.
    pub(crate) fn check_place(&self) -> Stored<()> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.check_place(),
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Asks: statements that write nothing, and may be sent again.
    pub(crate) async fn read<T>(
        &self,
        ask: impl AsyncFnOnce(&mut Db<'_>) -> Stored<T> + Clone,
    ) -> Stored<T> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => {
                sqlite.read(async move |db| ask(&mut Db::Sqlite(db.again())).await)
            }
            // Apart, so that a future on SQLite is not as large as one on PostgreSQL.
            Backend::Postgres(postgres) => Box::pin(read_postgres(postgres, ask)).await,
        }
    }

    /// Acts in a transaction, which is durable when this returns.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
    ) -> Stored<T> {
        self.act(Manner::Transaction(Sent::Once), act).await
    }

    /// The same for what comes out the same when it is done twice: after a commit in doubt it is
    /// sent again.
    pub(crate) async fn write_again<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
    ) -> Stored<T> {
        self.act(Manner::Transaction(Sent::Again), act).await
    }

    /// The same for a single statement, which needs no transaction around it.
    pub(crate) async fn write_statement<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
    ) -> Stored<T> {
        self.act(Manner::Statement, act).await
    }

    /// Redeems a code, which is durable when this returns.
    pub(crate) async fn redeem(&self, redemption: Redemption) -> Stored<Redeemed> {
        match &self.inner.backend {
            Backend::Sqlite(_) => {
                self.write_again(async move |db| grants::redeem(db, &redemption).await).await
            }
            Backend::Postgres(postgres) => Box::pin(postgres.together(redemption)).await,
        }
    }

    /// Moves a refresh token's counter, if it is still where it was.
    pub(crate) async fn rotate_if_unmoved(&self, rotation: Rotation) -> Stored<Rotated> {
        match &self.inner.backend {
            Backend::Sqlite(_) => {
                self.write_statement(async move |db| grants::rotate(db, rotation).await).await
            }
            Backend::Postgres(postgres) => Box::pin(postgres.together(rotation)).await,
        }
    }

    /// A grant and its life.
    pub(crate) async fn find_grant(
        &self,
        id: &GrantId,
        jti: Option<&str>,
        now: Timestamp,
    ) -> Stored<Option<GrantNow>> {
        match &self.inner.backend {
            Backend::Sqlite(_) => self.read(async |db| grants::find(db, id, jti, now).await).await,
            Backend::Postgres(postgres) => {
                let jti = jti.map(str::to_owned);
                Box::pin(postgres.together(GrantAsked { id: *id, jti, now })).await
            }
        }
    }

    /// An account.
    pub(crate) async fn find_account(&self, id: &AccountId) -> Stored<Option<Account>> {
        match &self.inner.backend {
            Backend::Sqlite(_) => self.read(async |db| accounts::find(db, id).await).await,
            Backend::Postgres(postgres) => Box::pin(postgres.together(AccountAsked(*id))).await,
        }
    }

    /// Who is signed in, and what they allowed the client.
    pub(crate) async fn find_situation(
        &self,
        handle: &SessionHandle,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> Stored<Situation> {
        match &self.inner.backend {
            Backend::Sqlite(_) => {
                self.read(async |db| sessions::situation(db, handle, client, now).await).await
            }
            Backend::Postgres(postgres) => {
                let (handle, client) = (handle.clone(), client.cloned());
                Box::pin(postgres.together(SituationAsked { handle, client, now })).await
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn postgres_ways(&self) -> Arc<postgres::Ways> {
        match &self.inner.backend {
            Backend::Postgres(postgres) => postgres.ways(),
            Backend::Sqlite(_) => panic!("it is on SQLite"),
        }
    }

    async fn act<T: Send + 'static>(
        &self,
        manner: Manner,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
    ) -> Stored<T> {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => {
                let act =
                    async move |db: &mut sqlite::db::Db<'_>| act(&mut Db::Sqlite(db.again())).await;
                match manner {
                    Manner::Transaction(Sent::Again) => sqlite.write_again(act).await,
                    _ => sqlite.write(act).await,
                }
            }
            Backend::Postgres(postgres) => Box::pin(write_postgres(postgres, manner, act)).await,
        }
    }
}

async fn read_postgres<T>(
    postgres: &Postgres,
    ask: impl AsyncFnOnce(&mut Db<'_>) -> Stored<T> + Clone,
) -> Stored<T> {
    let mut reading = postgres.reading().await?;
    loop {
        let mut db = Db::Postgres(reading.db());
        let answer = timeout_at(reading.end(), ask.clone()(&mut db)).await;
        if let Some(answer) = reading.judge(answer).await {
            return answer;
        }
    }
}

async fn write_postgres<T: Send + 'static>(
    postgres: &Postgres,
    manner: Manner,
    act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
) -> Stored<T> {
    let mut tries = postgres.tries(manner)?;
    loop {
        let attempt = tries.next().await?;
        let mut db = Db::Postgres(attempt.db());
        let answer = timeout_at(tries.end(), act(&mut db)).await;
        if let Some(answer) = tries.judge(attempt, answer).await {
            return answer;
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// A place for statements, on whichever backend.
pub(crate) enum Db<'c> {
    Sqlite(sqlite::db::Db<'c>),
    Postgres(postgres::db::Db<'c>),
}

impl Statements for Db<'_> {
    async fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Stored<usize> {
        match self {
            Self::Sqlite(db) => db.execute(sql, params).await,
            Self::Postgres(db) => db.execute(sql, params).await,
        }
    }

    async fn rows<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>> {
        match self {
            Self::Sqlite(db) => db.rows(sql, params, read).await,
            Self::Postgres(db) => db.rows(sql, params, read).await,
        }
    }

    async fn take_turn(&mut self, turn: Turn) -> Stored<()> {
        match self {
            Self::Sqlite(db) => db.take_turn(turn).await,
            Self::Postgres(db) => db.take_turn(turn).await,
        }
    }

    async fn clock(&mut self) -> Stored<Option<Timestamp>> {
        match self {
            Self::Sqlite(db) => db.clock().await,
            Self::Postgres(db) => db.clock().await,
        }
    }
}

//! One thread writes. It takes whatever waits, puts it into one transaction, commits once and then
//! answers all: the queue behind the disk is the batch, and nobody lingers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, mem};

use keystile_authority::ports::{StoreError, Stored};
use rusqlite::{Connection, ErrorCode};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::Options;
use super::db::{Db, at_once, failure};
use super::readers::lock;

pub(crate) struct Writer {
    queue: SyncSender<Message>,
    waiting: Arc<AtomicUsize>,
    under_way: Arc<UnderWay>,
    patience: Duration,
    room: usize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Write(Box<dyn Member>),
    Stop,
}

impl Writer {
    /// Starts the thread. `reopen` makes a new connection after a commit in doubt; `check` says
    /// whether what is written will be found again.
    pub(crate) fn start(
        connection: Connection,
        reopen: impl Fn() -> rusqlite::Result<Connection> + Send + 'static,
        check: impl Fn() -> Stored<()> + Send + 'static,
        options: Options,
    ) -> io::Result<Self> {
        let (queue, incoming) = sync_channel(options.queue);
        let waiting = Arc::new(AtomicUsize::new(0));
        let under_way = Arc::new(UnderWay::default());
        let mut desk = Desk {
            connection: Some(connection),
            reopen: Box::new(reopen),
            check: Box::new(check),
            incoming,
            waiting: waiting.clone(),
            under_way: under_way.clone(),
            most: options.batch.max(1),
            answers: answers_from_within(),
        };
        let thread = std::thread::Builder::new().name("store-writer".into());
        let thread = Mutex::new(Some(thread.spawn(move || desk.work())?));
        let Options { patience, queue: room, .. } = options;
        Ok(Self { queue, waiting, under_way, patience, room, thread })
    }

    /// Runs the operation in a transaction; it is on disk when this returns. Where the batch is
    /// undone for another's sake it is run twice.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        if self.under_way.for_longer_than(self.patience) {
            return Err(StoreError::Unavailable("the disk takes too long".into()));
        }
        let (reply, answer) = oneshot::channel();
        let member = Box::new(Write { act, outcome: None, reply });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(Message::Write(member)).map_err(|refused| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            StoreError::Unavailable(match refused {
                TrySendError::Full(_) => "too many writes are waiting".into(),
                TrySendError::Disconnected(_) => STOPPED.into(),
            })
        })?;
        answer.await.unwrap_or_else(|_| Err(StoreError::InDoubt(STOPPED.into())))
    }

    /// For a write that finds what it wrote the last time: while its commit is in doubt it is sent
    /// again, so that a client is not told to give up what it has already got.
    pub(crate) async fn write_until_known<T: Send + 'static>(
        &self,
        act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + Sync + 'static,
    ) -> Stored<T> {
        let act = Arc::new(act);
        let mut pauses = PAUSES.into_iter();
        let mut sent = false;
        loop {
            let act = act.clone();
            let why = match self.write(async move |db: &mut Db<'_>| act(db).await).await {
                Err(StoreError::InDoubt(why)) => why,
                // Of this time; of the time before nobody knows.
                Err(StoreError::Unavailable(why)) if sent => why,
                known => return known,
            };
            sent = true;
            let Some(pause) = pauses.next() else { return Err(StoreError::InDoubt(why)) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether so many writes wait that what can be left out should be.
    pub(crate) fn is_pressed(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > self.room / 4
    }

    /// Whether the thread is there.
    pub(crate) fn is_running(&self) -> bool {
        lock(&self.thread).as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Lets what waits finish, and ends the thread.
    pub(crate) fn stop(&self) {
        let Some(thread) = lock(&self.thread).take() else { return };
        // Neither can fail but by a panic over there, which has been told already.
        drop(self.queue.send(Message::Stop));
        drop(thread.join());
    }
}

/// Before a write in doubt is sent again: a client waits for as long as all of them.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(200), Duration::from_millis(800)];

const STOPPED: &str = "the store's writer has stopped";

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One operation of a batch.
trait Member: Send {
    /// Does it, and keeps what came of it, in place of what came before. False: it failed.
    fn run(&mut self, db: &mut Db<'_>) -> bool;
    /// Tells the caller. `lost`: the batch did not get to the disk.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

struct Write<T, F> {
    act: F,
    outcome: Option<Stored<T>>,
    reply: oneshot::Sender<Stored<T>>,
}

impl<T: Send, F: AsyncFn(&mut Db<'_>) -> Stored<T> + Send> Member for Write<T, F> {
    fn run(&mut self, db: &mut Db<'_>) -> bool {
        self.outcome.insert(at_once((self.act)(db))).is_ok()
    }

    fn answer(self: Box<Self>, lost: Option<&StoreError>) {
        let outcome = match (lost, self.outcome) {
            (None, Some(outcome)) => outcome,
            (Some(lost), _) => Err(lost.clone()),
            (None, None) => Err(StoreError::Broken("a write was left out".into())),
        };
        // Whoever has gone away does not need to know.
        drop(self.reply.send(outcome));
    }
}

/// Members of a batch that is over. They get their answers when this goes, wherever that is.
struct Finished {
    members: Vec<Box<dyn Member>>,
    lost: Option<StoreError>,
}

impl Drop for Finished {
    fn drop(&mut self) {
        for member in self.members.drain(..) {
            member.answer(self.lost.as_ref());
        }
    }
}

/// Where finished batches go so that their members are told from within the runtime, if there is
/// one. To wake a task from another thread is a system call; so a batch is one, and not one each.
fn answers_from_within() -> Option<mpsc::UnboundedSender<Finished>> {
    let runtime = Handle::try_current().ok()?;
    // Bounded by the queue of those who wait for them.
    let (answers, mut finished) = mpsc::unbounded_channel();
    runtime.spawn(async move {
        while let Some(batch) = finished.recv().await {
            drop::<Finished>(batch);
        }
    });
    Some(answers)
}

/// Since when the batch that is being written has been.
struct UnderWay {
    started: Instant,
    /// Microseconds after `started`, and one; zero: there is none.
    since: AtomicU64,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self { started: Instant::now(), since: AtomicU64::new(0) }
    }
}

impl UnderWay {
    fn begins(&self) {
        self.since.store(self.now() + 1, Ordering::Relaxed);
    }

    fn ends(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    fn for_longer_than(&self, patience: Duration) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        since > 0 && u128::from((self.now() + 1).saturating_sub(since)) >= patience.as_micros()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX - 1)
    }
}

/// Where the thread works.
struct Desk {
    /// Gone after a commit in doubt, until it can be opened again.
    connection: Option<Connection>,
    reopen: Box<dyn Fn() -> rusqlite::Result<Connection> + Send>,
    check: Box<dyn Fn() -> Stored<()> + Send>,
    incoming: Receiver<Message>,
    waiting: Arc<AtomicUsize>,
    under_way: Arc<UnderWay>,
    most: usize,
    answers: Option<mpsc::UnboundedSender<Finished>>,
}

/// Why a batch did not get to the disk.
enum Lost {
    /// Nothing of it was written.
    Nothing(rusqlite::Error),
    /// It may have been written, or not.
    InDoubt(rusqlite::Error),
}

impl Desk {
    fn work(&mut self) {
        let mut batch = Vec::new();
        loop {
            let goes_on = self.gather(&mut batch);
            self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
            if !batch.is_empty() {
                self.under_way.begins();
                let lost = self.commit(&mut batch).err();
                self.under_way.ends();
                let finished = Finished { members: mem::take(&mut batch), lost };
                match &self.answers {
                    // Without the runtime it comes back, and is told here.
                    Some(answers) => drop(answers.send(finished)),
                    None => drop(finished),
                }
            }
            if !goes_on {
                return;
            }
        }
    }

    /// Waits for a write and takes those that wait behind it. False: there will be no more.
    fn gather(&self, batch: &mut Vec<Box<dyn Member>>) -> bool {
        let mut next = self.incoming.recv().ok();
        loop {
            match next {
                Some(Message::Write(member)) => batch.push(member),
                Some(Message::Stop) => return false,
                None => return !batch.is_empty(),
            }
            if batch.len() == self.most {
                return true;
            }
            next = self.incoming.try_recv().ok();
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Member>]) -> Stored<()> {
        (self.check)()?;
        if self.connection.is_none() {
            self.connection = Some((self.reopen)().map_err(unavailable)?);
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match write(connection, batch) {
            Ok(()) => Ok(()),
            Err(Lost::Nothing(error)) => {
                tracing::warn!(%error, members = batch.len(), "a batch of writes was not written");
                Err(unavailable(error))
            }
            Err(Lost::InDoubt(error)) => {
                tracing::error!(%error, members = batch.len(), "a commit is in doubt");
                // Closed before it is opened again: what SQLite knows of the file may be wrong.
                drop(mem::take(&mut self.connection));
                Err(StoreError::InDoubt(words(error)))
            }
        }
    }
}

/// Whatever it was: for each member it is undone, and worth another try.
fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(words(error))
}

fn words(error: rusqlite::Error) -> String {
    match failure(error) {
        StoreError::Broken(words)
        | StoreError::Conflict(words)
        | StoreError::InDoubt(words)
        | StoreError::Unavailable(words) => words,
    }
}

/// All of the batch in one transaction.
///
/// Members seldom fail. So they are run one after another first, and only if one fails, all of
/// them again with a savepoint around each: those cost two statements and copies of pages.
fn write(connection: &mut Connection, batch: &mut [Box<dyn Member>]) -> Result<(), Lost> {
    run(connection, "BEGIN IMMEDIATE").map_err(Lost::Nothing)?;
    if !batch.iter_mut().all(|member| member.run(&mut Db::new(connection))) {
        roll_back(connection)?;
        if batch.len() == 1 {
            return Ok(());
        }
        run(connection, "BEGIN IMMEDIATE").map_err(Lost::Nothing)?;
        for member in batch {
            in_savepoint(connection, member.as_mut())?;
        }
    }
    run(connection, "COMMIT").map_err(|error| {
        let rolled_back = roll_back(connection).is_ok();
        // Without room for it the end of the transaction cannot stand in the log.
        let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        if full && rolled_back { Lost::Nothing(error) } else { Lost::InDoubt(error) }
    })
}

/// A member that fails undoes itself and nobody else.
///
/// After some errors SQLite rolls the whole transaction back by itself. The next savepoint would
/// then begin a transaction of its own and its release commit it, so the batch ends there.
fn in_savepoint(connection: &mut Connection, member: &mut dyn Member) -> Result<(), Lost> {
    let goes_on = |connection: &Connection, sql| {
        run(connection, sql).map_err(|error| {
            drop(roll_back(connection));
            Lost::Nothing(error)
        })
    };
    goes_on(connection, "SAVEPOINT member")?;
    if !member.run(&mut Db::new(connection)) {
        if connection.is_autocommit() {
            return Err(Lost::Nothing(gone()));
        }
        goes_on(connection, "ROLLBACK TO member")?;
    }
    goes_on(connection, "RELEASE member")
}

/// Ends the transaction, unless SQLite did so by itself.
fn roll_back(connection: &Connection) -> Result<(), Lost> {
    if connection.is_autocommit() {
        return Ok(());
    }
    run(connection, "ROLLBACK").map_err(Lost::InDoubt)
}

fn gone() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
    rusqlite::Error::SqliteFailure(code, None)
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

#[cfg(test)]
mod tests;

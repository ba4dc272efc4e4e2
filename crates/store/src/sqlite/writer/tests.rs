use std::pin::Pin;
use std::sync::mpsc::channel;
use std::task::{Context, Waker};

use super::*;
use crate::statements::{Statements, params};

const TABLE: &str = "
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE t (
        id INTEGER PRIMARY KEY,
        parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED,
        filler BLOB
    );";

/// A writer on a shared database in memory.
struct Rig {
    writer: Writer,
    /// A connection that looks at it.
    look: Connection,
    /// How many connections were made.
    opened: Arc<AtomicUsize>,
}

fn rig(name: &str, pragma: &'static str) -> Rig {
    let uri = format!("file:{name}?mode=memory&cache=shared");
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = opened.clone();
    let open = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::open(&uri)?;
        connection.execute_batch(pragma)?;
        Ok(connection)
    };
    let look = open().expect("memory");
    look.execute_batch(TABLE).expect("a table");
    look.pragma_update(None, "read_uncommitted", true).expect("no locks between the two");
    let first = open().expect("memory");
    let writer = Writer::start(first, open, || Ok(()), Options::default()).expect("a thread");
    Rig { writer, look, opened }
}

fn count(look: &Connection) -> i64 {
    look.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counted")
}

async fn add(db: &mut Db<'_>, id: i64) -> Stored<()> {
    db.execute("INSERT INTO t (id) VALUES ($1)", params![id]).await.map(drop)
}

/// Puts a write into the queue and does not wait for it.
fn queued<F: Future>(write: F) -> Pin<Box<F>> {
    let mut write = Box::pin(write);
    let mut context = Context::from_waker(Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_pending());
    write
}

/// Runs the operation in the middle of a batch with ten plain ones.
async fn beside_others<T: Send + 'static>(
    writer: &Writer,
    act: impl AsyncFn(&mut Db<'_>) -> Stored<T> + Send + 'static,
) -> (Vec<Stored<()>>, Stored<T>) {
    let plain = |id| queued(writer.write(async move |db: &mut Db<'_>| add(db, id).await));
    // Holds the thread until all of them wait.
    let (begun, has_begun) = channel::<()>();
    let (go, may_go) = channel::<()>();
    let gate = queued(writer.write(async move |_: &mut Db<'_>| {
        let _ = begun.send(());
        let _ = may_go.recv();
        Ok(())
    }));
    let _ = has_begun.recv();
    let mut others: Vec<_> = (0..5).map(plain).collect();
    let act = queued(writer.write(act));
    others.extend((5..10).map(plain));
    drop(go);
    gate.await.expect("the gate opened");
    let mut outcomes = Vec::new();
    for other in others {
        outcomes.push(other.await);
    }
    (outcomes, act.await)
}

fn all_unavailable(outcomes: &[Stored<()>]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Unavailable(_))))
}

fn is_in_doubt<T>(outcome: &Stored<T>) -> bool {
    matches!(outcome, Err(StoreError::InDoubt(_)))
}

#[tokio::test]
async fn finding_9_a_member_that_fails_undoes_all_of_itself_and_nothing_else() {
    let Rig { writer, look, .. } = rig("fails", "");
    let (others, outcome) = beside_others(&writer, async |db: &mut Db<'_>| {
        add(db, 100).await?;
        add(db, 100).await
    })
    .await;
    assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}");
    assert!(others.iter().all(Result::is_ok), "{others:?}");
    assert_eq!(count(&look), 10);
}

#[tokio::test]
async fn a_lone_member_that_fails_leaves_nothing_behind() {
    let Rig { writer, look, .. } = rig("lone", "");
    let alone = async |db: &mut Db<'_>| {
        add(db, 1).await?;
        Err::<(), _>(StoreError::Conflict("thought better of it".into()))
    };
    assert!(matches!(writer.write(alone).await, Err(StoreError::Conflict(_))));
    assert_eq!(count(&look), 0);
    writer.write(async |db: &mut Db<'_>| add(db, 1).await).await.expect("it goes on");
    assert_eq!(count(&look), 1);
}

#[tokio::test]
async fn finding_9_when_sqlite_rolls_all_back_by_itself_every_member_is_told() {
    let Rig { writer, look, .. } = rig("rolled-back", "");
    let (others, outcome) = beside_others(&writer, async |db: &mut Db<'_>| {
        db.execute("INSERT OR ROLLBACK INTO t (id) VALUES ($1)", params![0_i64]).await
    })
    .await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(all_unavailable(&others), "{others:?}");
    assert_eq!(count(&look), 0, "nor was anything committed one by one afterwards");
    writer.write(async |db: &mut Db<'_>| add(db, 1).await).await.expect("it goes on");
}

#[tokio::test]
async fn finding_9_a_full_disk_tells_every_member_that_lost() {
    let Rig { writer, look, .. } = rig("full", "PRAGMA max_page_count = 20");
    let (others, outcome) = beside_others(&writer, async |db: &mut Db<'_>| {
        let filler = vec![0; 200_000];
        let sql = "INSERT INTO t (id, filler) VALUES (100, $1)";
        db.execute(sql, params![filler.as_slice()]).await
    })
    .await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    let written = others.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(usize::try_from(count(&look)), Ok(written), "answered is written");
    assert!(written == 10 || all_unavailable(&others), "{others:?}");
    writer.write(async |db: &mut Db<'_>| add(db, 101).await).await.expect("it goes on");
}

#[tokio::test]
async fn finding_9_a_commit_that_fails_is_in_doubt_for_all_and_the_file_is_opened_again() {
    let Rig { writer, look, opened } = rig("commit", "PRAGMA foreign_keys = 1");
    let (others, outcome) = beside_others(&writer, async |db: &mut Db<'_>| {
        db.execute("INSERT INTO t (id, parent) VALUES (100, 7)", params![]).await
    })
    .await;
    assert!(is_in_doubt(&outcome), "{outcome:?}");
    assert!(others.iter().all(is_in_doubt), "{others:?}");
    assert_eq!(count(&look), 0);
    writer.write(async |db: &mut Db<'_>| add(db, 1).await).await.expect("it goes on");
    assert_eq!(count(&look), 1);
    assert_eq!(opened.load(Ordering::Relaxed), 3, "two at first");
}

#[tokio::test]
async fn a_panic_of_an_operation_leaves_nobody_waiting() {
    let Rig { writer, look: _look, .. } = rig("panic", "");
    let outcome = writer.write(async |_: &mut Db<'_>| -> Stored<()> { panic!("a bug") }).await;
    assert!(is_in_doubt(&outcome), "{outcome:?}");
    writer.stop();
    let next = writer.write(async |db: &mut Db<'_>| add(db, 1).await).await;
    assert!(matches!(next, Err(StoreError::Unavailable(_))), "{next:?}");
}

#[tokio::test]
async fn a_write_behind_a_commit_that_hangs_is_refused_at_once_and_the_next_one_is_not() {
    let open = || Connection::open("file:hangs?mode=memory&cache=shared");
    let look = open().expect("memory");
    look.execute_batch(TABLE).expect("a table");
    // Whatever is under way has already taken too long.
    let options = Options { patience: Duration::ZERO, ..Options::default() };
    let writer =
        Writer::start(open().expect("memory"), open, || Ok(()), options).expect("a thread");
    let (begun, has_begun) = channel::<()>();
    let (go, may_go) = channel::<()>();
    let hangs = queued(writer.write(async move |_: &mut Db<'_>| {
        let _ = begun.send(());
        let _ = may_go.recv();
        Ok(())
    }));
    let _ = has_begun.recv();
    for id in 0..5 {
        let refused = writer.write(async move |db: &mut Db<'_>| add(db, id).await).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    drop(go);
    hangs.await.expect("done in the end");
    writer.write(async |db: &mut Db<'_>| add(db, 5).await).await.expect("it goes on");
    assert_eq!(count(&look), 1, "what was refused was not written");
}

#[tokio::test]
async fn more_writes_than_the_queue_holds_are_refused_at_once_and_the_rest_is_written() {
    let open = || Connection::open("file:floods?mode=memory&cache=shared");
    let look = open().expect("memory");
    look.execute_batch(TABLE).expect("a table");
    look.pragma_update(None, "read_uncommitted", true).expect("no locks between the two");
    let options = Options { queue: 8, ..Options::default() };
    let writer =
        Writer::start(open().expect("memory"), open, || Ok(()), options).expect("a thread");
    let (begun, has_begun) = channel::<()>();
    let (go, may_go) = channel::<()>();
    let gate = queued(writer.write(async move |_: &mut Db<'_>| {
        let _ = begun.send(());
        let _ = may_go.recv();
        Ok(())
    }));
    let _ = has_begun.recv();
    let plain = |id| queued(writer.write(async move |db: &mut Db<'_>| add(db, id).await));
    let waiting: Vec<_> = (0..8).map(plain).collect();
    assert!(writer.is_pressed());
    for id in 8..100 {
        let refused = writer.write(async move |db: &mut Db<'_>| add(db, id).await).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    drop(go);
    gate.await.expect("the gate opened");
    // The answers do not depend on the order in which callers ask for them.
    for write in waiting.into_iter().rev() {
        write.await.expect("written");
    }
    assert_eq!(count(&look), 8);
}

//! What only SQLite has: one file, one writer, other processes beside it.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::GrantId;
use keystile_authority::policy::Lifetimes;
use keystile_authority::ports::{Clock, Registry, Store, StoreError};
use keystile_protocol::Timestamp;
use keystile_store::sqlite::{self, OpenError, Options};
use keystile_store::{Database, Sweeping};
use rusqlite::Connection;

use crate::contract::NOW;
use crate::sqlite::Folder;

/// A store whose batches wait half a second for another process.
fn impatient(folder: &Folder) -> Database {
    let options = Options { busy_timeout: Duration::from_millis(500), ..Options::default() };
    Database::open_sqlite(&folder.database(), options).expect("a store")
}

/// Another process in the middle of a write.
fn locked(folder: &Folder) -> Connection {
    let other = Connection::open(folder.database()).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn finding_9_a_member_that_fails_undoes_itself_and_nobody_else_in_the_batch() {
    let folder = Folder::new();
    let store = folder.open();
    let namesakes = |byte: u8| {
        let mut account = fixtures::account(byte);
        account.username = format!("user{}", byte / 2);
        account
    };
    // While the file is locked writes pile up, so that they share a batch afterwards.
    let lock = locked(&folder);
    let tasks: Vec<_> = (0..40)
        .map(|byte| {
            let store = store.clone();
            tokio::spawn(async move { store.add_account(&namesakes(byte), None).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(lock);
    let mut conflicts = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => conflicts += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(conflicts, 20);
    assert_eq!(store.accounts().await.expect("there").len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_keeps_locked_is_unavailable_and_comes_back() {
    let folder = Folder::new();
    let store = impatient(&folder);
    let lock = locked(&folder);
    let refused = store.put_client(&fixtures::client()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.clients().await, Ok(Vec::new()), "reading goes on");
    drop(lock);
    store.put_client(&fixtures::client()).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once_instead_of_waiting() {
    let folder = Folder::new();
    let options = Options { queue: 4, batch: 1, ..Options::default() };
    let store = Database::open_sqlite(&folder.database(), options).expect("a store");
    let lock = locked(&folder);
    let begun = Instant::now();
    let tasks: Vec<_> = (0..20)
        .map(|byte| {
            let store = store.clone();
            tokio::spawn(async move {
                let outcome = store.add_account(&fixtures::account(byte), None).await;
                (outcome, begun.elapsed())
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(lock);
    let mut refused = 0;
    for task in tasks {
        let (outcome, after) = task.await.expect("no panic");
        if let Err(error) = outcome {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            assert!(after < Duration::from_millis(250), "{after:?}");
            refused += 1;
        }
    }
    assert!((15..=16).contains(&refused), "{refused}");
    assert_eq!(store.accounts().await.expect("there").len(), 20 - refused);
}

/// A reader of another process holds the log's pages: it grows, and nothing else happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_made_delays_nobody_and_is_made_later() {
    let folder = Folder::new();
    let store = folder.open();
    let log = folder.database().with_extension("db-wal");
    let size = || std::fs::metadata(&log).expect("the log").len();
    let reader = Connection::open(folder.database()).expect("the file");
    reader.execute_batch("BEGIN; SELECT count(*) FROM accounts;").expect("a snapshot");
    // Fills more than the pages after which SQLite makes a checkpoint.
    let fill = async |from: u8| {
        for byte in from..from + 100 {
            let mut account = fixtures::account(byte);
            let filler = "a claim ".repeat(8 * 1024);
            account.claims.insert("filler".to_owned(), filler.into());
            store.add_account(&account, None).await.expect("added");
        }
    };
    fill(1).await;
    let held = size();
    assert!(held > 5_000_000, "{held}: beyond a checkpoint");
    drop(reader);
    fill(101).await;
    assert!(size() < held + held / 2, "the log begins anew");
    drop(store);
    assert_eq!(folder.open().accounts().await.expect("there").len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_shutdown_and_nothing_is_taken_any_more() {
    let folder = Folder::new();
    let store = folder.open();
    let tasks: Vec<_> = (0..50)
        .map(|byte| {
            let store = store.clone();
            tokio::spawn(async move { store.add_account(&fixtures::account(byte), None).await })
        })
        .collect();
    tokio::task::spawn_blocking({
        let store = store.clone();
        move || store.shutdown()
    })
    .await
    .expect("no panic");
    let mut answered = 0;
    for task in tasks {
        answered += usize::from(task.await.expect("no panic").is_ok());
    }
    let late = store.add_account(&fixtures::account(99), None).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    drop(store);
    assert_eq!(folder.open().accounts().await.expect("there").len(), answered);
}

#[test]
fn finding_29_programs_that_start_together_migrate_once() {
    let folder = Folder::new();
    let start = Arc::new(Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (folder, start) = (&folder, start.clone());
            scope.spawn(move || {
                start.wait();
                folder.open();
            });
        }
    });
}

#[test]
fn finding_29_whoever_comes_second_waits_for_the_first_ones_migrations() {
    let folder = Folder::new();
    let database = folder.database();
    std::fs::create_dir_all(database.parent().expect("a folder")).expect("made");
    let first = std::fs::File::create(database.with_extension("db.lock")).expect("the lock file");
    first.lock().expect("locked");
    std::thread::scope(|scope| {
        let second = scope.spawn(|| folder.open());
        std::thread::sleep(Duration::from_millis(200));
        assert!(!second.is_finished());
        first.unlock().expect("unlocked");
        second.join().expect("it goes on");
    });
}

#[test]
fn a_database_of_a_newer_program_is_refused_in_words() {
    let folder = Folder::new();
    drop(folder.open());
    let file = Connection::open(folder.database()).expect("the file");
    let note = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                VALUES (1000, 'later', '2027-01-01T00:00:00Z', '1')";
    file.execute_batch(note).expect("noted");
    drop(folder.open());
    file.execute_batch("UPDATE meta SET value = 1000 WHERE name = 'readable_by'").expect("set");
    let refused =
        Database::open_sqlite(&folder.database(), Options::default()).expect_err("too new");
    assert!(matches!(refused, OpenError::Newer { needed: 1000, .. }), "{refused}");
}

#[tokio::test]
async fn finding_30_a_program_that_became_too_old_while_it_runs_is_not_ready_any_more() {
    let folder = Folder::new();
    let store = folder.open();
    assert_eq!(store.ping().await, Ok(None), "its clock is this machine's");
    let file = Connection::open(folder.database()).expect("the file");
    file.execute_batch("UPDATE meta SET value = 1000 WHERE name = 'readable_by'").expect("set");
    let refused = store.ping().await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(words)) if words.contains("1000")));
}

#[test]
fn a_plan_says_what_opening_would_do_and_touches_nothing() {
    let folder = Folder::new();
    let plan = sqlite::plan(&folder.database(), Options::default()).expect("a plan");
    assert_eq!((plan.at, plan.ahead.len() > 9), (0, true));
    assert!(!folder.database().exists());
    let last = plan.ahead.last().expect("there are some").clone();
    assert_eq!(last.version, plan.known);
    drop(folder.open());
    let plan = sqlite::plan(&folder.database(), Options::default()).expect("a plan");
    assert_eq!((plan.at, plan.readable_by), (last.version, last.readable_by), "as it said");
    assert_eq!(plan.ahead, []);
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    drop(folder.open());
    let text = "a text file that is long enough to be looked at ".repeat(50);
    let path = folder.database().with_file_name("notes.txt");
    std::fs::write(&path, &text).expect("written");
    let refused = Database::open_sqlite(&path, Options::default()).expect_err("no database");
    assert!(matches!(refused, OpenError::Sqlite(_)), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_and_its_folder_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let store = folder.open();
    store.put_client(&fixtures::client()).await.expect("put");
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    let database = folder.database();
    let parent = database.parent().expect("a folder");
    assert_eq!(mode(parent), 0o700);
    for entry in std::fs::read_dir(parent).expect("readable") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn the_sweeper_lets_the_store_go() {
    struct Then;
    impl Clock for Then {
        fn now(&self) -> Timestamp {
            NOW
        }
    }
    let folder = Folder::new();
    let store = folder.open();
    store.revoke_token("old", Timestamp::from_seconds(1)).await.expect("revoked");
    let sweeper = store.start_sweeper(Sweeping {
        clock: Arc::new(Then),
        every: Duration::from_millis(20),
        lifetimes: Lifetimes::default(),
        node: [1; 16],
    });
    while store.token_revoked("old").await.expect("there") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(store);
    sweeper.await.expect("it ended by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_that_a_code_was_used_survives_the_process() {
    let folder = Folder::new();
    let store = folder.open();
    let client = fixtures::client();
    store.put_client(&client).await.expect("put");
    store.add_account(&fixtures::account(1), None).await.expect("added");
    let session = fixtures::signed_in(NOW).session;
    store.open_session(fixtures::session_opened(session, [7; 32])).await.expect("opened");
    let mut code = fixtures::code(NOW);
    code.grant = GrantId::new(NOW, [1; 10]);
    let redeem = async |store: &Database, random| {
        store.redeem_code(fixtures::redemption(&code, &client, random)).await
    };
    assert_eq!(redeem(&store, 1).await, Ok(Redeemed::Done));
    drop(store);
    let store = folder.open();
    assert_eq!(redeem(&store, 2).await, Ok(Redeemed::Replayed));
}

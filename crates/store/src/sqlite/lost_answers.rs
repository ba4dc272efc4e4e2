//! Commits that fail: SQLite reports an error although the transaction is on disk, or because it is
//! not.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystile_authority::decisions::{Redeemed, Redemption, Rotated};
use keystile_authority::fixtures;
use keystile_authority::ports::{PendingAuthorizations, Registry, Store, StoreError};
use keystile_protocol::Timestamp;
use rusqlite::{Connection, Error, ffi};

use super::*;
use crate::database::Database;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A store in a folder of its own, some of whose commits lose their answers.
struct Rig {
    store: Database,
    /// How many of the next commits are on disk and lose their answers.
    lose: Arc<AtomicUsize>,
    /// How many of the next commits do not get to the disk.
    fail: Arc<AtomicUsize>,
    folder: PathBuf,
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

async fn rig(name: &str) -> Rig {
    let name = format!("keystile-lost-answers-{}-{name}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let path = folder.join("keystile.db");
    let options = Options::default();
    let memory = Arc::default();
    let mut sqlite = Sqlite::open(&path, options, &memory).expect("a store");
    let (lose, fail) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (to_lose, to_fail) = (lose.clone(), fail.clone());
    let open = move || {
        let mut connection = open::writer(&path, options)?;
        let (to_lose, to_fail) = (to_lose.clone(), to_fail.clone());
        // SQLite calls it when the transaction is in the log, and returns its error from COMMIT.
        connection.wal_hook(Some(move |_: &mut _, _| {
            let error = Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None);
            if one_of(&to_lose) { Err(error) } else { Ok(()) }
        }))?;
        connection.commit_hook(Some(move || one_of(&to_fail)))?;
        Ok(connection)
    };
    let first: Connection = open().expect("a connection");
    sqlite.writer = Writer::start(first, open, || Ok(()), options).expect("a thread");
    let store = Database::over_sqlite(sqlite, memory);
    store.put_client(&fixtures::client()).await.expect("a client");
    store.add_account(&fixtures::account(1), None).await.expect("an account");
    let session = fixtures::signed_in(NOW).session;
    store.open_session(fixtures::session_opened(session, [7; 32])).await.expect("a session");
    Rig { store, lose, fail, folder }
}

/// Whether there was one left.
fn one_of(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn redemption(random: u8) -> Redemption {
    fixtures::redemption(&fixtures::code(NOW), &fixtures::client(), random)
}

async fn is_alive(store: &Database) -> bool {
    let grant = store.grant(&fixtures::code(NOW).grant, None, NOW).await.expect("it answers");
    grant.is_some_and(|grant| grant.alive)
}

#[tokio::test]
async fn idea_4_a_redemption_whose_answer_is_lost_becomes_done() {
    let rig = rig("code").await;
    rig.lose.store(1, Ordering::Relaxed);
    assert_eq!(rig.store.redeem_code(redemption(1)).await, Ok(Redeemed::Done));
    assert!(is_alive(&rig.store).await);
    assert_eq!(rig.store.redeem_code(redemption(2)).await, Ok(Redeemed::Replayed));
}

#[tokio::test]
async fn idea_4_a_replay_whose_answer_is_lost_stays_a_replay() {
    let rig = rig("replay").await;
    assert_eq!(rig.store.redeem_code(redemption(1)).await, Ok(Redeemed::Done));
    rig.lose.store(1, Ordering::Relaxed);
    assert_eq!(rig.store.redeem_code(redemption(2)).await, Ok(Redeemed::Replayed));
    assert!(!is_alive(&rig.store).await);
}

#[tokio::test]
async fn rfc_8628_3_5_a_poll_whose_answer_is_lost_becomes_done() {
    let rig = rig("poll").await;
    let opened = fixtures::pending(NOW, 1);
    let grant = opened.pending.grant;
    rig.store.open_pending(opened.clone()).await.expect("opened");
    let answered = fixtures::pending_answered(&opened.pending, true, NOW);
    assert_eq!(rig.store.answer_pending(answered).await, Ok(true));
    let pending = rig.store.pending(&grant).await.expect("it answers").expect("a row");
    rig.lose.store(2, Ordering::Relaxed);
    let redemption = fixtures::pending_redemption(&pending, &fixtures::client(), 1);
    assert_eq!(rig.store.redeem_pending(redemption).await, Ok(Redeemed::Done));
}

#[tokio::test]
async fn idea_4_what_cannot_be_settled_within_the_bound_is_said_to_be_in_doubt() {
    let rig = rig("bound").await;
    rig.fail.store(usize::MAX, Ordering::Relaxed);
    let outcome = rig.store.redeem_code(redemption(1)).await;
    assert!(matches!(outcome, Err(StoreError::InDoubt(_))), "{outcome:?}");
    rig.fail.store(0, Ordering::Relaxed);
    assert!(!is_alive(&rig.store).await);
    assert_eq!(rig.store.redeem_code(redemption(1)).await, Ok(Redeemed::Done));
}

#[tokio::test]
async fn idea_4_a_redemption_that_did_not_get_to_the_disk_is_sent_again() {
    let rig = rig("again").await;
    rig.fail.store(3, Ordering::Relaxed);
    assert_eq!(rig.store.redeem_code(redemption(1)).await, Ok(Redeemed::Done));
    assert!(is_alive(&rig.store).await);
}

/// The next look at the grant finds the counter one further: the same successor again.
#[tokio::test]
async fn idea_7_a_rotation_whose_answer_is_lost_is_in_doubt_and_finds_the_counter_moved() {
    let rig = rig("rotation").await;
    assert_eq!(rig.store.redeem_code(redemption(1)).await, Ok(Redeemed::Done));
    rig.lose.store(1, Ordering::Relaxed);
    let rotation = fixtures::rotation(fixtures::code(NOW).grant, 0, 1, NOW);
    let outcome = rig.store.rotate(rotation).await;
    assert!(matches!(outcome, Err(StoreError::InDoubt(_))), "{outcome:?}");
    assert_eq!(rig.store.rotate(rotation).await, Ok(Rotated::Changed));
}

//! A store that moves from a file to PostgreSQL.

use keystile_authority::fixtures;
use keystile_authority::ports::{PendingAuthorizations, Registry, Store};
use keystile_store::Database;
use keystile_store::postgres::{Address, MoveError, move_here};
use keystile_store::sqlite::{CopyError, Departure, OpenError, Options};
use keystile_test_postgres::Database as Fresh;

use crate::contract::{NOW, later};
use crate::formats::{must_have_everything, write_everything};
use crate::postgres::open;
use crate::sqlite::Folder;

async fn fresh() -> (Fresh, Address) {
    let fresh = tokio::task::spawn_blocking(Fresh::fresh).await.expect("a database");
    let address = Address::parse(&fresh.url(), None).expect("an address");
    (fresh, address)
}

/// A closed store with something of every kind in it, and its epoch.
async fn full() -> (Folder, u64) {
    let folder = Folder::new();
    let store = folder.open();
    write_everything(&store).await;
    let epoch = store.epoch();
    (folder, epoch)
}

fn departure(folder: &Folder) -> Departure {
    Departure::begin(&folder.database(), Options::default()).expect("it can leave")
}

fn reopened(folder: &Folder) -> Result<Database, OpenError> {
    Database::open_sqlite(&folder.database(), Options::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_in_an_epoch_of_its_own_and_the_file_is_not_served_any_more() {
    let ((folder, epoch), (database, address)) = (full().await, fresh().await);
    let moved = move_here(&departure(&folder), &address, later(5)).await.expect("moved");
    assert!(!moved.was_there);
    let rows = |name: &str| moved.tables.iter().find(|(table, _)| *table == name).map(|t| t.1);
    assert_eq!((rows("clients"), rows("grants"), rows("accounts")), (Some(3), Some(1), Some(1)));
    let there = open(&database.url()).await;
    must_have_everything(&there).await;
    assert!(there.epoch() > epoch);
    let device = fixtures::pending(NOW, 1).pending;
    assert_eq!(there.pending(&device.grant).await, Ok(None), "it is asked anew");
    // What is added from now on does not collide with what came.
    let client = fixtures::client();
    there.put_client(&client).await.expect("changed");
    assert!(matches!(reopened(&folder), Err(OpenError::Moved)));
    let again = move_here(&departure(&folder), &address, later(6)).await.expect("as before");
    assert!(again.was_there, "a move that is repeated moves nothing");
    assert!(Departure::cancel(&folder.database(), Options::default()).expect("cancelled"));
    let back = reopened(&folder).expect("it opens again");
    must_have_everything(&back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_empty_takes_nothing_and_the_file_stays_as_it_is() {
    let ((folder, _), (database, address)) = (full().await, fresh().await);
    let there = open(&database.url()).await;
    there.add_account(&fixtures::account(9), None).await.expect("added");
    let refused = move_here(&departure(&folder), &address, NOW).await;
    assert!(matches!(refused, Err(MoveError::NotEmpty("accounts"))), "{refused:?}");
    assert_eq!(there.accounts().await.expect("there").len(), 1);
    must_have_everything(&reopened(&folder).expect("it is not marked")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_does_not_take_leaves_it_empty_and_the_move_can_be_repeated() {
    let ((folder, _), (database, address)) = (full().await, fresh().await);
    let file = rusqlite::Connection::open(folder.database()).expect("the file");
    let odd = "UPDATE sessions SET user_agent = 'a' || char(0) || 'b'";
    file.execute_batch(odd).expect("set");
    drop(file);
    let refused = move_here(&departure(&folder), &address, NOW).await;
    assert!(matches!(refused, Err(MoveError::Unreadable("sessions"))), "{refused:?}");
    assert!(matches!(reopened(&folder), Err(OpenError::Moved)), "until it is said what to do");
    let there = open(&database.url()).await;
    assert_eq!(there.clients().await.expect("there").len(), 0);
    drop(there);
    let file = rusqlite::Connection::open(folder.database()).expect("the file");
    file.execute_batch("UPDATE sessions SET user_agent = 'a browser'").expect("mended");
    drop(file);
    let moved = move_here(&departure(&folder), &address, later(1)).await.expect("moved");
    assert!(!moved.was_there);
    must_have_everything(&open(&database.url()).await).await;
}

#[test]
fn a_store_that_is_open_or_not_there_does_not_leave() {
    let folder = Folder::new();
    let begin = || Departure::begin(&folder.database(), Options::default());
    assert!(matches!(begin(), Err(CopyError::Missing(_))));
    let store = folder.open();
    assert!(matches!(begin(), Err(CopyError::InUse(_))));
    drop(store);
    assert!(begin().is_ok());
    assert!(!Departure::cancel(&folder.database(), Options::default()).expect("no mark"));
}

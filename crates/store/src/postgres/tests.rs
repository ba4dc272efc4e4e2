//! What only this side of the ports can see: how often the database is asked.

use std::sync::Arc;

use keystile_authority::decisions::{Redeemed, Rotated};
use keystile_authority::fixtures;
use keystile_authority::ids::GrantId;
use keystile_authority::ports::{Registry, SessionHandle, Store};
use keystile_authority::sealed::Code;
use keystile_protocol::Timestamp;
use keystile_test_postgres::Database as Fresh;

use super::{Address, Options, Ways};
use crate::Database;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// One connection of each kind, so that nothing is prepared twice.
async fn store(database: &Fresh) -> Database {
    let options = Options { reading: 1, writing: 1, ..Options::default() };
    let address = Address::parse(&database.url(), None).expect("an address");
    let store = Database::open_postgres(&address, options).await.expect("a store");
    store.put_client(&fixtures::client()).await.expect("a client");
    store.add_account(&fixtures::account(1), None).await.expect("an account");
    let session = fixtures::signed_in(NOW).session;
    store.open_session(fixtures::session_opened(session, [7; 32])).await.expect("a session");
    store
}

async fn fresh() -> Fresh {
    tokio::task::spawn_blocking(Fresh::fresh).await.expect("a database")
}

fn code(number: u8) -> Code {
    let mut code = fixtures::code(NOW);
    code.grant = GrantId::new(NOW, [number; 10]);
    code
}

async fn reads(ways: &Ways) -> u64 {
    ways.reading.round_trips().await
}

async fn writes(ways: &Ways) -> u64 {
    ways.writing.round_trips().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_of_the_code_and_refresh_paths_is_one_round_trip() {
    let database = fresh().await;
    let store = store(&database).await;
    let ways = store.postgres_ways();
    let client = fixtures::client();
    let handle = SessionHandle { id: fixtures::signed_in(NOW).session.id, secret_digest: [7; 32] };
    for round in 0..3 {
        let (before, code) = ((reads(&ways).await, writes(&ways).await), code(round));
        let situation = store.situation(&handle, Some(&client.id), NOW).await.expect("there");
        assert!(situation.signed_in.is_some());
        let redemption = fixtures::redemption(&code, &client, round);
        assert_eq!(store.redeem_code(redemption).await, Ok(Redeemed::Done));
        assert!(store.grant(&code.grant, None, NOW).await.expect("there").is_some());
        let rotation = fixtures::rotation(code.grant, 0, 1, NOW);
        assert_eq!(store.rotate(rotation).await, Ok(Rotated::Done));
        let spent = (reads(&ways).await - before.0, writes(&ways).await - before.1);
        // Another look for changes may come in between. The first round prepares.
        if round > 0 {
            assert!((2..=4).contains(&spent.0), "{spent:?}");
            assert_eq!(spent.1, 2, "{spent:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redemptions_that_wait_together_share_a_statement() {
    let database = fresh().await;
    let store = store(&database).await;
    let ways = store.postgres_ways();
    let client = Arc::new(fixtures::client());
    let first = fixtures::redemption(&code(0), &client, 1);
    assert_eq!(store.redeem_code(first).await, Ok(Redeemed::Done));
    let before = writes(&ways).await;
    let tasks: Vec<_> = (1..=200)
        .map(|number| {
            let (store, client) = (store.clone(), client.clone());
            tokio::spawn(async move {
                store.redeem_code(fixtures::redemption(&code(number), &client, 1)).await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), Ok(Redeemed::Done));
    }
    let statements = writes(&ways).await - before;
    assert!(statements < 100, "{statements} statements for 200 redemptions");
}

//! What only this side of the ports can see: how often the database is asked.

use std::sync::Arc;

use keystile_authority::decisions::{Redeemed, Rotated};
use keystile_authority::fixtures;
use keystile_authority::ids::GrantId;
use keystile_authority::ports::{Registry, SessionHandle, Store, StoreError, Stored};
use keystile_authority::sealed::Code;
use keystile_protocol::Timestamp;
use keystile_test_postgres::Database as Fresh;
use tokio_postgres::SimpleQueryMessage;

use super::connection::Connection;
use super::connector::Connector;
use super::questions::{FIND_ACCOUNTS, FIND_GRANTS, FIND_SITUATIONS};
use super::redemptions::{REDEEM_ALL, REDEEM_ALL_AND_NOTE};
use super::rotations::ROTATE_ALL;
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

/// Each of them as a task of its own; on one thread all ask before the first is answered.
async fn all_at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    numbers: impl Iterator<Item = u8>,
    ask: impl Fn(u8) -> F,
) -> Vec<(u8, T)> {
    let tasks: Vec<_> = numbers.map(|number| (number, tokio::spawn(ask(number)))).collect();
    let mut answers = Vec::new();
    for (number, task) in tasks {
        answers.push((number, task.await.expect("no panic")));
    }
    answers
}

/// Codes 1 to `last`.
async fn redeem(store: &Database, last: u8) {
    let client = Arc::new(fixtures::client());
    let redeem = |number| {
        let (store, client) = (store.clone(), client.clone());
        async move { store.redeem_code(fixtures::redemption(&code(number), &client, 1)).await }
    };
    for (number, redeemed) in all_at_once(1..=last, redeem).await {
        assert_eq!(redeemed, Ok(Redeemed::Done), "{number}");
    }
}

#[tokio::test]
async fn questions_that_wait_together_share_statements_and_each_has_its_own_answer() {
    let database = fresh().await;
    let store = store(&database).await;
    redeem(&store, 100).await;
    let before = reads(&store.postgres_ways()).await;
    let ask = |number: u8| {
        let store = store.clone();
        async move { store.grant(&code(number).grant, None, NOW).await }
    };
    for (number, found) in all_at_once(1..=200, ask).await {
        let found = found.expect("an answer").map(|found| (found.grant.id, found.alive));
        assert_eq!(found, (number <= 100).then(|| (code(number).grant, true)), "{number}");
    }
    // Four are enough; a look for changes, and two that prepare, may come in between.
    let spent = reads(&store.postgres_ways()).await - before;
    assert!(spent < 20, "{spent} statements for 200 questions");
}

#[tokio::test]
async fn each_browser_and_account_has_its_own_answer_among_many() {
    let database = fresh().await;
    let store = store(&database).await;
    let session = fixtures::signed_in(NOW).session;
    let ask = |number: u8| {
        let (store, id, client) = (store.clone(), session.id, fixtures::client().id);
        async move {
            let handle = SessionHandle { id, secret_digest: [number; 32] };
            let client = number.is_multiple_of(2).then_some(&client);
            let situation = store.situation(&handle, client, NOW).await.expect("an answer");
            let account = store.account(&fixtures::account(number).id).await.expect("an answer");
            (situation.signed_in.is_some(), account.is_some())
        }
    };
    for (number, found) in all_at_once(0..100, ask).await {
        assert_eq!(found, (number == 7, number == 1), "{number}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_spoils_no_other_answer() {
    let database = fresh().await;
    let store = store(&database).await;
    redeem(&store, 30).await;
    let spoil = "UPDATE grants SET resources = 'no JSON' \
                 WHERE id = (SELECT id FROM grants ORDER BY id LIMIT 1)";
    database.sql(spoil);
    let ask = |number: u8| {
        let store = store.clone();
        async move { store.grant(&code(number).grant, None, NOW).await }
    };
    for (number, found) in all_at_once(1..=30, ask).await {
        match found {
            Err(StoreError::Broken(_)) => assert_eq!(number, 1),
            found => assert_eq!((found.expect("there").is_some(), number == 1), (true, false)),
        }
    }
}

#[tokio::test]
async fn rotations_that_wait_together_share_statements_and_one_of_a_grant_moves_it() {
    let database = fresh().await;
    let store = store(&database).await;
    redeem(&store, 60).await;
    let before = writes(&store.postgres_ways()).await;
    let rotate = |number: u8| {
        let store = store.clone();
        let grant = code(number.div_ceil(2)).grant;
        async move { store.rotate(fixtures::rotation(grant, 0, 1, NOW)).await }
    };
    let rotated = all_at_once(1..=120, rotate).await;
    let outcomes: Vec<Stored<Rotated>> = rotated.into_iter().map(|(_, outcome)| outcome).collect();
    for pair in outcomes.chunks(2) {
        assert_eq!(pair, [Ok(Rotated::Done), Ok(Rotated::Changed)]);
    }
    let spent = writes(&store.postgres_ways()).await - before;
    assert!(spent < 20, "{spent} statements for 120 rotations");
}

/// How a statement is carried out on one of our connections, with parameters of these types: a
/// letter each.
async fn plan_of(connection: &mut Connection, types: &str, sql: &str) -> String {
    let name = |letter| match letter {
        'b' => "bytea[]",
        'i' => "bigint[]",
        _ => "text[]",
    };
    let types: Vec<&str> = types.chars().map(name).collect();
    let nulls = vec!["NULL"; types.len()].join(", ");
    let types = types.join(", ");
    let ask = format!("PREPARE asked ({types}) AS {sql}; EXPLAIN EXECUTE asked ({nulls})");
    let said = connection.client().simple_query(&ask).await.expect("a plan");
    connection.client().batch_execute("DEALLOCATE asked").await.expect("forgotten");
    let lines = said.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Rows enough that PostgreSQL looks at the tables by itself.
const FILL: &str = "
    INSERT INTO accounts (id, username, enabled, valid_from, claims)
    SELECT int8send(n), n, 1, 0, '{}' FROM generate_series(1, 60) n;
    INSERT INTO clients (id, enabled, registration, format, record)
    SELECT n, 1, 0, 1, '{}' FROM generate_series(1, 60) n;
    INSERT INTO sessions (id, secret_digest, sid, account, auth_time, methods, created_at,
                          last_used, expires_at, user_agent)
    SELECT int8send(n), '', '', int8send(n), 0, '', 0, 0, 0, '' FROM generate_series(1, 60) n;
    INSERT INTO session_clients (session, client)
    SELECT int8send(n), n FROM generate_series(1, 60) n;
    INSERT INTO consents (account, client, granted, refused, valid_from, since)
    SELECT int8send(n), n, '', '', 0, 0 FROM generate_series(1, 60) n;
    INSERT INTO revoked_tokens (jti, expires_at) SELECT n, 0 FROM generate_series(1, 60) n;
    INSERT INTO used_once (key, used_by, expires_at)
    SELECT int8send(n), '', 0 FROM generate_series(1, 60) n";

/// A plan that is made while tables are small is used when they are large.
#[tokio::test]
async fn what_goes_together_is_found_by_its_key_whatever_the_size_of_tables() {
    let database = fresh().await;
    let store = store(&database).await;
    redeem(&store, 60).await;
    database.sql(FILL);
    let address = Address::parse(&database.url(), None).expect("an address");
    let connector = Connector::new(address, Arc::default()).expect("a way");
    let mut connection = connector.connect_bare().await.expect("there");
    let redemption = "bbbtbbittitiiiibtbbbti";
    for analyzed in [false, true] {
        if analyzed {
            connection.client().batch_execute("ANALYZE").await.expect("analyzed");
        }
        for (types, sql) in [
            ("bit", FIND_GRANTS),
            ("b", FIND_ACCOUNTS),
            ("bbit", FIND_SITUATIONS),
            (redemption, REDEEM_ALL),
            (&format!("{redemption}iiibbi"), REDEEM_ALL_AND_NOTE),
            ("biiii", ROTATE_ALL),
        ] {
            let plan = plan_of(&mut connection, types, sql).await;
            assert!(!plan.contains("Seq Scan"), "{analyzed}, {sql}\n{plan}");
            let scans = ["Index Scan using", "Index Only Scan", "Bitmap Index Scan"];
            let scans: usize = scans.iter().map(|scan| plan.matches(scan).count()).sum();
            let by_key = plan.matches("Index Cond").count();
            assert!(scans > 0 && scans == by_key, "{analyzed}, {sql}\n{plan}");
        }
    }
}

//! What only PostgreSQL has: a network in between, many nodes, a server that is promoted.

use std::time::{Duration, Instant};

use keystile_authority::decisions::{Redeemed, Rotated};
use keystile_authority::fixtures;
use keystile_authority::ids::GrantId;
use keystile_authority::ports::{Registry, Store, StoreError};
use keystile_protocol::Timestamp;
use keystile_store::Database;
use keystile_store::postgres::{Address, OpenError, Options};
use keystile_test_postgres::{Database as Fresh, Network, Proxy, Server};

use crate::contract::{Backend as _, NOW, World, offline_code};
use crate::postgres::{Postgres, open};

async fn fresh() -> Fresh {
    tokio::task::spawn_blocking(Fresh::fresh).await.expect("a database")
}

async fn try_open(url: &str, options: Options) -> Result<Database, OpenError> {
    Database::open_postgres(&Address::parse(url, None).expect("an address"), options).await
}

/// A store that comes to its database by way of a network that can be spoiled.
async fn behind(proxy: &Proxy, database: &Fresh, options: Options) -> Database {
    let url = database.server().url_by(proxy.port(), database.name());
    try_open(&url, options).await.expect("a store")
}

#[test]
fn finding_29_both_folders_of_migrations_have_the_same_numbers() {
    let names = |backend: &str| {
        let folder = format!("{}/migrations/{backend}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).expect("a folder");
        let names = files.map(|file| file.expect("a file").file_name().into_string());
        let mut names: Vec<String> = names.map(|name| name.expect("a name")).collect();
        names.sort();
        names
    };
    // PostgreSQL begins with what SQLite had by then.
    let number = |name: &str| -> u32 {
        let digits = name.trim_start_matches('V').split("__").next().expect("a number");
        digits.parse().expect("a number")
    };
    let mut sqlite = names("sqlite");
    sqlite.retain(|name| number(name) > 17);
    let mut postgres = names("postgres");
    postgres.retain(|name| number(name) > 17);
    assert_eq!(sqlite, postgres);
    assert!(names("postgres").contains(&"V17__first.sql".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn finding_29_nodes_that_start_together_on_an_empty_database_migrate_once() {
    let database = fresh().await;
    let nodes: Vec<_> = (0..8)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { try_open(&url, Options::default()).await.map(drop) })
        })
        .collect();
    for node in nodes {
        node.await.expect("no panic").expect("it opens");
    }
    let applied = "SELECT COUNT(*) = COUNT(DISTINCT version) FROM refinery_schema_history";
    assert_eq!(database.sql(applied), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_program_is_refused_in_words() {
    let database = fresh().await;
    drop(open(&database.url()).await);
    database.sql("UPDATE meta SET value = 1000 WHERE name = 'readable_by'");
    let refused = try_open(&database.url(), Options::default()).await.expect_err("too new");
    assert!(matches!(refused, OpenError::Newer { needed: 1000, .. }), "{refused}");
}

/// As after a promotion, or on a copy of the database elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn finding_2_another_server_or_timeline_begins_a_new_epoch_once() {
    let database = fresh().await;
    let first = open(&database.url()).await;
    let epoch = first.epoch();
    assert_eq!(open(&database.url()).await.epoch(), epoch, "the same server");
    let mut last = epoch;
    for name in ["timeline", "system"] {
        database.sql(&format!("UPDATE meta SET value = value - 1 WHERE name = '{name}'"));
        let url = database.url();
        let (one, other) =
            tokio::join!(try_open(&url, Options::default()), try_open(&url, Options::default()));
        let (one, other) = (one.expect("a store"), other.expect("a store"));
        assert!(one.epoch() > last, "{name}");
        assert_eq!(one.epoch(), other.epoch(), "{name}");
        last = one.epoch();
    }
    let begun = Instant::now();
    while first.epoch() != last {
        assert!(begun.elapsed() < Duration::from_secs(20), "a running node learns of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// So that the connection whose answers are lost is the one that is used next.
fn one_line() -> Options {
    Options { writing: 1, ..Options::default() }
}

/// The commit happened, its answer was lost.
#[tokio::test(flavor = "multi_thread")]
async fn idea_4_a_redemption_in_doubt_is_settled_on_another_connection() {
    let backend = Postgres::new().await;
    let world = World::new(&backend).await;
    let proxy = Proxy::start(backend.database().server().port());
    let store = behind(&proxy, backend.database(), one_line()).await;
    for round in 1..=10 {
        let mut code = offline_code(NOW);
        code.grant = GrantId::new(NOW, [round; 10]);
        let redemption = fixtures::redemption(&code, &world.client, round);
        if round > 1 {
            proxy.lose_answers();
        }
        assert_eq!(store.redeem_code(redemption).await, Ok(Redeemed::Done), "{round}");
        assert!(world.is_alive(&code, NOW).await);
        assert_eq!(world.redeem(&code, 100 + round).await, Redeemed::Replayed);
    }
}

/// PostgreSQL says that a commit succeeded whose wait for the standby was cut short, and warns.
#[tokio::test(flavor = "multi_thread")]
async fn finding_15_a_commit_that_no_standby_has_is_in_doubt_and_sent_again() {
    let server = tokio::task::spawn_blocking(Server::start).await.expect("a server");
    let options = Options { patience: Duration::from_secs(60), ..one_line() };
    let store = try_open(&server.url("postgres"), options).await.expect("a store");
    let client = fixtures::client();
    store.put_client(&client).await.expect("put");
    store.add_account(&fixtures::account(1), None).await.expect("added");
    let session = fixtures::signed_in(NOW).session;
    store.open_session(fixtures::session_opened(session, [7; 32])).await.expect("opened");
    let code = offline_code(NOW);
    let redeem = |random: u8| {
        let (store, redemption) = (store.clone(), fixtures::redemption(&code, &client, random));
        tokio::spawn(async move { store.redeem_code(redemption).await })
    };
    let set = |names: &str| {
        let sql = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        server.sql("postgres", &sql);
        server.sql("postgres", "SELECT pg_reload_conf()");
        server.wait_for("SHOW synchronous_standby_names", names);
    };
    let waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let redeemed = tokio::task::block_in_place(|| {
        set("nobody");
        let redeemed = redeem(1);
        server.wait_for(&format!("SELECT COUNT(*) {waiting}"), "1");
        let first = server.sql("postgres", &format!("SELECT pid {waiting}"));
        server.sql("postgres", &format!("SELECT pg_cancel_backend({first})"));
        server.wait_for(&format!("SELECT COUNT(*) {waiting} AND pid <> {first}"), "1");
        assert!(!redeemed.is_finished(), "no success for what one server alone has");
        set("");
        redeemed
    });
    assert_eq!(redeemed.await.expect("no panic"), Ok(Redeemed::Done));
    assert_eq!(redeem(2).await.expect("no panic"), Ok(Redeemed::Replayed));
}

/// It was rotated, and whoever asks again is told that it changed: the rule for a token that was
/// rotated just now gives the same successor.
#[tokio::test(flavor = "multi_thread")]
async fn idea_7_a_rotation_in_doubt_moves_the_counter_once() {
    let backend = Postgres::new().await;
    let world = World::new(&backend).await;
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    let proxy = Proxy::start(backend.database().server().port());
    let store = behind(&proxy, backend.database(), one_line()).await;
    assert_eq!(store.rotate(fixtures::rotation(code.grant, 0, 1, NOW)).await, Ok(Rotated::Done));
    proxy.lose_answers();
    let rotated = store.rotate(fixtures::rotation(code.grant, 1, 2, NOW)).await;
    assert_eq!(rotated, Ok(Rotated::Changed));
    let grant = store.grant(&code.grant, None, NOW).await.expect("there").expect("a row");
    assert_eq!((grant.grant.generation, grant.alive), (2, true));
}

/// All connections break at once, as in a failover.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_whose_connection_breaks_is_asked_again_on_another() {
    let database = fresh().await;
    let proxy = Proxy::start(database.server().port());
    let store = behind(&proxy, &database, Options::default()).await;
    store.add_account(&fixtures::account(1), None).await.expect("added");
    for round in 0..10 {
        // Each of them is open.
        for _ in 0..Options::default().reading {
            store.ping().await.expect("there");
        }
        proxy.lose_answers();
        // What goes together, and what goes alone.
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let (store, account) = (store.clone(), fixtures::account(1));
                tokio::spawn(async move {
                    tokio::join!(store.account(&account.id), store.credentials(&account.username))
                })
            })
            .collect();
        for asked in asked {
            let (together, alone) = asked.await.expect("no panic");
            assert!(together.expect("an answer").is_some(), "{round}");
            assert!(alone.expect("an answer").is_some(), "{round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_is_unavailable_at_once_and_comes_back() {
    let database = fresh().await;
    let proxy = Proxy::start(database.server().port());
    let store = behind(&proxy, &database, Options::default()).await;
    store.put_client(&fixtures::client()).await.expect("put");
    for _ in 0..3 {
        proxy.set(Network::Refuses);
        let begun = Instant::now();
        let refused = store.put_client(&fixtures::client()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        let refused = store.accounts().await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        proxy.set(Network::Good);
        until_it_answers(&store).await;
        store.put_client(&fixtures::client()).await.expect("it goes on");
    }
}

async fn until_it_answers(store: &Database) {
    let begun = Instant::now();
    while let Err(error) = store.ping().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_database_has_a_bound_and_so_has_what_waits_for_it() {
    let database = fresh().await;
    let proxy = Proxy::start(database.server().port());
    let options = Options { queue: 4, patience: Duration::from_secs(2), ..Options::default() };
    let store = behind(&proxy, &database, options).await;
    store.put_client(&fixtures::client()).await.expect("put");
    store.ping().await.expect("there");
    proxy.set(Network::Silent);
    let tasks: Vec<_> = (0..20)
        .map(|byte| {
            let store = store.clone();
            tokio::spawn(async move {
                let begun = Instant::now();
                let outcome = store.add_account(&fixtures::account(byte), None).await;
                assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
                begun.elapsed()
            })
        })
        .collect();
    let mut waited = 0;
    for task in tasks {
        let took = task.await.expect("no panic");
        assert!(took < Duration::from_secs(20), "{took:?}");
        waited += usize::from(took >= Duration::from_secs(1));
    }
    assert_eq!(waited, 4, "the others are refused at once");
    proxy.set(Network::Good);
    until_it_answers(&store).await;
    store.add_account(&fixtures::account(200), None).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_by_name_and_root_unless_somebody_says_otherwise() {
    let database = tokio::task::spawn_blocking(Fresh::fresh_tls).await.expect("a database");
    let url = database.url();
    drop(open(&url).await);
    let bare = url.split('?').next().expect("a start").to_owned();
    drop(open(&format!("{bare}?sslmode=require")).await);
    for (refused, words) in [
        (format!("{bare}?sslmode=verify-full"), "certificate"),
        (url.replace("@localhost", "@127.0.0.1"), "certificate"),
        (format!("{bare}?sslmode=disable"), "no encryption"),
        (format!("{bare}?sslrootcert=/nowhere/ca.pem"), "/nowhere/ca.pem"),
    ] {
        let error = try_open(&refused, Options::default()).await.expect_err(&refused).to_string();
        assert!(error.contains(words), "{refused}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn finding_23_the_readiness_check_brings_the_databases_clock() {
    let backend = Postgres::new().await;
    let clock = || {
        let sql = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)";
        backend.database().sql(sql).parse().map(Timestamp::from_millis).expect("milliseconds")
    };
    let before = tokio::task::block_in_place(clock);
    let told = backend.store().ping().await.expect("it answers").expect("another machine's");
    let after = tokio::task::block_in_place(clock);
    let slack = Duration::from_millis(1);
    assert!((before..=after.plus(slack)).contains(&told), "{before:?} {told:?} {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_postgresql_cannot_hold_is_nobodys() {
    let database = fresh().await;
    let store = open(&database.url()).await;
    assert!(store.credentials("al\0ice").await.expect("there").is_none());
}

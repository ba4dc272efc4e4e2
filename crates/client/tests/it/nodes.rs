//! Several nodes of one app over one store: what one of them does counts on all.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use keystile_client::protocol::Timestamp;
use keystile_client::session::SessionKey;
use keystile_client::{ClientBuilder, MemorySessions, SessionStore, SqliteSessions};

use crate::bench::{Answering, Browser, Postgres, Setup, at_once};
use crate::store_contract::folder;

const GOOD: &str = "200 three photos";
const KEY: [u8; 32] = [7; 32];

/// A signed-in browser at two nodes.
async fn two_nodes(stores: [Arc<dyn SessionStore>; 2]) -> (Setup, Browser, Browser) {
    let [here, there] = stores;
    let setup = Setup::with(|node| node.sessions(here).encryption_key(KEY)).await;
    let browser = setup.signed_in().await;
    let other = setup.node(&browser, |node| node.sessions(there).encryption_key(KEY));
    (setup, browser, other)
}

fn memory() -> [Arc<dyn SessionStore>; 2] {
    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::default());
    [Arc::clone(&store), store]
}

/// The key of the session that this browser has.
fn key_of(browser: &Browser) -> SessionKey {
    SessionKey::of_handle(&browser.cookies["app"])
}

/// Before any session that the machine's clock makes is over.
const EARLY: Timestamp = Timestamp::from_seconds(0);

async fn refreshes_once(stores: [Arc<dyn SessionStore>; 2]) {
    let (setup, browser, other) = two_nodes(stores).await;
    setup.server.facts().refresh_takes = Duration::from_millis(300);
    for round in 1..=2 {
        setup.wait(305);
        assert_eq!(at_once(&[&browser, &other], 10).await, vec![GOOD; 20]);
        assert_eq!(setup.server.hits("refresh"), round, "one of two nodes asks");
    }
    setup.server.facts().access_tokens.clear();
    assert_eq!(at_once(&[&browser, &other], 10).await, vec![GOOD; 20]);
    assert_eq!(setup.server.hits("refresh"), 3, "after a 401 too");
}

#[tokio::test]
async fn twenty_calls_at_once_at_two_nodes_refresh_once_in_memory() {
    refreshes_once(memory()).await;
}

#[tokio::test]
async fn twenty_calls_at_once_at_two_nodes_refresh_once_in_sqlite() {
    let folder = folder();
    let open = || Arc::new(SqliteSessions::open(folder.join("sessions.db")).expect("opened")) as _;
    refreshes_once([open(), open()]).await;
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[tokio::test]
async fn twenty_calls_at_once_at_two_nodes_refresh_once_in_postgresql() {
    let postgres = Postgres::start().await;
    let stores = [postgres.sessions().await, postgres.sessions().await];
    refreshes_once(stores.map(|store| Arc::new(store) as _)).await;
}

#[tokio::test]
async fn a_node_that_died_during_a_refresh_holds_nobody_up_for_more_than_seconds() {
    let stores = memory();
    let store = Arc::clone(&stores[0]);
    let (setup, _, mut other) = two_nodes(stores).await;
    let session = store.load(&key_of(&other), EARLY).await.expect("read").expect("there");
    // As the node that died left it: claimed for the five seconds after this moment.
    let idle = Duration::from_hours(8);
    let now = session.idle_until.minus(idle).plus(Duration::from_secs(305));
    let until = now.plus(Duration::from_secs(5));
    let none = Timestamp::default();
    assert!(store.claim(&key_of(&other), 0, none, until).await.expect("claimed"));
    setup.wait(305);
    let waiting = tokio::spawn(async move { other.get("/photos").await.body });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(setup.server.hits("refresh"), 0, "it is another node's turn");
    setup.wait(5);
    assert_eq!(waiting.await.expect("answered"), GOOD);
    assert_eq!(setup.server.hits("refresh"), 1);
}

#[tokio::test]
async fn a_node_that_is_still_at_work_makes_its_claim_last_longer() {
    let stores = memory();
    let store = Arc::clone(&stores[0]);
    let (setup, mut browser, _) = two_nodes(stores).await;
    setup.server.facts().refresh_takes = Duration::from_hours(1);
    setup.wait(305);
    let key = key_of(&browser);
    tokio::spawn(async move { browser.get("/photos").await });
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let session = store.load(&key, EARLY).await.expect("read").expect("there");
        if seen.last() != Some(&session.claimed_until) {
            seen.push(session.claimed_until);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(seen[0] < seen[1] && seen[1] < seen[2], "{seen:?}");
}

#[tokio::test]
async fn a_refresh_that_failed_gives_its_turn_to_the_next_node() {
    let stores = memory();
    let store = Arc::clone(&stores[0]);
    let (setup, mut browser, mut other) = two_nodes(stores).await;
    setup.wait(305);
    for answering in [Answering::Lost, Answering::Error(401, "invalid_client")] {
        setup.server.facts().refresh = answering;
        assert!(browser.get("/photos").await.status.is_server_error());
        let session = store.load(&key_of(&other), EARLY).await.expect("read").expect("there");
        assert_eq!((session.claimed_until, session.generation), (Timestamp::default(), 0));
    }
    setup.server.facts().refresh = Answering::Well;
    assert_eq!(other.get("/photos").await.body, GOOD);
}

#[tokio::test]
async fn a_session_that_ends_on_one_node_during_a_refresh_on_another_keeps_no_token() {
    let (setup, mut browser, mut other) = two_nodes(memory()).await;
    setup.server.facts().refresh_takes = Duration::from_millis(300);
    setup.wait(305);
    let (answer, _) = tokio::join!(browser.get("/photos"), async {
        while setup.server.hits("refresh") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.send(Method::POST, "/logout", &[("sec-fetch-site", "same-origin")]).await
    });
    assert_eq!(answer.location(), "/login?return_to=%2Fphotos");
    setup.revoked(2).await;
    assert!(setup.server.facts().refresh_tokens.is_empty(), "neither the old one nor the new one");
}

#[tokio::test]
async fn a_callback_that_comes_to_two_nodes_at_once_sends_the_code_once() {
    let (setup, mut browser, mut other) = two_nodes(memory()).await;
    let authorize = browser.get("/login?prompt=login").await.location().to_owned();
    other.cookies.clone_from(&browser.cookies);
    let callback = setup.server.approve(&authorize);
    let before = setup.server.hits("token");
    let (one, two) = tokio::join!(browser.get(&callback), other.get(&callback));
    assert_eq!(setup.server.hits("token"), before + 1, "RFC 6749 section 4.1.2");
    let led_on = [one, two].map(|answer| answer.location().to_owned());
    assert!(led_on.contains(&"/".to_owned()), "{led_on:?}");
}

/// Words `NUMBER:KEY` for these numbers.
fn keys(numbers: &[u8]) -> String {
    let word = |number: &u8| format!("{number}:{}", number.to_string().repeat(64));
    numbers.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn keys_follow_each_other_on_two_nodes_and_nobody_has_to_sign_in_again() {
    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::default());
    let with = |numbers: &'static [u8]| {
        let store = Arc::clone(&store);
        move |node: ClientBuilder| node.sessions(store).encryption_keys(keys(numbers))
    };
    let setup = Setup::with(with(&[1])).await;
    let (untouched, old) = (setup.signed_in().await, setup.signed_in().await);
    // The new one is read everywhere before it is used anywhere.
    for numbers in [&[1, 2][..], &[2, 1]] {
        let mut here = setup.node(&old, with(numbers));
        assert_eq!(here.get("/").await.body, "hello again", "{numbers:?}");
    }
    setup.wait(305);
    assert_eq!(setup.node(&old, with(&[2, 1])).get("/photos").await.body, GOOD, "refreshed");
    let mut new = setup.node(&setup.browser(), with(&[2, 1]));
    setup.sign_in(&mut new, "/login").await;
    let mut late = setup.node(&new, with(&[1, 2]));
    assert_eq!(late.get("/photos").await.body, GOOD, "at a node that is not so far yet");
    for (browser, body) in
        [(&new, "hello again"), (&old, "hello again"), (&untouched, "hello stranger")]
    {
        assert_eq!(setup.node(browser, with(&[2])).get("/").await.body, body, "without the old");
    }
}

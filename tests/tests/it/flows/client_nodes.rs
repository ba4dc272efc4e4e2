//! Two nodes of one app against our own server: its sessions are in one PostgreSQL database, and any
//! request may come to either node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::tokio_postgres::NoTls;
use deadpool_postgres::{Config, Runtime};
use keystile_client::protocol::Timestamp;
use keystile_client::{Client, PostgresSessions, Step};
use keystile_protocol::Params;
use keystile_test_postgres::Database;
use reqwest::StatusCode;

use crate::harness::{Browser, Keystile, Listener, RelyingParty, now};

/// The keys of the app's sessions, which every node is given.
const KEYS: [&str; 2] = [
    "1:6bd1f2c0e5a94837d2160fcb5a9e3478c1d0e2f3a4b5968778695a4b3c2d1e0f",
    "1:6bd1f2c0e5a94837d2160fcb5a9e3478c1d0e2f3a4b5968778695a4b3c2d1e0f \
     2:0f1e2d3c4b5a69788796a5b4c3f2e1d078349e5acb0f16d2374894e5c0d2f16b",
];

/// An app of two nodes, its authorization server, and where that says who signed out.
struct Setup {
    server: Keystile,
    nodes: [RelyingParty; 2],
    told: Listener,
    /// How far the nodes' clocks are ahead of the machine's, in seconds.
    ahead: Arc<AtomicU64>,
    _database: Database,
}

/// A public client: its refresh tokens rotate. An access token lives for half a minute.
fn config(told: &Listener) -> String {
    format!(
        "\n[[clients]]\nclient_id = \"nodes\"\ntoken_endpoint_auth_method = \
         \"none\"\nredirect_uris = [\"https://app.example/callback\"]\npost_logout_redirect_uris = \
         [\"https://app.example/\"]\ngrant_types = [\"authorization_code\", \
         \"refresh_token\"]\nscope = \"openid offline_access\"\nid_token_signed_response_alg = \
         \"ES256\"\nbackchannel_logout_uri = \"{}\"\nfrontchannel_logout_uri = \
         \"https://app.example/frontchannel-logout\"\nfrontchannel_logout_session_required = \
         true\n[outbound]\nallow_loopback = true\n[lifetimes]\naccess_token = 30\n",
        told.url
    )
}

impl Setup {
    /// With both nodes as they are, or with one that has the next key already.
    async fn new() -> Self {
        let told = Listener::start(&[]).await;
        let server = Keystile::start_with(&config(&told)).await;
        let database = tokio::task::spawn_blocking(Database::fresh).await.unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let mut nodes = Vec::new();
        for keys in KEYS {
            let mut pool = Config::new();
            pool.url = Some(database.url());
            let pool = pool.create_pool(Some(Runtime::Tokio1), NoTls).unwrap();
            let ahead = Arc::clone(&ahead);
            let builder = Client::builder(&server.issuer, "nodes")
                .public()
                .scope("openid offline_access")
                .api(&server.issuer)
                .sessions(Arc::new(PostgresSessions::open(pool).await.unwrap()))
                .encryption_keys(keys)
                .clock(move || {
                    Timestamp::from_seconds((now() + ahead.load(Ordering::SeqCst)).cast_signed())
                });
            nodes.push(RelyingParty::new(builder));
        }
        let nodes = nodes.try_into().unwrap_or_else(|_| unreachable!("two"));
        Self { server, nodes, told, ahead, _database: database }
    }

    /// Signs in on the first node. The browser's next request comes to either.
    async fn sign_in(&mut self, browser: &mut Browser) {
        let [one, two] = &mut self.nodes;
        assert_eq!(one.sign_in(browser, "/me").await.location, "/me");
        two.take_cookies_of(one);
    }

    /// What each node's page for the user answers.
    async fn who(&mut self) -> Vec<StatusCode> {
        let mut answers = Vec::new();
        for node in &mut self.nodes {
            answers.push(node.get("/me").await.status);
        }
        answers
    }

    fn count(&self, step: Step) -> usize {
        self.nodes.iter().map(|node| node.events.count(step)).sum()
    }

    /// The refresh tokens of so many sessions were given back, and the server took them.
    async fn revoked(&self, count: usize) {
        let started = std::time::Instant::now();
        while self.count(Step::RevocationResponse) < count {
            assert!(started.elapsed() < Duration::from_secs(60), "tokens were not given back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let statuses =
            self.nodes.iter().flat_map(|it| it.events.statuses(Step::RevocationResponse));
        assert_eq!(statuses.collect::<Vec<_>>(), vec![Some(200); count]);
    }
}

const THERE: [StatusCode; 2] = [StatusCode::OK; 2];
const GONE: [StatusCode; 2] = [StatusCode::SEE_OTHER; 2];

#[tokio::test]
async fn who_signs_in_on_one_node_calls_apis_on_both_and_one_of_them_refreshes() {
    let mut setup = Setup::new().await;
    setup.sign_in(&mut Browser::new()).await;
    assert_eq!(setup.who().await, THERE);
    for round in 1..=3 {
        setup.ahead.fetch_add(25, Ordering::SeqCst);
        let calls: Vec<_> = setup.nodes.iter().cycle().take(20).cloned().collect();
        let calls = calls
            .into_iter()
            .map(|mut node| tokio::spawn(async move { node.get("/api").await.status }));
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), StatusCode::OK);
        }
        assert_eq!(setup.count(Step::RefreshRequest), round, "one request in all");
    }
    assert_eq!(setup.who().await, THERE);
}

#[tokio::test]
async fn a_back_channel_logout_at_one_node_ends_the_session_on_all() {
    let mut setup = Setup::new().await;
    let mut browser = Browser::new();
    setup.sign_in(&mut browser).await;
    let page = browser.open(setup.server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    let told = setup.told.heard(1).await.remove(0);
    assert_eq!(setup.who().await, THERE, "nobody has told the app yet");
    let taken = setup.nodes[1].post_cross_site("/backchannel-logout", told.body.clone()).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.body);
    assert_eq!(setup.who().await, GONE);
    setup.revoked(1).await;
    let again = setup.nodes[0].post_cross_site("/backchannel-logout", told.body).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "a logout token is taken by one node, once");
}

#[tokio::test]
async fn a_front_channel_logout_at_one_node_ends_the_session_on_all() {
    let mut setup = Setup::new().await;
    let mut browser = Browser::new();
    setup.sign_in(&mut browser).await;
    let page = browser.open(setup.server.url("/logout")).await;
    let page = browser.press(&page, "logout-confirm", &[]).await;
    let frame = page.html.split("<iframe src=\"https://app.example").nth(1).expect("a frame");
    let address = frame.split('"').next().unwrap().replace("&amp;", "&");
    let mut stranger = setup.nodes[1].clone().without_cookies();
    assert_eq!(stranger.get(&address).await.status, StatusCode::OK);
    assert_eq!(setup.who().await, GONE);
    setup.revoked(1).await;
    let other = Params::default().with("iss", &setup.server.issuer).with("sid", "another");
    let other = format!("/frontchannel-logout?{}", other.encode());
    assert_eq!(stranger.get(&other).await.status, StatusCode::OK, "of nobody it is no error");
}

#[tokio::test]
async fn a_logout_and_a_new_login_in_one_browser_give_their_tokens_back_too() {
    let mut setup = Setup::new().await;
    let mut browser = Browser::new();
    setup.sign_in(&mut browser).await;
    let before = setup.nodes[1].clone();
    let address = setup.nodes[1].leave("/login?prompt=login").await;
    assert_eq!(setup.nodes[1].approve(&mut browser, &address).await.location, "/");
    setup.revoked(1).await;
    assert_eq!(before.clone().get("/me").await.status, StatusCode::SEE_OTHER, "replaced");
    let [one, two] = &mut setup.nodes;
    one.take_cookies_of(two);
    assert_eq!(setup.who().await, THERE);
    let answer = setup.nodes[0].post_same_origin("/logout").await;
    assert!(answer.location.starts_with(&setup.server.url("/logout")), "{answer:?}");
    assert_eq!(setup.who().await, GONE);
    setup.revoked(2).await;
}

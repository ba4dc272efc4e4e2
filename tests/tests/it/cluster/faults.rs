//! The database is away, in each of the ways in which one can be: who asks is told so and asks
//! again, what needs no database goes on, and nothing has to be started anew.

use std::time::{Duration, Instant};

use keystile_test_postgres::{Network, Proxy, Server};
use reqwest::{RequestBuilder, Response};
use tokio::task::block_in_place;

use super::{offline, wait_until};
use crate::harness::{App, Browser, Cluster, PASSWORD, Page, Plan, Tokens, tokens};

/// How long an answer may take. It should be some seconds.
const BOUND: Duration = Duration::from_secs(30);

/// Two nodes, a server of their own, and a way to it that can be bad.
struct Bench {
    cluster: Cluster,
    app: App,
    browser: Browser,
    proxy: Proxy,
    server: Server,
}

impl Bench {
    async fn start() -> Self {
        let server = block_in_place(Server::start);
        let proxy = Proxy::start(server.port());
        block_in_place(|| server.sql("postgres", "CREATE DATABASE keystile"));
        let store = server.url_by(proxy.port(), "keystile");
        let cluster = Cluster::start_with(Plan { store: Some(&store), ..Plan::default() }).await;
        let cluster = cluster.settled().await;
        let app = offline(&cluster);
        Self { cluster, app, browser: Browser::new(), proxy, server }
    }

    /// Tries everything while the database is well, away, and well again.
    async fn outlives(mut self, away: impl FnOnce(&Self), back: impl FnOnce(&Self)) {
        let given = self.app.tokens(&mut self.browser).await;
        let code = self.app.code(&mut self.browser).await;
        let login = self.browser.open(self.prompted("login")).await;
        assert!(login.is_sign_in());
        for node in [0, 1] {
            // Each of them knows the clients from here on.
            self.cluster.only(node);
            assert_eq!(machine(&self.cluster).await, 200);
        }
        self.cluster.in_turn();

        block_in_place(|| away(&self));
        self.nothing_wrong_is_said(&given, login.clone()).await;
        self.what_needs_no_database_goes_on().await;
        block_in_place(|| back(&self));

        // What waited for a silent database is told to come again: each node has a few connections.
        self.cluster.answers_again().await;
        assert!(self.app.redeem(&code).await.is_ok(), "the code was not tried meanwhile");
        assert_eq!(self.app.userinfo(given.access_token()).await.0, 200);
        assert!(self.app.refresh(given.refresh_token()).await.is_ok());
        let page = self.browser.open(self.prompted("none")).await;
        assert!(page.query("code").is_some(), "the session lives: {}", page.url);
        let page = self.browser.sign_in(&login, "alice", PASSWORD).await;
        assert!(page.query("code").is_some(), "the open page goes on: {}", page.url);
    }

    fn prompted(&self, prompt: &str) -> String {
        self.app.authorize_url_with(&[("prompt", Some(prompt))])
    }

    /// Asks everything at once, twice, so that both nodes are asked.
    async fn nothing_wrong_is_said(&self, given: &Tokens, login: Page) {
        let (app, issuer) = (&self.app, &self.app.issuer);
        let (access, refresh) = (given.access_token(), given.refresh_token());
        let userinfo = reqwest::Client::new().get(format!("{issuer}/userinfo"));
        let asked = [
            ("refresh", app.call("/token", &refreshing(refresh))),
            ("userinfo", userinfo.bearer_auth(access)),
            ("introspection", app.call("/introspect", &[("token", access)])),
            ("revocation of another's", app.call("/revoke", &[("token", access)])),
        ];
        let mut asking = Vec::new();
        for (what, request) in asked {
            for _ in 0..2 {
                asking.push(tokio::spawn(unavailable(what, request.try_clone().unwrap())));
            }
        }
        for prompt in ["none", "consent", "login"] {
            let (mut browser, url) = (self.browser.clone(), self.prompted(prompt));
            asking.push(tokio::spawn(async move {
                let started = Instant::now();
                let page = browser.open(url).await;
                no_answer(prompt, &page, started);
            }));
        }
        let mut browser = self.browser.clone();
        asking.push(tokio::spawn(async move {
            let started = Instant::now();
            let page = browser.sign_in(&login, "alice", PASSWORD).await;
            no_answer("a login", &page, started);
        }));
        for asked in asking {
            asked.await.unwrap();
        }
    }

    async fn what_needs_no_database_goes_on(&self) {
        for (node, server) in self.cluster.nodes.iter().enumerate() {
            let paths = ["/jwks", "/.well-known/openid-configuration", "/healthz"];
            for path in paths {
                assert_eq!(status(server.url(path)).await, 200, "{path}");
            }
            assert_eq!(status(server.url("/readyz")).await, 503);
            self.cluster.only(node);
            assert_eq!(machine(&self.cluster).await, 200, "a signature needs no database");
        }
        self.cluster.in_turn();
    }
}

async fn status(url: String) -> u16 {
    reqwest::get(url).await.unwrap().status().as_u16()
}

fn refreshing(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

/// A token for the client itself, which is nothing but a signature.
async fn machine(cluster: &Cluster) -> u16 {
    let mut app = cluster.app();
    app.client_id = "machine".to_owned();
    let answer = app.token(&[("grant_type", "client_credentials")]).await;
    answer.map_or_else(|error| error.status, |_| 200)
}

async fn unavailable(what: &str, request: RequestBuilder) {
    let started = Instant::now();
    let response: Response = request.send().await.unwrap();
    let took = started.elapsed();
    assert!(took < BOUND, "{what} took {took:?}");
    assert!(response.headers().contains_key("retry-after"), "{what}: {}", response.status());
    let error = tokens(response).await.expect_err(what);
    assert_eq!((error.status, error.error.as_str()), (503, "temporarily_unavailable"), "{what}");
}

/// A page that says so, or a redirect that tells the app so (RFC 6749 section 4.1.2.1).
fn no_answer(what: &str, page: &Page, started: Instant) {
    let took = started.elapsed();
    assert!(took < BOUND, "{what} took {took:?}");
    let told = page.query("error").is_some_and(|error| error == "temporarily_unavailable");
    let shown = page.status == 503 && !page.header("retry-after").is_empty();
    assert!(told || shown, "{what}: {} {} {}", page.status, page.url, page.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_that_comes_back() {
    let bench = Bench::start().await;
    bench.outlives(|bench| bench.server.kill(), |bench| bench.server.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_database_that_comes_back() {
    let bench = Bench::start().await;
    bench.outlives(|bench| bench.server.stop(), |bench| bench.server.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_database_that_goes_on() {
    let bench = Bench::start().await;
    bench.outlives(|bench| bench.server.pause(), |bench| bench.server.resume()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_carries_no_answers() {
    let set = |network| move |bench: &Bench| bench.proxy.set(network);
    Bench::start().await.outlives(set(Network::Silent), set(Network::Good)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_refuses_connections() {
    let set = |network| move |bench: &Bench| bench.proxy.set(network);
    Bench::start().await.outlives(set(Network::Refuses), set(Network::Good)).await;
}

/// As a database does that starts, stops, or has as many connections as it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_nobody_in() {
    let allow = |yes| {
        move |bench: &Bench| {
            let allow = format!("ALTER DATABASE keystile ALLOW_CONNECTIONS {yes}");
            bench.server.sql("postgres", &allow);
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = 'keystile'";
            bench.server.sql("postgres", end);
        }
    };
    Bench::start().await.outlives(allow(false), allow(true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_slow_database_everything_is_slow_and_right() {
    let mut bench = Bench::start().await;
    bench.proxy.set(Network::Slow(Duration::from_millis(100)));
    let given = bench.app.tokens(&mut bench.browser).await;
    let code = bench.app.code(&mut bench.browser).await;
    assert!(bench.app.redeem(&code).await.is_ok());
    assert_eq!(bench.app.redeem(&code).await.unwrap_err().error, "invalid_grant");
    assert_eq!(bench.app.userinfo(given.access_token()).await.0, 200);
    assert!(bench.app.refresh(given.refresh_token()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redemption_whose_answer_is_lost_is_sent_again_and_done_idea_4() {
    let mut bench = Bench::start().await;
    let native = bench.cluster.native_app().with_scope("openid offline_access");
    for _ in 0..10 {
        let code = native.code(&mut bench.browser).await;
        bench.proxy.lose_answers();
        let given = native.redeem(&code).await.expect("tokens");
        bench.proxy.lose_answers();
        let mut refreshed = native.refresh(given.refresh_token()).await;
        while matches!(&refreshed, Err(error) if error.status == 503) {
            refreshed = native.refresh(given.refresh_token()).await;
        }
        let newest = refreshed.expect("an honest client stays logged in");
        // What only asks is not asked again by itself.
        let alive = async || native.userinfo(newest.access_token()).await.0 == 200;
        wait_until("the grant lives", alive).await;
        assert_eq!(native.redeem(&code).await.unwrap_err().error, "invalid_grant");
    }
}

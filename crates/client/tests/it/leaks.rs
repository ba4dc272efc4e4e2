//! Row 0.1 and 1.6 of the mission: what the browser, a log and a store get to see.

use std::io::Write;
use std::sync::{Arc, Mutex};

use http::Method;
use keystile_client::{Shown, SqliteSessions};
use tracing_subscriber::fmt::MakeWriter;

use crate::bench::{Answering, Setup};

/// Runs of this many characters are looked for.
const RUN: usize = 8;

fn leaks<'a>(secrets: &'a [String], haystack: &str) -> Option<&'a str> {
    let runs = |secret: &'a String| (0..=secret.len() - RUN).map(|at| &secret[at..at + RUN]);
    secrets.iter().flat_map(runs).find(|run| haystack.contains(run))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Everything that a user can do, good and bad.
async fn use_it_all(setup: &Setup) -> String {
    let mut browser = setup.browser();
    setup.sign_in(&mut browser, "/me").await;
    browser.get("/me").await;
    browser.get("/photos").await;
    setup.wait(295);
    browser.get("/photos").await;
    setup.server.facts().access_tokens.clear();
    browser.get("/photos").await;
    setup.sign_in(&mut browser, "/login").await;
    browser.send(Method::POST, "/logout", &[("sec-fetch-site", "same-origin")]).await;
    for answering in [Answering::Lost, Answering::Error(400, "invalid_client")] {
        setup.server.facts().token = answering;
        setup.sign_in(&mut browser, "/login").await;
    }
    setup.server.facts().token = Answering::Well;
    setup.server.facts().id_token = serde_json::json!({"nonce": "wrong"});
    setup.sign_in(&mut browser, "/login").await;
    setup.server.facts().id_token = serde_json::json!({});
    browser.get("/callback?error=server_error").await;
    setup.sign_in(&mut browser, "/login").await;
    setup.wait(305);
    setup.server.facts().refresh = Answering::Error(400, "invalid_grant");
    browser.get("/photos").await;
    setup.server.facts().refresh = Answering::Well;
    setup.sign_in(&mut browser, "/login?prompt=login").await;
    browser.get("/me").await;
    browser.seen
}

#[tokio::test]
async fn seed_0_1_and_1_6_no_token_verifier_or_secret_reaches_browser_log_or_store() {
    let log = Log::default();
    // For all threads: the log of the other tests is searched with it.
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only one");

    let folder = crate::store_contract::folder();
    let path = folder.join("sessions.db");
    let store = Arc::new(SqliteSessions::open(&path).expect("opened"));
    let key = folder.join("sessions.key");
    let setup = Setup::with(|b| b.sessions(store).key_file(key).userinfo(true)).await;
    let seen = use_it_all(&setup).await;

    let secrets = setup.server.facts().secrets.clone();
    assert!(secrets.len() > 20, "the flow was walked");
    assert_eq!(leaks(&secrets, &seen), None, "in the browser");
    let log = String::from_utf8_lossy(&log.0.lock().expect("not poisoned")).into_owned();
    assert!(log.contains("a login failed"), "the log was looked at");
    assert_eq!(leaks(&secrets, &log), None, "in the log");
    for file in std::fs::read_dir(&folder).expect("listed") {
        let file = file.expect("read").path();
        let bytes = std::fs::read(&file).expect("read");
        assert_eq!(leaks(&secrets, &String::from_utf8_lossy(&bytes)), None, "in {file:?}");
    }
    let events = setup.events.all();
    assert!(events.len() > 40);
    assert_eq!(leaks(&secrets, &format!("{events:?}")), None, "in Debug of the events");
    for event in events {
        for (name, value) in &event.parameters {
            if let Shown::Plain(value) = value {
                assert_eq!(leaks(&secrets, value), None, "{name} of {:?} is plain", event.step);
            }
        }
    }
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}

#[tokio::test]
async fn the_search_finds_what_is_there() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    let secrets = setup.server.facts().secrets.clone();
    browser.seen.push_str(&secrets[1][3..12]);
    assert!(leaks(&secrets, &browser.seen).is_some());
}

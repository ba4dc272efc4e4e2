//! Faults of the disk: 503 with the right headers, nothing acknowledged is lost, and the server
//! recovers by itself.

use std::process::Command;

use reqwest::Response;

use crate::harness::{App, Browser, Keystile, PASSWORD, new_directory, program};

const SCOPE: &str = "openid offline_access photos:read";

/// A server, and an app of each kind with tokens of `alice`.
struct Rig {
    server: Keystile,
    browser: Browser,
    /// Its refresh tokens stay.
    confidential: App,
    /// Its refresh tokens rotate.
    public: App,
    access_token: String,
    refresh_tokens: [String; 2],
}

impl Rig {
    async fn new() -> Self {
        let server = Keystile::start_with("[limits]\nguessing = false\n").await;
        let server = server.with_all_keys().await;
        let mut browser = Browser::new();
        let confidential = server.app().with_scope(SCOPE);
        let public = server.native_app().with_scope(SCOPE);
        let first = confidential.tokens(&mut browser).await;
        let second = public.tokens(&mut browser).await;
        let refresh_tokens = [&first, &second].map(|tokens| tokens.refresh_token().to_owned());
        let access_token = first.access_token().to_owned();
        Self { server, browser, confidential, public, access_token, refresh_tokens }
    }

    async fn redeem(&self, code: &str) -> Response {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.confidential.redirect_uri),
            ("code_verifier", self.confidential.verifier.expose()),
        ];
        self.confidential.call("/token", &pairs).send().await.unwrap()
    }

    async fn rotate(&self) -> Response {
        let [_, token] = &self.refresh_tokens;
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        self.public.call("/token", &pairs).send().await.unwrap()
    }

    async fn status(&self, path: &str) -> u16 {
        reqwest::get(self.server.url(path)).await.unwrap().status().as_u16()
    }

    /// What needs no write goes on.
    async fn reads_go_on(&mut self) {
        assert_eq!(self.confidential.userinfo(&self.access_token).await.0, 200);
        let refreshed = self.confidential.refresh(&self.refresh_tokens[0]).await;
        assert!(refreshed.is_ok(), "a refresh token that does not rotate: {refreshed:?}");
        assert_eq!(self.status("/.well-known/openid-configuration").await, 200);
        let page = self.browser.open(self.confidential.authorize_url()).await;
        assert!(page.query("code").is_some(), "a code is no write: {}", page.url);
    }

    /// All that was acknowledged is there, and everything works again.
    async fn has_recovered(&mut self) {
        self.reads_go_on().await;
        assert_eq!(self.rotate().await.status(), 200);
        let code = self.confidential.code(&mut self.browser).await;
        assert_eq!(self.redeem(&code).await.status(), 200);
        let tokens = self.confidential.tokens(&mut Browser::new()).await;
        assert_eq!(self.confidential.revoke(tokens.refresh_token()).await, 200);
        assert_eq!(self.status("/readyz").await, 200);
    }
}

/// RFC 6749 has no such error for the token endpoint: HTTP has 503.
async fn is_unavailable(answer: Response, retry_after: bool) {
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers().contains_key("retry-after"), retry_after);
    let json: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(json["error"], "temporarily_unavailable");
}

#[tokio::test]
async fn evidence_a_disk_that_takes_nothing_is_answered_503_and_comes_back() {
    let mut rig = Rig::new().await;
    let code = rig.confidential.code(&mut rig.browser).await;
    rig.server.limit_files(Some(0));
    // It may be on the disk all the same: whoever sends it again could end what it gave.
    is_unavailable(rig.redeem(&code).await, false).await;
    is_unavailable(rig.rotate().await, true).await;
    let revoked = rig.confidential.call("/revoke", &[("token", &rig.refresh_tokens[0])]);
    is_unavailable(revoked.send().await.unwrap(), true).await;
    let mut browser = Browser::new();
    let page = browser.open(rig.confidential.authorize_url()).await;
    let page = browser.sign_in(&page, "bob", PASSWORD).await;
    assert!(page.status == 503 || page.query("error").is_some(), "{} {}", page.status, page.url);
    rig.reads_go_on().await;

    rig.server.limit_files(None);
    rig.has_recovered().await;
    let first = rig.redeem(&code).await.status();
    let second = rig.redeem(&code).await.status();
    assert!(first == 200 || first == 400, "{first}");
    assert_eq!(second, 400, "no code counts twice");
}

#[tokio::test]
async fn evidence_a_write_that_waits_for_another_process_burns_nothing() {
    let mut rig = Rig::new().await;
    let code = rig.confidential.code(&mut rig.browser).await;
    let other = rusqlite::Connection::open(rig.server.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Nothing was written: the same request is worth another try.
    is_unavailable(rig.redeem(&code).await, true).await;
    rig.reads_go_on().await;
    drop(other);
    assert_eq!(rig.redeem(&code).await.status(), 200, "the very same code");
    rig.has_recovered().await;
}

#[tokio::test]
async fn evidence_nothing_is_acknowledged_to_a_file_that_was_taken_away() {
    let mut rig = Rig::new().await;
    let code = rig.confidential.code(&mut rig.browser).await;
    for files in [&["data.db"][..], &["data.db-wal"], &["data.db", "data.db-wal", "data.db-shm"]] {
        let file = |name: &&str| rig.server.directory.join(name);
        let aside = |name: &&str| rig.server.directory.join(format!("{name}.aside"));
        for name in files {
            std::fs::rename(file(name), aside(name)).unwrap();
        }
        is_unavailable(rig.redeem(&code).await, true).await;
        is_unavailable(rig.rotate().await, true).await;
        assert_eq!(rig.status("/readyz").await, 503, "somebody has to look");
        for name in files {
            std::fs::rename(aside(name), file(name)).unwrap();
        }
        assert_eq!(rig.status("/readyz").await, 200);
    }
    assert_eq!(rig.redeem(&code).await.status(), 200, "the very same code");
    rig.has_recovered().await;
}

#[test]
fn evidence_a_first_start_on_a_disk_that_takes_nothing_is_refused_in_words() {
    let directory = new_directory();
    let settings = "issuer = \"http://localhost:1\"\nlisten = \"127.0.0.1:0\"\n\n[store]\nurl = \
                    \"sqlite://data.db\"\n";
    std::fs::write(directory.join("keystile.toml"), settings).unwrap();
    let mut start = Command::new("timeout");
    start.args(["60", "sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""]);
    start.arg(program()).args(["serve", "--config", "keystile.toml"]).current_dir(&directory);
    let output = start.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("data.db") && !said.contains("panicked"), "{said}");
    std::fs::remove_dir_all(directory).unwrap();
}

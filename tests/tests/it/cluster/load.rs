//! Load by honest clients, who keep what was acknowledged to them and look for it afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{App, Browser, PASSWORD, Page};

/// What registrations need of the configuration, and users that sign in all the time.
pub(super) const MORE: &str = "[registration]\nmode = \"open\"\nscopes = \"photos:read\"\n\
                               per_network = 100000\nunused_at_most = 100000\n[limits]\n\
                               guessing = false\n";

const CALLBACK: &str = "https://dynamic.example/callback";

/// How long an answer may take, whatever happens behind it.
const BOUND: Duration = Duration::from_secs(30);

/// Where the trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The database is well.
    Before,
    /// It is away.
    Away,
    /// Another one has taken over.
    After,
    /// The load ends.
    Over,
}

/// What all workers share.
#[derive(Clone)]
pub(super) struct Stage {
    phase: Arc<AtomicU8>,
    grants: Arc<AtomicUsize>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { phase: Arc::new(AtomicU8::new(Phase::Before as u8)), grants: Arc::default() }
    }

    pub(super) fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    fn now(&self) -> Phase {
        let phases = [Phase::Before, Phase::Away, Phase::After, Phase::Over];
        phases[usize::from(self.phase.load(Ordering::SeqCst))]
    }

    /// How many grants were acknowledged, to all workers.
    pub(super) fn grants(&self) -> usize {
        self.grants.load(Ordering::SeqCst)
    }
}

/// A client and its user's browser.
#[derive(Clone)]
struct Place {
    app: App,
    browser: Browser,
}

/// What one worker was told.
#[derive(Default)]
pub(super) struct Kept {
    /// Registered, signed in, allowed: client, session and consent.
    open: Vec<Place>,
    /// Signed out again.
    closed: Vec<Place>,
    /// Refresh tokens that have to work, with their access tokens.
    granted: Vec<(App, String, String)>,
    /// Those that must not, since they were revoked.
    revoked: Vec<(App, String)>,
    /// Codes and how often they got tokens.
    codes: Vec<(App, String, usize)>,
    pub(super) counts: Counts,
}

/// What the trial is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) clients: usize,
    pub(super) sessions: usize,
    pub(super) sign_outs: usize,
    pub(super) grants: usize,
    pub(super) grants_after: usize,
    pub(super) refreshes: usize,
    pub(super) revocations: usize,
    /// Answers that said that the server cannot answer now.
    pub(super) unavailable: usize,
    /// Redemptions of which nobody knew whether they happened.
    pub(super) in_doubt: usize,
    /// Codes and pages from before that were refused or asked again afterwards.
    pub(super) outdated: usize,
    pub(super) slowest: Duration,
}

/// Not now: the worker begins its round anew.
struct NotNow;

/// Works until the load is over.
pub(super) async fn work(issuer: String, stage: Stage) -> Kept {
    let mut worker = Worker { issuer, stage, kept: Kept::default() };
    let mut round = 0;
    while worker.stage.now() != Phase::Over {
        round += 1;
        if worker.round(round).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    worker.kept
}

struct Worker {
    issuer: String,
    stage: Stage,
    kept: Kept,
}

impl Worker {
    async fn round(&mut self, round: usize) -> Result<(), NotNow> {
        let app = self.register().await?;
        self.kept.counts.clients += 1;
        let mut place = Place { app, browser: Browser::new() };
        let code = self.sign_in(&mut place).await?;
        self.kept.counts.sessions += 1;
        self.kept.open.push(place.clone());
        self.redeem(&place.app, code).await?;
        for _ in 0..3 {
            let code = self.code(&mut place).await?;
            self.redeem(&place.app, code).await?;
            self.refresh().await?;
        }
        if round.is_multiple_of(3) {
            self.revoke().await?;
        }
        if round.is_multiple_of(4) {
            self.sign_out().await?;
        }
        Ok(())
    }

    /// An answer that is not the wanted one: the database is away, or what was sealed before a
    /// promotion came after it. Anything else is wrong.
    fn not_now(&mut self, status: u16, began: Phase, what: &str) -> NotNow {
        if status == 503 {
            self.kept.counts.unavailable += 1;
            return NotNow;
        }
        let crossed = began < Phase::After && self.stage.now() > Phase::Before;
        assert!(crossed, "a wrong answer, {status} in {began:?}: {what}");
        self.kept.counts.outdated += 1;
        NotNow
    }

    fn took(&mut self, started: Instant, what: &str) {
        let took = started.elapsed();
        assert!(took < BOUND, "{what} took {took:?}");
        self.kept.counts.slowest = self.kept.counts.slowest.max(took);
    }

    async fn register(&mut self) -> Result<App, NotNow> {
        let (began, started) = (self.stage.now(), Instant::now());
        let said = json!({
            "redirect_uris": [CALLBACK], "client_name": "Dynamic App",
            "token_endpoint_auth_method": "none", "id_token_signed_response_alg": "ES256",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let request = reqwest::Client::new().post(format!("{}/register", self.issuer));
        let request = request.header("content-type", "application/json").body(said.to_string());
        let response = request.send().await.unwrap();
        self.took(started, "a registration");
        let status = response.status().as_u16();
        let json: Value = response.json().await.unwrap_or_default();
        if status != 201 {
            return Err(self.not_now(status, began, &json.to_string()));
        }
        let app = App::new(&self.issuer, json["client_id"].as_str().unwrap(), None, CALLBACK);
        Ok(app.with_scope("openid offline_access photos:read"))
    }

    /// Goes through login and consent to a code.
    async fn sign_in(&mut self, place: &mut Place) -> Result<(Phase, String), NotNow> {
        let began = self.stage.now();
        let Place { app, browser } = place;
        let started = Instant::now();
        let mut page = browser.open(app.authorize_url()).await;
        self.took(started, "a login page");
        if page.is_sign_in() {
            let started = Instant::now();
            page = browser.sign_in(&page, "alice", PASSWORD).await;
            self.took(started, "a login");
        }
        if page.is_consent() {
            let started = Instant::now();
            page = browser.press(&page, "consent-allow", &[]).await;
            self.took(started, "a consent");
        }
        self.code_of(&page, began)
    }

    /// A code for somebody who is signed in.
    async fn code(&mut self, place: &mut Place) -> Result<(Phase, String), NotNow> {
        let (began, started) = (self.stage.now(), Instant::now());
        let page = place.browser.open(place.app.authorize_url()).await;
        self.took(started, "an authorization");
        assert!(!page.is_sign_in() && !page.is_consent(), "a session or a consent is lost");
        self.code_of(&page, began)
    }

    fn code_of(&mut self, page: &Page, began: Phase) -> Result<(Phase, String), NotNow> {
        match (page.query("code"), page.query("error")) {
            (Some(code), _) => Ok((began, code)),
            (None, Some(error)) if error == "temporarily_unavailable" => {
                Err(self.not_now(503, began, &error))
            }
            _ => {
                let what = format!("{} {}", page.url, page.text());
                Err(self.not_now(page.status.as_u16(), began, &what))
            }
        }
    }

    /// An honest client redeems once. Should nobody know whether that happened, a careless one tries
    /// on: it must not succeed twice, and what it gets so is not counted on.
    async fn redeem(&mut self, app: &App, (began, code): (Phase, String)) -> Result<(), NotNow> {
        let started = Instant::now();
        let answer = app.redeem(&code).await;
        self.took(started, "a redemption");
        let tokens = match answer {
            Ok(tokens) => tokens,
            Err(error) => {
                if error.status == 503 {
                    self.kept.counts.in_doubt += 1;
                    let mut times = 0;
                    for _ in 0..20 {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        times += usize::from(app.redeem(&code).await.is_ok());
                    }
                    self.kept.codes.push((app.clone(), code, times));
                }
                return Err(self.not_now(error.status, began, &error.description));
            }
        };
        self.kept.codes.push((app.clone(), code, 1));
        self.kept.counts.grants += 1;
        self.stage.grants.fetch_add(1, Ordering::SeqCst);
        if began >= Phase::After {
            self.kept.counts.grants_after += 1;
        }
        let (refresh, access) = (tokens.refresh_token(), tokens.access_token());
        self.kept.granted.push((app.clone(), refresh.to_owned(), access.to_owned()));
        Ok(())
    }

    /// An honest client repeats a refresh whose answer was lost.
    async fn refresh(&mut self) -> Result<(), NotNow> {
        let Some((app, token, _)) = self.kept.granted.last().cloned() else { return Ok(()) };
        loop {
            let (began, started) = (self.stage.now(), Instant::now());
            let answer = app.refresh(&token).await;
            self.took(started, "a refresh");
            match answer {
                Ok(tokens) => {
                    self.kept.counts.refreshes += 1;
                    let last = self.kept.granted.last_mut().unwrap();
                    (last.1, last.2) =
                        (tokens.refresh_token().to_owned(), tokens.access_token().to_owned());
                    return Ok(());
                }
                Err(error) => {
                    assert_eq!(error.status, 503, "an honest client is logged out: {error:?}");
                    self.not_now(503, began, "");
                    if self.stage.now() == Phase::Over {
                        return Err(NotNow);
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn revoke(&mut self) -> Result<(), NotNow> {
        let Some((app, token, _)) = self.kept.granted.pop() else { return Ok(()) };
        let (began, started) = (self.stage.now(), Instant::now());
        let status = app.revoke(&token).await;
        self.took(started, "a revocation");
        if status != 200 {
            // Whether it is revoked nobody knows.
            return Err(self.not_now(status, began, "a revocation"));
        }
        self.kept.counts.revocations += 1;
        self.kept.revoked.push((app, token));
        Ok(())
    }

    async fn sign_out(&mut self) -> Result<(), NotNow> {
        let Some(mut place) = self.kept.open.pop() else { return Ok(()) };
        let (began, started) = (self.stage.now(), Instant::now());
        let mut page = place.browser.open(format!("{}/logout", self.issuer)).await;
        let asked = page.has("logout-confirm");
        if asked {
            page = place.browser.press(&page, "logout-confirm", &[]).await;
        }
        self.took(started, "a logout");
        if !asked || !page.text().contains("signed out") {
            return Err(self.not_now(page.status.as_u16(), began, &page.text()));
        }
        self.kept.counts.sign_outs += 1;
        self.kept.closed.push(place);
        Ok(())
    }
}

impl Kept {
    /// Looks for everything that was acknowledged; the database is well again.
    pub(super) async fn verify(mut self) {
        for Place { app, browser } in &mut self.open {
            let page = browser.open(app.authorize_url_with(&[("prompt", Some("none"))])).await;
            assert!(page.query("code").is_some(), "lost client, session or consent: {}", page.url);
        }
        for Place { app, browser } in &mut self.closed {
            let page = browser.open(app.authorize_url_with(&[("prompt", Some("none"))])).await;
            assert_eq!(page.query("error").as_deref(), Some("login_required"), "a lost sign-out");
        }
        for (app, refresh, access) in &self.granted {
            assert_eq!(app.userinfo(access).await.0, 200, "a lost grant");
            let refreshed = app.refresh(refresh).await;
            assert!(refreshed.is_ok(), "a lost grant or refresh: {refreshed:?}");
        }
        for (app, refresh) in &self.revoked {
            let refused = app.refresh(refresh).await.expect_err("a lost revocation");
            assert_eq!(refused.error, "invalid_grant");
        }
        for (app, code, times) in &mut self.codes {
            match app.redeem(code).await {
                Ok(_) => *times += 1,
                Err(error) => assert_eq!(error.error, "invalid_grant", "{error:?}"),
            }
            assert!(*times <= 1, "a code was redeemed {times} times");
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.clients += other.clients;
        self.sessions += other.sessions;
        self.sign_outs += other.sign_outs;
        self.grants += other.grants;
        self.grants_after += other.grants_after;
        self.refreshes += other.refreshes;
        self.revocations += other.revocations;
        self.unavailable += other.unavailable;
        self.in_doubt += other.in_doubt;
        self.outdated += other.outdated;
        self.slowest = self.slowest.max(other.slowest);
    }
}

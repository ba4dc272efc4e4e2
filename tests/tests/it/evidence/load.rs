//! People and apps that go on until the server is gone. Whoever wants to kill something (a
//! process, a database) starts them, kills it, and asks the ledger.

use reqwest::Response;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;

use super::ledger::{Counts, Ledger, Login, Registered};
use crate::harness::{App, Browser, PASSWORD, Page, Tokens};

/// What a configuration needs beside the usual.
pub(super) const SETTINGS: &str = "[limits]\nguessing = false\n\n[registration]\nmode = \
                                   \"open\"\nscopes = \"photos:read\"\nper_network = \
                                   100000\nunused_at_most = 100000\n";

/// Numbers that look random and come again with their seed (SplitMix64).
#[derive(Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The server did not answer.
pub(super) struct Lost;

impl From<reqwest::Error> for Lost {
    fn from(_: reqwest::Error) -> Self {
        Self
    }
}

/// Many people at once.
pub(super) struct Load {
    pub(super) people: Vec<Person>,
}

/// People at work, until the server is gone.
pub(super) struct Running(JoinSet<Person>);

impl Load {
    /// Signs them in. All of them use these two apps, the second of which is public.
    pub(super) async fn prepare(apps: [App; 2], people: usize, seed: u64) -> Self {
        let apps = apps.map(|app| app.with_scope("openid offline_access photos:read"));
        let mut all = Vec::new();
        for number in 0..people {
            let random = Random::new(seed.wrapping_add(number as u64));
            all.push(Person::new(apps.clone(), random).await);
        }
        Self { people: all }
    }

    pub(super) fn start(self) -> Running {
        let mut tasks = JoinSet::new();
        for mut person in self.people {
            tasks.spawn(async move {
                while person.act().await.is_ok() {}
                person.ledger.counts.lost += 1;
                person
            });
        }
        Running(tasks)
    }

    /// Asks the server about everything that it acknowledged, and tries some codes again. At the
    /// end each grant is refreshed, and each code tried again.
    pub(super) async fn check(&mut self, at_the_end: bool) {
        let mut tasks = JoinSet::new();
        for mut person in std::mem::take(&mut self.people) {
            tasks.spawn(async move {
                person.ledger.check(&person.apps[0]).await;
                if at_the_end {
                    person.ledger.refresh_all().await;
                }
                person.ledger.replay(if at_the_end { usize::MAX } else { 2 }).await;
                person
            });
        }
        self.people = tasks.join_all().await;
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.people.iter().for_each(|person| counts += person.ledger.counts);
        counts
    }
}

impl Running {
    /// Waits until everybody has noticed that the server is gone.
    pub(super) async fn join(self) -> Load {
        Load { people: self.0.join_all().await }
    }
}

/// Somebody with a browser, and the apps that are used with it.
pub(super) struct Person {
    issuer: String,
    apps: [App; 2],
    browser: Browser,
    random: Random,
    pub(super) ledger: Ledger,
}

impl Person {
    async fn new(apps: [App; 2], random: Random) -> Self {
        let mut browser = Browser::new();
        let mut ledger = Ledger::default();
        for app in &apps {
            let code = app.code(&mut browser).await;
            let tokens = app.redeem(&code).await.unwrap();
            ledger.logins.push(Login::new(app, code, &tokens));
        }
        let issuer = apps[0].issuer.clone();
        Self { issuer, apps, browser, random, ledger }
    }

    /// One thing that people and apps do.
    async fn act(&mut self) -> Result<(), Lost> {
        match self.random.below(20) {
            0..12 => self.log_in().await,
            12..16 => self.refresh().await,
            16 => self.revoke().await,
            17 => self.sign_in_elsewhere().await,
            18 => self.sign_out_elsewhere().await,
            _ => self.register().await,
        }
    }

    fn app(&mut self) -> App {
        let app = usize::from(self.random.below(2) == 0);
        self.apps[app].clone()
    }

    async fn log_in(&mut self) -> Result<(), Lost> {
        let app = self.app();
        let page = self.browser.try_open(app.authorize_url()).await?;
        let code = code_of(page)?;
        self.ledger.codes_in_doubt.push((app.clone(), code.clone()));
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &app.redirect_uri),
            ("code_verifier", app.verifier.expose()),
        ];
        let tokens = tokens(app.call("/token", &pairs).send().await?).await?;
        self.ledger.codes_in_doubt.pop();
        self.ledger.logins.push(Login::new(&app, code, &tokens));
        self.ledger.counts.logins += 1;
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), Lost> {
        let index = self.random.below(self.ledger.logins.len().max(1) as u64);
        let Some(login) = self.ledger.logins.get_mut(usize::try_from(index).unwrap()) else {
            return Ok(());
        };
        login.lost = true;
        let token = login.refresh_token.clone();
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        let answer = login.app.call("/token", &pairs).send().await?;
        login.take(&tokens(answer).await?);
        self.ledger.counts.refreshes += 1;
        Ok(())
    }

    /// What is not answered is in doubt, and is asked about no more.
    async fn revoke(&mut self) -> Result<(), Lost> {
        let Some(login) = self.ledger.logins.pop() else { return Ok(()) };
        let pairs = [("token", login.refresh_token.as_str())];
        let answer = login.app.call("/revoke", &pairs).send().await?;
        answered(answer.status().as_u16(), Some(()))?;
        self.ledger.revoked.push(login);
        self.ledger.counts.revocations += 1;
        Ok(())
    }

    async fn sign_in_elsewhere(&mut self) -> Result<(), Lost> {
        let app = self.app();
        let mut browser = Browser::new();
        let page = shown(browser.try_open(app.authorize_url()).await?)?;
        let fill = [("username", "alice"), ("password", PASSWORD)];
        let page = browser.try_press(&page, "login-submit", &fill).await?;
        code_of(page)?;
        self.ledger.sessions.push(browser);
        self.ledger.counts.sessions += 1;
        Ok(())
    }

    async fn sign_out_elsewhere(&mut self) -> Result<(), Lost> {
        let Some(mut browser) = self.ledger.sessions.pop() else { return Ok(()) };
        let page = shown(browser.try_open(format!("{}/logout", self.issuer)).await?)?;
        // A browser keeps its cookie, so that the server's word is what counts.
        let cookies = browser.cookies.clone();
        let page = browser.try_press(&page, "logout-confirm", &[]).await?;
        shown(page)?;
        browser.cookies = cookies;
        self.ledger.ended.push(browser);
        self.ledger.counts.logouts += 1;
        Ok(())
    }

    /// An app registers itself, and the person allows it something.
    async fn register(&mut self) -> Result<(), Lost> {
        const CALLBACK: &str = "https://dynamic.example/callback";
        let said = json!({
            "redirect_uris": [CALLBACK], "client_name": "Dynamic App",
            "id_token_signed_response_alg": "ES256",
        });
        let request = reqwest::Client::new().post(format!("{}/register", self.issuer));
        let request = request.header("content-type", "application/json").body(said.to_string());
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let client: Value = answered(status, Some(answer.json().await?))?;
        let (id, secret) = (client["client_id"].as_str(), client["client_secret"].as_str());
        let app = App::new(&self.issuer, id.unwrap(), secret, CALLBACK);
        self.ledger.registered.push(Registered { app: app.clone(), allowed_by: None });
        self.ledger.counts.registrations += 1;

        let page = shown(self.browser.try_open(app.authorize_url()).await?)?;
        let page = self.browser.try_press(&page, "consent-allow", &[]).await?;
        code_of(page)?;
        let last = self.ledger.registered.last_mut().unwrap();
        last.allowed_by = Some(self.browser.clone());
        self.ledger.counts.consents += 1;
        Ok(())
    }
}

/// A server that cannot answer is one that is gone; anything else but success is a flaw.
fn answered<T>(status: u16, what: Option<T>) -> Result<T, Lost> {
    match (status, what) {
        (500.., _) => Err(Lost),
        (200..400, Some(what)) => Ok(what),
        _ => panic!("a good request was answered {status}"),
    }
}

/// What a browser shows. A store that is away is told to the app (RFC 6749 section 4.1.2.1).
fn shown(page: Page) -> Result<Page, Lost> {
    if page.query("error").as_deref() == Some("temporarily_unavailable") {
        return Err(Lost);
    }
    answered(page.status.as_u16(), Some(page))
}

/// The code that a browser brings to an app.
fn code_of(page: Page) -> Result<String, Lost> {
    let page = shown(page)?;
    answered(page.status.as_u16(), page.query("code"))
}

async fn tokens(answer: Response) -> Result<Tokens, Lost> {
    let status = answer.status().as_u16();
    let json: Value = answer.json().await?;
    assert!(status == 200 || status >= 500, "{status} {json}");
    answered(status, Some(Tokens { json }))
}

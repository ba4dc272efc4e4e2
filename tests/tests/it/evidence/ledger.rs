//! What the server acknowledged, and whether it is still so.

use std::time::{Duration, Instant};

use crate::harness::{App, Browser, ErrorAnswer, Page, Tokens};

/// How long a server may say that it cannot answer now: a machine that is busy loses nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who asks until there is a word that counts.
struct Asking(Instant);

impl Asking {
    fn begin() -> Self {
        Self(Instant::now())
    }

    /// Waits a moment, where it is to be asked again.
    async fn again(&self, says_not_now: bool) -> bool {
        let again = says_not_now && self.0.elapsed() < PATIENCE;
        if again {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        again
    }
}

async fn userinfo(login: &Login) -> u16 {
    let asking = Asking::begin();
    loop {
        let (status, _) = login.app.userinfo(&login.access_token).await;
        if !asking.again(status >= 500).await {
            return status;
        }
    }
}

async fn refresh(app: &App, token: &str) -> Result<Tokens, ErrorAnswer> {
    let asking = Asking::begin();
    loop {
        let answer = app.refresh(token).await;
        if !asking.again(is_not_now(&answer)).await {
            return answer;
        }
    }
}

async fn redeem(app: &App, code: &str) -> Result<Tokens, ErrorAnswer> {
    let asking = Asking::begin();
    loop {
        let answer = app.redeem(code).await;
        if !asking.again(is_not_now(&answer)).await {
            return answer;
        }
    }
}

fn is_not_now(answer: &Result<Tokens, ErrorAnswer>) -> bool {
    answer.as_ref().is_err_and(|error| error.status >= 500)
}

/// Asks for a code without a page.
async fn silently(app: &App, browser: &mut Browser) -> Page {
    let address = app.authorize_url_with(&[("prompt", Some("none"))]);
    let away = Some("temporarily_unavailable");
    let asking = Asking::begin();
    loop {
        let page = browser.open(&address).await;
        let is_away = page.query("error").as_deref() == away;
        if !asking.again(is_away || page.status.as_u16() >= 500).await {
            return page;
        }
    }
}

/// What one person and one app were told.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) logins: Vec<Login>,
    /// Codes whose redemption was not answered.
    pub(super) codes_in_doubt: Vec<(App, String)>,
    /// Grants whose revocation was acknowledged.
    pub(super) revoked: Vec<Login>,
    /// Browsers that were told that they are signed in.
    pub(super) sessions: Vec<Browser>,
    /// Browsers that were told that they are signed out.
    pub(super) ended: Vec<Browser>,
    /// Apps that were told of their registration, some of them with a consent.
    pub(super) registered: Vec<Registered>,
    pub(super) counts: Counts,
}

/// A redeemed code.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) app: App,
    pub(super) code: String,
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    /// Whether a refresh was sent that was not answered.
    pub(super) lost: bool,
}

impl Login {
    pub(super) fn new(app: &App, code: String, tokens: &Tokens) -> Self {
        let (access_token, refresh_token) = (tokens.access_token(), tokens.refresh_token());
        Self {
            app: app.clone(),
            code,
            access_token: access_token.to_owned(),
            refresh_token: refresh_token.to_owned(),
            lost: false,
        }
    }

    pub(super) fn take(&mut self, tokens: &Tokens) {
        self.access_token = tokens.access_token().to_owned();
        self.refresh_token = tokens.refresh_token().to_owned();
        self.lost = false;
    }
}

/// An app that registered itself.
pub(super) struct Registered {
    pub(super) app: App,
    /// Whose browser was sent back to it with a code.
    pub(super) allowed_by: Option<Browser>,
}

/// Figures to be printed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) logins: usize,
    pub(super) refreshes: usize,
    pub(super) revocations: usize,
    pub(super) sessions: usize,
    pub(super) logouts: usize,
    pub(super) registrations: usize,
    pub(super) consents: usize,
    /// Answers that did not come.
    pub(super) lost: usize,
    /// Codes in doubt that turned out not to be redeemed.
    pub(super) not_redeemed: usize,
    /// Codes in doubt that turned out to be redeemed.
    pub(super) redeemed: usize,
    /// Codes that were tried a second time.
    pub(super) replays: usize,
    /// Lost refreshes that were repeated.
    pub(super) repeated: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.logins += more.logins;
        self.refreshes += more.refreshes;
        self.revocations += more.revocations;
        self.sessions += more.sessions;
        self.logouts += more.logouts;
        self.registrations += more.registrations;
        self.consents += more.consents;
        self.lost += more.lost;
        self.not_redeemed += more.not_redeemed;
        self.redeemed += more.redeemed;
        self.replays += more.replays;
        self.repeated += more.repeated;
    }
}

impl Ledger {
    /// Asks the server about everything, about sessions as this app. What is asked more than once
    /// stays in the ledger.
    pub(super) async fn check(&mut self, app: &App) {
        self.lost_refreshes().await;
        for login in &self.logins {
            assert_eq!(userinfo(login).await, 200, "an acknowledged login is gone");
        }
        for login in &self.revoked {
            assert_eq!(userinfo(login).await, 401, "it was revoked");
            let refused = refresh(&login.app, &login.refresh_token).await.expect_err("revoked");
            assert_eq!(refused.error, "invalid_grant");
        }
        self.codes_in_doubt().await;
        for browser in &mut self.sessions {
            let error = silently(app, browser).await.query("error");
            assert_eq!(error, None, "the session is gone");
        }
        for browser in &mut self.ended {
            let error = silently(app, browser).await.query("error");
            assert!(error.is_none_or(|error| error == "login_required"), "it was signed out");
        }
        for Registered { app, allowed_by } in &mut self.registered {
            let unknown = refresh(app, "nothing").await.expect_err("no token");
            assert_ne!(unknown.error, "invalid_client", "the registration is gone");
            if let Some(browser) = allowed_by {
                let page = silently(app, browser).await;
                assert!(page.query("code").is_some(), "the consent is gone: {}", page.url);
            }
        }
    }

    /// Refreshes every grant, as its app would.
    pub(super) async fn refresh_all(&mut self) {
        for login in &mut self.logins {
            let tokens = refresh(&login.app, &login.refresh_token).await;
            login.take(&tokens.expect("an acknowledged grant refreshes"));
            self.counts.refreshes += 1;
        }
    }

    /// Tries codes of acknowledged logins again: each is refused, and ends what it gave.
    pub(super) async fn replay(&mut self, codes: usize) {
        for _ in 0..codes {
            let Some(login) = self.logins.pop() else { return };
            let refused = redeem(&login.app, &login.code).await.expect_err("a second redemption");
            assert_eq!(refused.error, "invalid_grant");
            assert_eq!(userinfo(&login).await, 401, "RFC 6749 4.1.2");
            self.counts.replays += 1;
        }
    }

    /// However long ago that was.
    async fn lost_refreshes(&mut self) {
        for login in self.logins.iter_mut().filter(|login| login.lost) {
            let repeated = refresh(&login.app, &login.refresh_token).await;
            login.take(&repeated.expect("a repeated refresh was refused"));
            self.counts.repeated += 1;
        }
    }

    /// Each may be redeemed now if it was not before, and never once more.
    async fn codes_in_doubt(&mut self) {
        for (app, code) in std::mem::take(&mut self.codes_in_doubt) {
            match redeem(&app, &code).await {
                Ok(_) => self.counts.not_redeemed += 1,
                Err(error) => {
                    assert_eq!(error.error, "invalid_grant");
                    self.counts.redeemed += 1;
                }
            }
            let again = redeem(&app, &code).await.expect_err("a code was redeemed twice");
            assert_eq!(again.error, "invalid_grant");
        }
    }
}

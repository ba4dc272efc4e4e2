//! What the server acknowledged, and whether it is still so.

use std::time::{Duration, Instant};

use crate::harness::{App, Browser, Tokens};

/// A repeated refresh token gets its successor for 20 seconds; what comes later than this is not
/// judged.
const WELL_WITHIN_THE_WINDOW: Duration = Duration::from_secs(15);

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
    /// When a refresh was sent that was not answered.
    pub(super) lost: Option<Instant>,
}

impl Login {
    pub(super) fn new(app: &App, code: String, tokens: &Tokens) -> Self {
        let (access_token, refresh_token) = (tokens.access_token(), tokens.refresh_token());
        Self {
            app: app.clone(),
            code,
            access_token: access_token.to_owned(),
            refresh_token: refresh_token.to_owned(),
            lost: None,
        }
    }

    pub(super) fn take(&mut self, tokens: &Tokens) {
        self.access_token = tokens.access_token().to_owned();
        self.refresh_token = tokens.refresh_token().to_owned();
        self.lost = None;
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
    /// Asks the server about everything. What is asked more than once stays in the ledger.
    pub(super) async fn check(&mut self) {
        self.lost_refreshes().await;
        for login in &self.logins {
            let (status, _) = login.app.userinfo(&login.access_token).await;
            assert_eq!(status, 200, "an acknowledged login is gone");
        }
        for login in &self.revoked {
            assert_eq!(login.app.userinfo(&login.access_token).await.0, 401, "it was revoked");
            let refused = login.app.refresh(&login.refresh_token).await.expect_err("revoked");
            assert_eq!(refused.error, "invalid_grant");
        }
        self.codes_in_doubt().await;
        for browser in &mut self.sessions {
            assert_eq!(silently(&self.logins, browser).await, None, "the session is gone");
        }
        for browser in &mut self.ended {
            let error = silently(&self.logins, browser).await;
            assert!(error.is_none_or(|error| error == "login_required"), "it was signed out");
        }
        for Registered { app, allowed_by } in &mut self.registered {
            let unknown = app.refresh("nothing").await.expect_err("no token");
            assert_ne!(unknown.error, "invalid_client", "the registration is gone");
            if let Some(browser) = allowed_by {
                let page = browser.open(prompt_none(app)).await;
                assert!(page.query("code").is_some(), "the consent is gone: {}", page.url);
            }
        }
    }

    /// Refreshes every grant, as its app would.
    pub(super) async fn refresh_all(&mut self) {
        for login in &mut self.logins {
            let tokens = login.app.refresh(&login.refresh_token).await;
            login.take(&tokens.expect("an acknowledged grant refreshes"));
            self.counts.refreshes += 1;
        }
    }

    /// Tries codes of acknowledged logins again: each is refused, and ends what it gave.
    pub(super) async fn replay(&mut self, codes: usize) {
        for _ in 0..codes {
            let Some(login) = self.logins.pop() else { return };
            let refused = login.app.redeem(&login.code).await.expect_err("a second redemption");
            assert_eq!(refused.error, "invalid_grant");
            assert_eq!(login.app.userinfo(&login.access_token).await.0, 401, "RFC 6749 4.1.2");
            self.counts.replays += 1;
        }
    }

    async fn lost_refreshes(&mut self) {
        let mut late = Vec::new();
        for (index, login) in self.logins.iter_mut().enumerate() {
            let Some(lost) = login.lost else { continue };
            let again = login.app.refresh(&login.refresh_token).await;
            match again {
                Ok(tokens) => {
                    login.take(&tokens);
                    self.counts.repeated += 1;
                }
                Err(error) if lost.elapsed() < WELL_WITHIN_THE_WINDOW => {
                    panic!("a repeated refresh was refused: {error:?}");
                }
                Err(_) => late.push(index),
            }
        }
        for index in late.into_iter().rev() {
            self.logins.swap_remove(index);
        }
    }

    /// Each may be redeemed now if it was not before, and never once more.
    async fn codes_in_doubt(&mut self) {
        for (app, code) in std::mem::take(&mut self.codes_in_doubt) {
            match app.redeem(&code).await {
                Ok(_) => self.counts.not_redeemed += 1,
                Err(error) => {
                    assert_eq!(error.error, "invalid_grant");
                    self.counts.redeemed += 1;
                }
            }
            let again = app.redeem(&code).await.expect_err("a code was redeemed twice");
            assert_eq!(again.error, "invalid_grant");
        }
    }
}

fn prompt_none(app: &App) -> String {
    app.authorize_url_with(&[("prompt", Some("none"))])
}

/// Asks for a code without a page; the error, where there is one.
async fn silently(logins: &[Login], browser: &mut Browser) -> Option<String> {
    let app = &logins.first().expect("there were logins").app;
    browser.open(prompt_none(app)).await.query("error")
}

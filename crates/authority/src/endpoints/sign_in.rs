//! The sign-in page, posted.

use keystile_protocol::{Secret, Timestamp};

use super::answer::{Answer, Cookies, Fault, SessionCookie, SignInError};
use super::authorize::{Posted, Stop, session_end};
use super::{Authority, Browser};
use crate::decisions::SessionOpened;
use crate::ids::{AccountId, SessionId};
use crate::ports::SessionHandle;
use crate::records::{Account, Credentials, PASSWORD_AT_MOST, Session, normalized_username};
use crate::sealed::{FORMAT, Interaction, KnownBrowser};
use crate::throttle::{Attempt, known_browser};

/// A posted sign-in page.
#[derive(Debug)]
pub struct SignInForm {
    /// The sealed request.
    pub request: String,
    /// As typed.
    pub username: String,
    /// As typed.
    pub password: Secret,
}

/// Accounts that one browser is remembered for.
const KNOWN_ACCOUNTS: usize = 5;

/// Why nobody was signed in.
enum NotSignedIn {
    Error(SignInError),
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for NotSignedIn {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

impl Authority {
    /// Checks name and password, opens a session with a new handle, and goes on.
    pub async fn sign_in(&self, form: SignInForm, browser: &Browser) -> Answer {
        let now = self.clock.now();
        let Some(interaction) = self.open::<Interaction>(&form.request) else {
            return self.cannot_go_on(now);
        };
        let returned = self.returned(interaction, browser, now);
        if !returned.same_browser {
            // Another browser's page signs nobody in (login CSRF); it is shown anew.
            return self.go_on(returned, Posted::Nothing, browser, now).await;
        }
        let mut cookies = Cookies::default();
        let (posted, browser) = match self.authenticate(&form, browser, now).await {
            Ok(account) => match self.open_session(&account, browser, &mut cookies, now).await {
                Ok(browser) => (Posted::Nothing, browser),
                Err(fault) => {
                    return self.answer(Err(Stop::Fault(fault, None)), cookies, now).await;
                }
            },
            Err(NotSignedIn::Error(error)) => {
                (Posted::SignInFailed(error, form.username), browser.clone())
            }
            Err(NotSignedIn::Fault(fault)) => {
                return self.answer(Err(Stop::Fault(fault, None)), cookies, now).await;
            }
        };
        let result = self.go_on_with(returned, posted, &browser, &mut cookies, now).await;
        self.answer(result, cookies, now).await
    }

    /// The same work for a user who exists and one who does not: one read, one hash.
    async fn authenticate(
        &self,
        form: &SignInForm,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<Account, NotSignedIn> {
        let rejected = || NotSignedIn::Error(SignInError::Rejected);
        let username = normalized_username(&form.username).ok_or_else(rejected)?;
        if form.password.expose().is_empty() || form.password.expose().len() > PASSWORD_AT_MOST {
            return Err(rejected());
        }
        let credentials = self.store.credentials(&username).await?;
        let known = browser.known.as_ref().and_then(|known| self.open(known.as_str()));
        let attempt = Attempt {
            username: &username,
            network: &browser.network,
            known_browser: known_browser(
                known.as_ref(),
                credentials.as_ref().map(|found| found.account.id),
            ),
        };
        self.checked(form.password.clone(), credentials, attempt, now).await
    }

    async fn checked(
        &self,
        password: Secret,
        credentials: Option<Credentials>,
        attempt: Attempt<'_>,
        now: Timestamp,
    ) -> Result<Account, NotSignedIn> {
        if let Some(throttle) = &self.throttle {
            let throttled = |t| NotSignedIn::Error(SignInError::Throttled(t));
            throttle.attempt(attempt, now).map_err(throttled)?;
        }
        let hash = credentials.as_ref().and_then(|found| found.password_hash.clone());
        let checked = self
            .passwords
            .check(password.clone(), hash.clone())
            .await
            .map_err(|_| NotSignedIn::Error(SignInError::Busy))?;
        let account = credentials
            .map(|found| found.account)
            .filter(|account| checked.matches && account.enabled)
            .ok_or(NotSignedIn::Error(SignInError::Rejected))?;
        if let Some(throttle) = &self.throttle {
            throttle.succeeded(attempt);
        }
        if checked.outdated
            && let (Some(weaker), Ok(stronger)) = (hash, self.passwords.hash(password).await)
        {
            self.store.strengthen_password(&account.id, &weaker, &stronger).await?;
        }
        Ok(account)
    }

    /// Opens a session: a new handle at every authentication, and the old one ends. Gives back
    /// the browser as it is from now on.
    pub(super) async fn open_session(
        &self,
        account: &Account,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Browser, Fault> {
        let id = SessionId::new(now, self.entropy.bytes());
        let (cookie, handle) = SessionHandle::to_cookie(id, self.entropy.bytes());
        let session = Session {
            id,
            sid: self.entropy.bytes(),
            account: account.id,
            auth_time: now,
            methods: vec!["pwd".to_owned()],
            created_at: now,
            last_used: now,
            expires_at: session_end(now, &self.policy.lifetimes, now),
            user_agent: browser.user_agent.clone(),
        };
        // The session that the handle proves, not the one that it merely names.
        let before = self.signed_in(browser, now).await?;
        let instead_of = before.map(|signed_in| signed_in.session.id);
        let opened = SessionOpened::new(session, handle.secret_digest, instead_of);
        self.store.open_session(opened).await?;
        cookies.session = Some(SessionCookie::Set(cookie));
        cookies.known = Some(self.seal(&self.known_from_now(browser, account.id), now));
        Ok(Browser { session: Some(handle), ..browser.clone() })
    }

    fn known_from_now(&self, browser: &Browser, account: AccountId) -> KnownBrowser {
        let known = browser.known.as_ref().and_then(|known| self.open(known.as_str()));
        let mut known: KnownBrowser = known.unwrap_or_else(|| KnownBrowser {
            format: FORMAT,
            browser: self.entropy.bytes(),
            accounts: Vec::new(),
        });
        known.accounts.retain(|other| *other != account);
        known.accounts.insert(0, account);
        known.accounts.truncate(KNOWN_ACCOUNTS);
        known
    }
}

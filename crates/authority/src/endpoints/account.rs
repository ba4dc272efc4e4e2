//! The user's own page: apps, sessions, password.

use keystile_protocol::seal::Sealed;
use keystile_protocol::{ClientId, Secret, Timestamp};

use super::answer::{Cookies, Fault, Outcome, SessionCookie};
use super::authorize::PageOf;
use super::{Authority, Browser};
use crate::ids::SessionId;
use crate::records::{Account, AppAccess, PASSWORD_AT_LEAST, Session, SignedIn};
use crate::rules::next_step::LoginReason;
use crate::sealed::{Destination, FormKind, FormToken};

/// The account page.
#[derive(Debug)]
pub struct AccountView {
    /// Whose.
    pub account: Account,
    /// The apps that may do something.
    pub apps: Vec<AppAccess>,
    /// How many requests wait for an answer.
    pub waiting: usize,
    /// The live sessions.
    pub sessions: Vec<Session>,
    /// Which of them is this browser's.
    pub current: SessionId,
    /// What its forms post.
    pub form: Sealed<FormToken>,
    /// What was just done.
    pub notice: Option<AccountNotice>,
}

/// What was just done on the account page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AccountNotice {
    AccessRemoved,
    SignedOutElsewhere,
    PasswordChanged,
    PasswordWrong,
    PasswordTooShort,
}

/// What the user wants of the account page.
#[derive(Debug)]
pub enum AccountAction {
    /// An app may do nothing any more.
    Withdraw(ClientId),
    /// A session ends.
    EndSession(SessionId),
    /// All sessions end, and everything that apps were allowed in them.
    SignOutEverywhere,
    /// Another password.
    ChangePassword {
        /// The present one.
        current: Secret,
        /// The one to come.
        new: Secret,
    },
}

impl Authority {
    /// The account page, or the sign-in page on the way to it.
    pub async fn account(
        &self,
        browser: &Browser,
    ) -> Result<(Result<Box<AccountView>, Outcome>, Cookies), Fault> {
        let now = self.clock.now();
        let mut cookies = Cookies::default();
        let view = self.account_or_sign_in(browser, None, &mut cookies, now).await?;
        Ok((view, cookies))
    }

    /// A form of the account page.
    pub async fn change_account(
        &self,
        form: &str,
        action: AccountAction,
        browser: &Browser,
    ) -> Result<(Result<Box<AccountView>, Outcome>, Cookies), Fault> {
        let now = self.clock.now();
        let mut cookies = Cookies::default();
        let signed_in = self.signed_in(browser, now).await?;
        let token: Option<FormToken> = self.open(form);
        let genuine = token.filter(|token| {
            token.form == FormKind::Account
                && browser.is(&token.browser)
                && token.session == signed_in.as_ref().map(|signed_in| signed_in.session.id)
                && now.since(token.made_at) < self.policy.lifetimes.session_idle
        });
        let (Some(_), Some(signed_in)) = (genuine, signed_in) else {
            // Not this page of this session: show it, do nothing.
            let view = self.account_or_sign_in(browser, None, &mut cookies, now).await?;
            return Ok((view, cookies));
        };
        let mut browser = browser.clone();
        let notice = self.act(action, &signed_in, &mut browser, &mut cookies, now).await?;
        let view = self.account_or_sign_in(&browser, notice, &mut cookies, now).await?;
        Ok((view, cookies))
    }

    async fn act(
        &self,
        action: AccountAction,
        signed_in: &SignedIn,
        browser: &mut Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Option<AccountNotice>, Fault> {
        let account = &signed_in.session.account;
        match action {
            AccountAction::Withdraw(client) => {
                self.store.withdraw_consent(account, &client, now).await?;
                Ok(Some(AccountNotice::AccessRemoved))
            }
            AccountAction::EndSession(session) => {
                self.store.end_session(&session, account, now).await?;
                if session == signed_in.session.id {
                    cookies.session = Some(SessionCookie::Clear);
                    browser.session = None;
                }
                Ok(Some(AccountNotice::SignedOutElsewhere))
            }
            AccountAction::SignOutEverywhere => {
                self.store.sign_out_everywhere(account, now).await?;
                cookies.session = Some(SessionCookie::Clear);
                browser.session = None;
                Ok(None)
            }
            AccountAction::ChangePassword { current, new } => {
                let notice =
                    self.change_password(current, new, signed_in, browser, cookies, now).await?;
                Ok(Some(notice))
            }
        }
    }

    /// A change of the password ends all sessions and grants; this browser gets a new session.
    async fn change_password(
        &self,
        current: Secret,
        new: Secret,
        signed_in: &SignedIn,
        browser: &mut Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<AccountNotice, Fault> {
        if new.expose().chars().count() < PASSWORD_AT_LEAST {
            return Ok(AccountNotice::PasswordTooShort);
        }
        let busy = |_| Fault::Unavailable("the password hash's queue is full".to_owned());
        let credentials = self.store.credentials(&signed_in.username).await?;
        let attempt = crate::throttle::Attempt {
            username: &signed_in.username,
            network: &browser.network,
            known_browser: None,
        };
        if let Some(throttle) = &self.throttle
            && throttle.attempt(attempt, now).is_err()
        {
            return Ok(AccountNotice::PasswordWrong);
        }
        let hash = credentials.as_ref().and_then(|found| found.password_hash.clone());
        let right = self.passwords.check(current, hash).await.map_err(busy)?.matches;
        let Some(credentials) = credentials.filter(|_| right) else {
            return Ok(AccountNotice::PasswordWrong);
        };
        if let Some(throttle) = &self.throttle {
            throttle.succeeded(attempt);
        }
        let hash = self.passwords.hash(new).await.map_err(busy)?;
        self.store.change_password(&credentials.account.id, &hash, now).await?;
        browser.session = None;
        *browser = self.open_session(&credentials.account, browser, cookies, now).await?;
        Ok(AccountNotice::PasswordChanged)
    }

    async fn account_or_sign_in(
        &self,
        browser: &Browser,
        notice: Option<AccountNotice>,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Result<Box<AccountView>, Outcome>, Fault> {
        let Some(signed_in) = self.signed_in(browser, now).await? else {
            let page = PageOf {
                destination: Destination::Account,
                requested_at: now,
                client: None,
                username: String::new(),
                ui_locales: None,
                reason: LoginReason::NoSession,
                renewed: false,
                error: None,
            };
            return Ok(Err(self.with_browser(page, browser, cookies, now)));
        };
        let id = signed_in.session.account;
        let gone = || Fault::Broken("a session's account is gone".to_owned());
        let session = signed_in.session.id;
        let form =
            self.form_token(FormKind::Account, session, String::new(), browser, cookies, now);
        Ok(Ok(Box::new(AccountView {
            account: self.store.account(&id).await?.ok_or_else(gone)?,
            apps: self.store.apps_of(&id).await?,
            waiting: self.waiting_for(&id, now).await?.len(),
            sessions: self.store.sessions_of(&id, now).await?,
            current: signed_in.session.id,
            form,
            notice,
        })))
    }
}

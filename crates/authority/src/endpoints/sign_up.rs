//! The page where a person makes an account, posted.

use keystile_protocol::{Secret, Timestamp};

use super::answer::{Answer, Cookies, Fault, Outcome, SignUpView};
use super::authorize::{PageOf, Posted, Stop};
use super::{Authority, Browser};
use crate::records::Account;
use crate::rules::sign_up::{self, SignUpError, SignUpFields};
use crate::sealed::Interaction;

/// A posted page.
#[derive(Debug)]
pub struct SignUpForm {
    /// The sealed request.
    pub request: String,
    /// As typed.
    pub fields: SignUpFields,
    /// As typed.
    pub password: Secret,
}

impl Authority {
    /// Makes an account, opens its first session, and goes on.
    pub async fn sign_up(&self, form: SignUpForm, browser: &Browser) -> Answer {
        let now = self.clock.now();
        let Some(interaction) = self.open::<Interaction>(&form.request) else {
            return self.cannot_go_on(now);
        };
        let returned = self.returned(interaction, browser, now);
        if !returned.same_browser || !self.policy.sign_up {
            // Another browser's page makes nothing; its request begins anew.
            return self.go_on(returned, Posted::Nothing, browser, now).await;
        }
        let mut cookies = Cookies::default();
        let made = match self.made_of(&form, browser, now).await {
            Ok(Ok(account)) => self
                .open_session(&account, browser, &mut cookies, now)
                .await
                .map(|browser| (Posted::Nothing, browser)),
            Ok(Err(error)) => Ok((Posted::SignUpFailed(error, form.fields), browser.clone())),
            Err(fault) => Err(fault),
        };
        let result = match made {
            Ok((posted, browser)) => {
                self.go_on_with(returned, posted, &browser, &mut cookies, now).await
            }
            Err(fault) => Err(Stop::Fault(fault, None)),
        };
        self.answer(result, cookies, now).await
    }

    /// The rule is asked first and the network's bound second: a mistyped form costs nothing.
    async fn made_of(
        &self,
        form: &SignUpForm,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<Result<Account, SignUpError>, Fault> {
        let new = match sign_up::check(&form.fields, &form.password) {
            Ok(new) => new,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(throttle) = &self.throttle
            && let Err(throttled) = throttle.sign_up(&browser.network, now)
        {
            return Ok(Err(SignUpError::Throttled(throttled)));
        }
        if self.store.credentials(new.username()).await?.is_some() {
            return Ok(Err(SignUpError::Taken));
        }
        let Ok(hash) = self.passwords.hash(form.password.clone()).await else {
            return Ok(Err(SignUpError::Busy));
        };
        let made = new.with(hash, self.entropy.bytes(), now);
        let account = made.account.clone();
        let free = self.store.sign_up(made).await?;
        Ok(if free { Ok(account) } else { Err(SignUpError::Taken) })
    }

    /// Whether the page was asked for, where there is one.
    pub(super) fn wants_sign_up(&self, posted: &Posted) -> bool {
        self.policy.sign_up && matches!(posted, Posted::SignUp | Posted::SignUpFailed(..))
    }

    /// The page, sealed for this browser.
    pub(super) fn sign_up_page(
        &self,
        page: PageOf,
        posted: &Posted,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Outcome {
        let request = self.interaction(page.destination, page.requested_at, browser, cookies);
        let (error, fields) = match posted {
            Posted::SignUpFailed(error, fields) => (Some(*error), fields.clone()),
            _ => (None, SignUpFields { username: page.username, ..SignUpFields::default() }),
        };
        Outcome::SignUp(Box::new(SignUpView {
            request: self.seal(&request, now),
            client: page.client,
            fields,
            ui_locales: page.ui_locales,
            error,
        }))
    }
}

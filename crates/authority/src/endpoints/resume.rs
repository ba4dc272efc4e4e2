//! The pages of the flow when they are opened or posted: back to the dispatcher.

use keystile_protocol::Timestamp;

use super::answer::{Answer, Cookies, Outcome};
use super::authorize::{Asked, PageOf, Posted, Stop};
use super::device::DeviceVisit;
use super::requests::RequestsVisit;
use super::{Authority, Browser};
use crate::incident::Incident;
use crate::rules::next_step::LoginReason;
use crate::sealed::{ConsentPage, Destination, Interaction};

/// A posted consent page.
#[derive(Debug)]
pub struct ConsentForm {
    /// The sealed page.
    pub page: String,
    /// `allow` or `deny`.
    pub decision: String,
    /// The optional scopes whose boxes were ticked.
    pub ticked: Vec<String>,
}

/// An interaction that came back, and what it is worth.
pub(super) struct Returned {
    pub(super) interaction: Interaction,
    /// The page was made for this browser: what was posted counts.
    pub(super) same_browser: bool,
    /// The page became a new request.
    pub(super) renewed: bool,
}

impl Authority {
    /// A page's address, opened again: by a redirect, a reload, the back button or a bookmark.
    pub async fn resume(&self, request: &str, browser: &Browser) -> Answer {
        self.come_back(request, Posted::Nothing, browser).await
    }

    /// "Not you?": the sign-in page, although somebody is signed in.
    pub async fn switch_account(&self, request: &str, browser: &Browser) -> Answer {
        self.come_back(request, Posted::SwitchAccount, browser).await
    }

    /// "Create an account": the page for that, where the operator lets people do it.
    pub async fn begin_sign_up(&self, request: &str, browser: &Browser) -> Answer {
        self.come_back(request, Posted::SignUp, browser).await
    }

    /// "Back to the app": `access_denied` at the checked redirect URI.
    pub async fn cancel(&self, request: &str, browser: &Browser) -> Answer {
        self.come_back(request, Posted::Cancel, browser).await
    }

    /// The consent page, posted.
    pub async fn consent(&self, form: ConsentForm, browser: &Browser) -> Answer {
        let now = self.clock.now();
        let Some(page) = self.open::<ConsentPage>(&form.page) else {
            return self.cannot_go_on(now);
        };
        let interaction = page.interaction.clone();
        let posted = match form.decision.as_str() {
            "allow" => Posted::Consent { page, allow: true, ticked: form.ticked },
            "deny" => Posted::Consent { page, allow: false, ticked: Vec::new() },
            _ => Posted::Nothing,
        };
        self.go_on(self.returned(interaction, browser, now), posted, browser, now).await
    }

    async fn come_back(&self, request: &str, posted: Posted, browser: &Browser) -> Answer {
        let now = self.clock.now();
        match self.open::<Interaction>(request) {
            None => self.cannot_go_on(now),
            Some(interaction) => {
                let returned = self.returned(interaction, browser, now);
                self.go_on(returned, posted, browser, now).await
            }
        }
    }

    /// A page older than its lifetime, or of another browser, is a new request: the same
    /// parameters, all rules again, and `requested_at` is now.
    pub(super) fn returned(
        &self,
        mut interaction: Interaction,
        browser: &Browser,
        now: Timestamp,
    ) -> Returned {
        let same_browser = browser.is(&interaction.browser);
        let too_old = now.since(interaction.requested_at) >= self.policy.lifetimes.page;
        let renewed = too_old || !same_browser;
        if renewed {
            interaction.requested_at = now;
        }
        Returned { interaction, same_browser, renewed }
    }

    pub(super) async fn go_on(
        &self,
        returned: Returned,
        posted: Posted,
        browser: &Browser,
        now: Timestamp,
    ) -> Answer {
        let mut cookies = Cookies::default();
        let result = self.go_on_with(returned, posted, browser, &mut cookies, now).await;
        self.answer(result, cookies, now).await
    }

    pub(super) async fn go_on_with(
        &self,
        returned: Returned,
        posted: Posted,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let Returned { interaction, same_browser, renewed } = returned;
        // What another browser's page posts counts for nothing; an old consent page likewise.
        let posted = match posted {
            _ if !same_browser => Posted::Nothing,
            Posted::Consent { .. } if renewed => Posted::Nothing,
            posted => posted,
        };
        let requested_at = interaction.requested_at;
        match interaction.destination {
            Destination::Client(place, origin) => {
                let mut parked = None;
                let params = self.params_at(place, &mut parked, now).await?;
                let asked = Asked { params, parked, origin, requested_at, renewed, posted };
                self.dispatch(asked, browser, cookies, now).await
            }
            Destination::Account => {
                self.to_account(posted, requested_at, renewed, browser, cookies, now).await
            }
            Destination::Device(grant) => {
                let visit = DeviceVisit { grant, posted, requested_at, renewed, same_browser };
                let result = self.to_device(visit, browser, cookies, now).await;
                result.map_err(|fault| Stop::Fault(fault, None))
            }
            Destination::Requests(request) => {
                let visit = RequestsVisit { request, posted, requested_at, renewed, same_browser };
                let result = self.to_requests(visit, browser, cookies, now).await;
                result.map_err(|fault| Stop::Fault(fault, None))
            }
        }
    }

    /// The account page wants a session and nothing else.
    async fn to_account(
        &self,
        posted: Posted,
        requested_at: Timestamp,
        renewed: bool,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let signed_in =
            self.signed_in(browser, now).await.map_err(|fault| Stop::Fault(fault, None))?;
        let page = |error, username| PageOf {
            destination: Destination::Account,
            requested_at,
            client: None,
            username,
            ui_locales: None,
            reason: LoginReason::NoSession,
            renewed,
            error,
        };
        if self.wants_sign_up(&posted) {
            let page = page(None, String::new());
            return Ok(self.sign_up_page(page, &posted, browser, cookies, now));
        }
        let (error, username) = match posted {
            Posted::SignInFailed(error, username) => (Some(error), username),
            _ if signed_in.is_some() => return Ok(Outcome::Account),
            _ => (None, String::new()),
        };
        Ok(self.with_browser(page(error, username), browser, cookies, now))
    }

    /// A seal that does not open: altered, of another purpose, or of a time before a restore.
    pub(super) fn cannot_go_on(&self, now: Timestamp) -> Answer {
        let incident = Incident {
            reference: self.reference(),
            at: now,
            error: "cannot_go_on".to_owned(),
            summary: "a page's sealed request could not be opened".to_owned(),
            section: "Keystile: sealed interactions".to_owned(),
            client_id: None,
            received: None,
            expected: Vec::new(),
            hint: "The form was altered, or was made by another server, with another master key, \
                   or before a restore. The app starts a new authorization request."
                .to_owned(),
        };
        Answer { outcome: Outcome::CannotGoOn(Box::new(incident)), cookies: Cookies::default() }
    }
}

//! The pages of the device grant (RFC 8628 section 3.3): a person types the user code, signs in,
//! and is asked. Nothing is ever allowed without a button that was pressed for it.

use std::sync::Arc;

use keystile_protocol::Timestamp;
use keystile_protocol::seal::Sealed;

use super::answer::{Answer, Cookies, Fault, Outcome};
use super::authorize::{PageOf, Posted, Stop};
use super::{Authority, Browser};
use crate::ids::GrantId;
use crate::pending::{Pending, PendingAnswer};
use crate::records::{Client, SignedIn};
use crate::rules::consent::{self, Permission};
use crate::rules::details_words::ShownDetail;
use crate::rules::next_step::{ConsentAnswer, LoginReason};
use crate::rules::pending::{self, Next};
use crate::sealed::{ConsentPage, Destination, FormKind, FormToken, Interaction};
use crate::throttle::{CodeTry, Throttled};
use crate::user_code::UserCode;

/// As much of what was typed is shown again, in characters.
const TYPED_AT_MOST: usize = 32;

/// The page that asks for a user code.
#[derive(Debug)]
pub struct UserCodeView {
    /// What its form posts.
    pub form: Sealed<FormToken>,
    /// What is in the field to begin with.
    pub typed: String,
    /// What is wrong with that.
    pub problem: Option<UserCodeProblem>,
}

/// What is wrong with a user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserCodeProblem {
    /// Nothing waits under it: whether it ever did is not told (section 5.1).
    NotGood,
    /// Too many were not good.
    Throttled(Throttled),
}

/// A posted user code.
#[derive(Debug)]
pub struct UserCodeForm {
    /// What the page was bound by.
    pub token: String,
    /// As typed.
    pub user_code: String,
}

/// The page that asks whether a device may have what it waits for.
#[derive(Debug)]
pub struct DeviceView {
    /// What the page's address goes on with.
    pub request: Sealed<Interaction>,
    /// What its form posts.
    pub page: Sealed<ConsentPage>,
    /// Who asks.
    pub client: Arc<Client>,
    /// What the device shows.
    pub user_code: UserCode,
    /// Who is signed in.
    pub username: String,
    /// What is asked for.
    pub permissions: Vec<Permission>,
    /// What is asked for beside scopes.
    pub details: Vec<ShownDetail>,
}

/// The page that says what the device is told.
#[derive(Debug)]
pub struct DeviceDoneView {
    /// Who asked.
    pub client: Arc<Client>,
    /// What was said.
    pub allowed: bool,
}

/// A way through the pages to what a device waits for.
pub(super) struct DeviceVisit {
    pub(super) grant: GrantId,
    pub(super) posted: Posted,
    pub(super) requested_at: Timestamp,
    pub(super) renewed: bool,
    /// Whether the page was made for this very browser.
    pub(super) same_browser: bool,
}

impl Authority {
    /// The page that asks for a user code. One that came with the address is filled in, and
    /// nothing more happens by itself (section 5.4).
    pub fn user_code_page(&self, typed: &str, browser: &Browser) -> Answer {
        let mut cookies = Cookies::default();
        let outcome = self.ask_for_code(typed, None, browser, &mut cookies, self.clock.now());
        Answer { outcome, cookies }
    }

    /// A user code, typed.
    pub async fn enter_user_code(&self, form: UserCodeForm, browser: &Browser) -> Answer {
        let now = self.clock.now();
        let mut cookies = Cookies::default();
        let result = self.entered(&form, browser, &mut cookies, now).await;
        self.answer(result.map_err(|fault| Stop::Fault(fault, None)), cookies, now).await
    }

    async fn entered(
        &self,
        form: &UserCodeForm,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Fault> {
        let token: Option<FormToken> = self.open(&form.token);
        let genuine = token.filter(|token| {
            token.form == FormKind::UserCode
                && browser.is(&token.browser)
                && now.since(token.made_at) < self.policy.lifetimes.session_idle
        });
        let Some(token) = genuine else {
            // Not this browser's page, or a very old one: it is shown, and nothing is looked for.
            return Ok(Outcome::EnterUserCode(cut(&form.user_code)));
        };
        let by = CodeTry { network: &browser.network, browser: token.browser };
        match self.found(&form.user_code, by, now).await? {
            Err(problem) => {
                Ok(self.ask_for_code(&form.user_code, Some(problem), browser, cookies, now))
            }
            Ok(grant) => {
                let visit = DeviceVisit {
                    grant,
                    posted: Posted::Nothing,
                    requested_at: now,
                    renewed: false,
                    same_browser: true,
                };
                self.to_device(visit, browser, cookies, now).await
            }
        }
    }

    /// What waits under a code that somebody typed. Guesses are slowed before the store is asked.
    async fn found(
        &self,
        typed: &str,
        by: CodeTry<'_>,
        now: Timestamp,
    ) -> Result<Result<GrantId, UserCodeProblem>, Fault> {
        let throttle = self.throttle.as_ref();
        if let Some(throttle) = throttle
            && let Err(throttled) = throttle.user_code_attempt(by, now)
        {
            return Ok(Err(UserCodeProblem::Throttled(throttled)));
        }
        let pending = match UserCode::from_person(typed) {
            Some(code) => self.store.pending_by_user_code(&code).await?,
            None => None,
        };
        let Some(pending) = pending.filter(|pending| pending::waits(pending, now)) else {
            return Ok(Err(UserCodeProblem::NotGood));
        };
        if let Some(throttle) = throttle {
            throttle.user_code_found(by);
        }
        Ok(Ok(pending.grant))
    }

    /// To what a device waits for, by a code or from a page: what is there, and who is signed in,
    /// is asked of the store each time.
    pub(super) async fn to_device(
        &self,
        visit: DeviceVisit,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Fault> {
        // Whoever answers at the same time as another reads and decides again, once.
        for _ in 0..2 {
            let Some(waiting) = self.waiting(&visit.grant).await? else { break };
            if !visit.same_browser || matches!(visit.posted, Posted::Cancel) {
                // Back, or somebody else's link: the code is filled in, and nothing more.
                return Ok(Outcome::EnterUserCode(waiting.user_code.to_string()));
            }
            let Waiting { pending, client, .. } = &waiting;
            let situation = self.situation(browser, Some(&client.id), now).await?;
            let wants_to_sign_in =
                matches!(visit.posted, Posted::SwitchAccount | Posted::SignInFailed(..));
            let signed_in = situation.signed_in.filter(|_| !wants_to_sign_in);
            let word = self.word(&visit.posted, &waiting, signed_in.as_ref());
            match pending::next(pending, client, signed_in, &word, now) {
                Next::SignIn => {
                    return Ok(self.sign_in_for_device(waiting, visit, browser, cookies, now));
                }
                Next::Ask(signed_in) => {
                    return Ok(self.ask(&waiting, &visit, &signed_in, browser, cookies, now));
                }
                Next::Said { allowed } => return Ok(done(waiting, allowed)),
                Next::Answer(signed_in, answered) => {
                    let allowed = matches!(answered.answer, PendingAnswer::Allowed(_));
                    if self.store.answer_pending(*answered).await? {
                        self.touch(&signed_in.session, now).await?;
                        return Ok(done(waiting, allowed));
                    }
                }
                Next::Gone => break,
            }
        }
        Ok(self.ask_for_code("", Some(UserCodeProblem::NotGood), browser, cookies, now))
    }

    async fn waiting(&self, grant: &GrantId) -> Result<Option<Waiting>, Fault> {
        let Some(pending) = self.store.pending(grant).await? else { return Ok(None) };
        let Some(user_code) = pending.user_code else { return Ok(None) };
        let client = self.store.client(&pending.client, false).await?;
        let client = client.filter(|client| client.enabled);
        Ok(client.map(|client| Waiting { pending, user_code, client }))
    }

    /// What the posted page means, if it is the page that would be shown now.
    fn word(
        &self,
        posted: &Posted,
        waiting: &Waiting,
        signed_in: Option<&SignedIn>,
    ) -> ConsentAnswer {
        let (Posted::Consent { page, allow, ticked }, Some(signed_in)) = (posted, signed_in) else {
            return ConsentAnswer::None;
        };
        let request = pending::as_request(&waiting.pending);
        let Waiting { client, .. } = waiting;
        consent::answer(page, *allow, ticked, &request, signed_in, client, &self.policy)
    }

    fn ask_for_code(
        &self,
        typed: &str,
        problem: Option<UserCodeProblem>,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Outcome {
        let (kind, params) = (FormKind::UserCode, String::new());
        let form = self.form_token(kind, None, params, browser, cookies, now);
        Outcome::UserCode(Box::new(UserCodeView { form, typed: cut(typed), problem }))
    }

    fn sign_in_for_device(
        &self,
        waiting: Waiting,
        visit: DeviceVisit,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Outcome {
        let (reason, error, username) = match visit.posted {
            Posted::SignInFailed(error, typed) => (LoginReason::NoSession, Some(error), typed),
            Posted::SwitchAccount => (LoginReason::SelectAccount, None, String::new()),
            _ => (LoginReason::NoSession, None, String::new()),
        };
        let page = PageOf {
            destination: Destination::Device(visit.grant),
            requested_at: visit.requested_at,
            client: Some(waiting.client),
            username,
            ui_locales: None,
            reason,
            renewed: visit.renewed,
            error,
        };
        self.with_browser(page, browser, cookies, now)
    }

    /// The question itself. Consent that is remembered ticks its boxes and answers nothing.
    fn ask(
        &self,
        waiting: &Waiting,
        visit: &DeviceVisit,
        signed_in: &SignedIn,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Outcome {
        let Waiting { pending, user_code, client } = waiting;
        let request = pending::as_request(pending);
        let permissions = consent::permissions(&request, &signed_in.consent, &self.policy);
        let details = consent::details(&request, &self.policy);
        let destination = Destination::Device(visit.grant);
        let interaction = self.interaction(destination, visit.requested_at, browser, cookies);
        let page = ConsentPage {
            session: signed_in.session.id,
            account: signed_in.session.account,
            client: client.id.clone(),
            shown: consent::shown_digest(&request, client, &permissions, &details),
            interaction: interaction.clone(),
        };
        Outcome::Device(Box::new(DeviceView {
            request: self.seal(&interaction, now),
            page: self.seal(&page, now),
            client: Arc::clone(client),
            user_code: *user_code,
            username: signed_in.username.clone(),
            permissions,
            details,
        }))
    }
}

/// What a device of that client waits for.
struct Waiting {
    pending: Pending,
    user_code: UserCode,
    client: Arc<Client>,
}

fn done(waiting: Waiting, allowed: bool) -> Outcome {
    Outcome::DeviceDone(Box::new(DeviceDoneView { client: waiting.client, allowed }))
}

fn cut(typed: &str) -> String {
    typed.chars().take(TYPED_AT_MOST).collect()
}

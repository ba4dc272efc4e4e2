//! `/authorize`, and the one dispatcher that every page comes back to.

use keystile_protocol::encoding::sha256;
use keystile_protocol::{ClientId, Params, ProtocolError, Scope, Timestamp};

use super::answer::{Answer, ConsentView, Cookies, Fault, Outcome, SignInError, SignInView};
use super::{Authority, Browser, ReceivedParams};
use crate::ids::ParkedId;
use crate::incident::Incident;
use crate::records::{Session, SignedIn, Situation};
use crate::rules::next_step::{ConsentAnswer, LoginReason, Step, decide};
use crate::rules::redirect::{self, PageError, ReplyTo};
use crate::rules::request::{self, ValidRequest};
use crate::rules::sign_up::{SignUpError, SignUpFields};
use crate::rules::{consent, parking};
use crate::sealed::{Code, ConsentPage, Destination, FORMAT, Interaction, Origin, ParamsAt};

/// An authorization request on its way through the pages.
pub(super) struct Asked {
    /// As received, or as it stood in a request object or a pushed request.
    pub(super) params: Params,
    /// Where those wait meanwhile, if that is the store.
    pub(super) parked: Option<ParkedId>,
    /// How it came.
    pub(super) origin: Origin,
    /// When it came, or became new again.
    pub(super) requested_at: Timestamp,
    /// Whether it became new again.
    pub(super) renewed: bool,
    /// What the user did on the page that was posted.
    pub(super) posted: Posted,
}

impl Asked {
    /// Where a page of it leads.
    fn destination(&self) -> Result<Destination, ProtocolError> {
        let waiting = match self.parked {
            Some(id) => ParamsAt::Parked(id),
            None => ParamsAt::Here(parking::travels(&self.params)?),
        };
        Ok(Destination::Client(waiting, self.origin.clone()))
    }
}

/// What was posted, if anything.
pub(super) enum Posted {
    Nothing,
    /// "Back to the app" on the sign-in page.
    Cancel,
    /// "Not you?" on the consent page.
    SwitchAccount,
    /// A sign-in that did not succeed, with the name that was typed.
    SignInFailed(SignInError, String),
    /// The page where an account is made, to be shown.
    SignUp,
    /// The same with what was typed, and what is wrong with it.
    SignUpFailed(SignUpError, SignUpFields),
    /// Allow or deny.
    Consent {
        page: ConsentPage,
        allow: bool,
        ticked: Vec<String>,
    },
}

/// Why there is neither a page of the flow nor a code.
pub(super) enum Stop {
    Page(PageError),
    Reply(Box<ReplyTo>, ProtocolError),
    Fault(Fault, Option<Box<ReplyTo>>),
}

/// Why a request with somewhere to reply to did not come through.
pub(super) enum Refused {
    Protocol(ProtocolError),
    Fault(Fault),
}

impl From<ProtocolError> for Refused {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl<F: Into<Fault>> From<F> for Refused {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

impl From<PageError> for Stop {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl Authority {
    /// An authorization request (RFC 6749 section 4.1.1).
    pub async fn authorize(&self, received: ReceivedParams, browser: &Browser) -> Answer {
        let now = self.clock.now();
        let mut cookies = Cookies::default();
        let result = match received {
            Err(unreadable) => Err(Stop::Page(PageError::Unreadable(unreadable))),
            Ok(params) => match self.may_ask(&params, &browser.network, now).await {
                Ok(()) => match self.arrived(params, now).await {
                    Ok(asked) => self.dispatch(asked, browser, &mut cookies, now).await,
                    Err(stop) => Err(stop),
                },
                Err(stop) => Err(stop),
            },
        };
        self.answer(result, cookies, now).await
    }

    /// An authorization request that there is no room for: told to the app, if it is one that may
    /// be told anything (row 3.9). No signature is verified for that and nothing is fetched: where
    /// the answer goes has to stand beside a request object then.
    pub async fn refuse_authorization(&self, received: ReceivedParams, fault: Fault) -> Answer {
        let now = self.clock.now();
        let stop = match received {
            Err(unreadable) => Stop::Page(PageError::Unreadable(unreadable)),
            Ok(params) => match self.pushed_before(&params, &mut None, now).await {
                Err(stop) => stop,
                Ok(pushed) => {
                    match self.known_reply_to(&pushed.map_or(params, |(own, _)| own)).await {
                        Ok(to) => Stop::Fault(fault, Some(Box::new(to))),
                        Err(stop) => stop,
                    }
                }
            },
        };
        self.answer(Err(stop), Cookies::default(), now).await
    }

    pub(super) async fn reply_to(&self, params: &Params) -> Result<ReplyTo, Stop> {
        let client_id = redirect::client_id(params)?;
        let client = self.asking_client(&client_id).await?;
        Ok(redirect::reply_to(params, client_id, client)?)
    }

    /// The same without a fetch.
    async fn known_reply_to(&self, params: &Params) -> Result<ReplyTo, Stop> {
        let client_id = redirect::client_id(params)?;
        let client =
            self.store.client(&client_id, false).await.map_err(|e| Stop::Fault(e.into(), None))?;
        Ok(redirect::reply_to(params, client_id, client)?)
    }

    /// Read facts, decide, and act on the decision. Every page of the flow comes back to here.
    pub(super) async fn dispatch(
        &self,
        asked: Asked,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Stop> {
        let to = self.reply_to(&asked.params).await?;
        match self.step(&asked, &to, browser, cookies, now).await {
            Ok(outcome) => Ok(outcome),
            Err(Refused::Protocol(error)) => Err(Stop::Reply(Box::new(to), error)),
            Err(Refused::Fault(fault)) => Err(Stop::Fault(fault, Some(Box::new(to)))),
        }
    }

    async fn step(
        &self,
        asked: &Asked,
        to: &ReplyTo,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Refused> {
        self.may_go_on(asked, &to.client).await?;
        let mut request = request::check(&asked.params, &to.client, &self.policy)?;
        let hinted = self.hinted_subject(&asked.params, &to.client)?;
        let situation = self.situation(browser, Some(&to.client.id), now).await?;
        request.wishes.another_user =
            self.is_another_user(&request.wishes, hinted.as_deref(), &situation, &to.client)?;
        if let Posted::SwitchAccount | Posted::SignInFailed(..) = asked.posted {
            let page = sign_in_page(asked, to, &request, LoginReason::SelectAccount)?;
            return Ok(self.with_browser(page, browser, cookies, now));
        }
        if self.wants_sign_up(&asked.posted) {
            let page = sign_in_page(asked, to, &request, LoginReason::Create)?;
            return Ok(self.sign_up_page(page, &asked.posted, browser, cookies, now));
        }
        let answer = self.consent_answer(asked, to, &request, &situation);
        match decide(&request, &to.client, situation, asked.requested_at, &answer, now) {
            Step::Login(LoginReason::Create) => {
                let page = sign_in_page(asked, to, &request, LoginReason::Create)?;
                Ok(self.sign_up_page(page, &asked.posted, browser, cookies, now))
            }
            Step::Login(reason) => {
                let page = sign_in_page(asked, to, &request, reason)?;
                Ok(self.with_browser(page, browser, cookies, now))
            }
            Step::Consent(signed_in) => {
                Ok(self.consent_page(asked, to, &request, &signed_in, browser, cookies, now)?)
            }
            Step::Issue(signed_in, scope) => {
                let given = match &answer {
                    // Details are never remembered; without scopes nothing is.
                    ConsentAnswer::Allowed(allowed) if !request.scope.is_empty() => {
                        Some(consent::remembered(&signed_in, &to.client, &request, allowed, now))
                    }
                    _ => None,
                };
                // Signed, where it has to be, before anything is written.
                let code = self.code(asked, to, request, &signed_in, scope, now).await?;
                let reply = to.clone().code(code, &self.policy.issuer);
                let reply = self.as_asked(reply, now).await?;
                redirect::fits(&reply)?;
                self.keep_approved(&to.client, now).await?;
                if let Some(given) = given {
                    self.store.remember_consent(given).await?;
                }
                self.touch(&signed_in.session, now).await?;
                Ok(Outcome::Reply(Box::new(reply), None))
            }
            Step::Refuse(error) => Err(error.into()),
        }
    }

    /// Who is signed in, and what that user allowed the client. Without a session cookie nothing
    /// is asked of the store.
    pub(super) async fn situation(
        &self,
        browser: &Browser,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> Result<Situation, Fault> {
        match &browser.session {
            None => Ok(Situation::default()),
            Some(handle) => Ok(self.store.situation(handle, client, now).await?),
        }
    }

    /// The session that the browser has now, for pages that are no authorization request.
    pub(super) async fn signed_in(
        &self,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<Option<SignedIn>, Fault> {
        Ok(self.situation(browser, None, now).await?.signed_in)
    }

    /// What the posted consent page means, if it is the page that would be shown now.
    fn consent_answer(
        &self,
        asked: &Asked,
        to: &ReplyTo,
        request: &ValidRequest,
        situation: &Situation,
    ) -> ConsentAnswer {
        let (page, allow, ticked) = match &asked.posted {
            Posted::Cancel => return ConsentAnswer::Denied,
            Posted::Consent { page, allow, ticked } => (page, *allow, ticked),
            _ => return ConsentAnswer::None,
        };
        let Some(signed_in) = &situation.signed_in else { return ConsentAnswer::None };
        consent::answer(page, allow, ticked, request, signed_in, &to.client, &self.policy)
    }

    /// Seals a sign-in page for this browser, which gets a browser cookie if it has none.
    pub(super) fn with_browser(
        &self,
        page: PageOf,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Outcome {
        let back_to_app = matches!(page.destination, Destination::Client(..));
        let request = self.interaction(page.destination, page.requested_at, browser, cookies);
        Outcome::SignIn(Box::new(SignInView {
            request: self.seal(&request, now),
            client: page.client,
            back_to_app,
            username: page.username,
            ui_locales: page.ui_locales,
            reason: page.reason,
            renewed: page.renewed,
            error: page.error,
        }))
    }

    pub(super) fn interaction(
        &self,
        destination: Destination,
        requested_at: Timestamp,
        browser: &Browser,
        cookies: &mut Cookies,
    ) -> Interaction {
        let token = self.browser_token(browser, cookies);
        Interaction { format: FORMAT, destination, requested_at, browser: Browser::digest(&token) }
    }

    /// The browser's own token; a new one if it has none.
    pub(super) fn browser_token(&self, browser: &Browser, cookies: &mut Cookies) -> [u8; 16] {
        browser
            .token
            .unwrap_or_else(|| *cookies.browser.get_or_insert_with(|| self.entropy.bytes()))
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are facts of this one page")]
    fn consent_page(
        &self,
        asked: &Asked,
        to: &ReplyTo,
        request: &ValidRequest,
        signed_in: &SignedIn,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, ProtocolError> {
        let destination = asked.destination()?;
        let interaction = self.interaction(destination, asked.requested_at, browser, cookies);
        let permissions = consent::permissions(request, &signed_in.consent, &self.policy);
        let details = consent::details(request, &self.policy);
        let page = ConsentPage {
            session: signed_in.session.id,
            account: signed_in.session.account,
            client: to.client.id.clone(),
            shown: consent::shown_digest(request, &to.client, &permissions, &details),
            interaction: interaction.clone(),
        };
        Ok(Outcome::Consent(Box::new(ConsentView {
            request: self.seal(&interaction, now),
            page: self.seal(&page, now),
            client: std::sync::Arc::clone(&to.client),
            username: signed_in.username.clone(),
            permissions,
            details,
            ui_locales: request.ui_locales.clone(),
        })))
    }

    /// Seals the approval. Nothing is written, unless it is too long for an address: an unused code
    /// leaves nothing to clean.
    async fn code(
        &self,
        asked: &Asked,
        to: &ReplyTo,
        request: ValidRequest,
        signed_in: &SignedIn,
        scope: Scope,
        now: Timestamp,
    ) -> Result<String, Fault> {
        let session = &signed_in.session;
        let (grant, approval) = self.grant_of(&asked.origin, now);
        let code = Code {
            format: FORMAT,
            grant,
            client: to.client.id.clone(),
            account: session.account,
            session: session.id,
            sid: session.sid,
            redirect_uri: sha256(&to.redirect_uri),
            challenge: request.challenge,
            claims: request.wishes.claims.allowed_by(|opens| scope.contains(opens)),
            scope: scope.filter(|token| !request.wishes.for_claims.contains(token)),
            dpop_key: request.dpop_key,
            resources: request.resources,
            nonce: request.nonce,
            auth_time: session.auth_time,
            methods: session.methods.clone(),
            approved_at: now,
            first_in_session: !signed_in.client_is_listed,
            approval,
            details: request.details,
        };
        let sealed = self.seal(&code, now).into_string();
        if sealed.len() <= parking::CODE_AT_MOST {
            return Ok(sealed);
        }
        self.park_code(&code, &to.client, now).await
    }

    /// Notes that a session was used, once in a tenth of its idle lifetime.
    pub(super) async fn touch(&self, session: &Session, now: Timestamp) -> Result<(), Fault> {
        let lifetimes = &self.policy.lifetimes;
        if now.since(session.last_used) < lifetimes.session_idle / 10 {
            return Ok(());
        }
        let expires_at = session_end(session.created_at, lifetimes, now);
        Ok(self.store.touch_session(&session.id, now, expires_at).await?)
    }

    /// Turns the result of [`Self::dispatch`] into an answer, with an incident for each error.
    pub(super) async fn answer(
        &self,
        result: Result<Outcome, Stop>,
        cookies: Cookies,
        now: Timestamp,
    ) -> Answer {
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(Stop::Page(error)) => {
                let incident = error.incident(self.reference(), now);
                Outcome::Page(error, Box::new(incident))
            }
            Err(Stop::Reply(to, error)) => {
                let incident = self.incident(&error, Some(&to), now);
                let reply = to.error(&error, &self.policy.issuer);
                self.told(reply, incident, now).await
            }
            Err(Stop::Fault(fault, to)) => self.fault(fault, to, now).await,
        };
        Answer { outcome, cookies }
    }

    /// Rows 3.8 and 3.9: a fault of ours goes back to the app, if it is known where to.
    async fn fault(&self, fault: Fault, to: Option<Box<ReplyTo>>, now: Timestamp) -> Outcome {
        let mut incident =
            self.incident(&ProtocolError::new(fault.code(), fault.to_string()), to.as_deref(), now);
        incident.hint = "This is the server's fault, not the app's: see its log.".to_owned();
        let Some(to) = to else { return Outcome::Fault(fault, Box::new(incident)) };
        // What went wrong inside is for the log; the app gets the reference of its line.
        let words = match &fault {
            Fault::Unavailable(_) | Fault::InDoubt(_) => {
                "the server cannot answer right now; try again shortly"
            }
            Fault::Broken(_) => "something went wrong at the server",
        };
        let error =
            ProtocolError::new(fault.code(), format!("{words} (reference {})", incident.reference));
        let reply = to.error(&error, &self.policy.issuer);
        self.told(reply, incident, now).await
    }

    fn incident(&self, error: &ProtocolError, to: Option<&ReplyTo>, now: Timestamp) -> Incident {
        Incident {
            reference: self.reference(),
            at: now,
            error: error.error.to_string(),
            summary: error.error_description.clone(),
            section: error.error.section().to_owned(),
            client_id: to.map(|to| to.client.id.to_string()),
            received: None,
            expected: Vec::new(),
            hint: "The app was told this in its redirect; see 'error_description'.".to_owned(),
        }
    }
}

fn sign_in_page(
    asked: &Asked,
    to: &ReplyTo,
    request: &ValidRequest,
    reason: LoginReason,
) -> Result<PageOf, ProtocolError> {
    let (error, typed) = match &asked.posted {
        Posted::SignInFailed(error, username) => (Some(*error), Some(username.clone())),
        _ => (None, None),
    };
    Ok(PageOf {
        destination: asked.destination()?,
        requested_at: asked.requested_at,
        client: Some(std::sync::Arc::clone(&to.client)),
        username: typed.or_else(|| request.login_hint.clone()).unwrap_or_default(),
        ui_locales: request.ui_locales.clone(),
        reason,
        renewed: asked.renewed,
        error,
    })
}

/// A sign-in page before it is sealed.
pub(super) struct PageOf {
    pub(super) destination: Destination,
    pub(super) requested_at: Timestamp,
    pub(super) client: Option<std::sync::Arc<crate::records::Client>>,
    pub(super) username: String,
    pub(super) ui_locales: Option<String>,
    pub(super) reason: LoginReason,
    pub(super) renewed: bool,
    pub(super) error: Option<SignInError>,
}

/// When a session that is used now ends by itself.
pub(super) fn session_end(
    created_at: Timestamp,
    lifetimes: &crate::policy::Lifetimes,
    now: Timestamp,
) -> Timestamp {
    created_at.plus(lifetimes.session).min(now.plus(lifetimes.session_idle))
}

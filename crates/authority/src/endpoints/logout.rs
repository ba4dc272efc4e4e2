//! `/logout` (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use keystile_protocol::messages::IdTokenClaims;
use keystile_protocol::seal::Sealed;
use keystile_protocol::{ClientId, Params, Timestamp};

use super::answer::{Cookies, Fault, SessionCookie};
use super::{Authority, Browser, ReceivedParams};
use crate::incident::Incident;
use crate::records::{Client, Session, SignedIn};
use crate::rules::logout::{self, LogoutError, ValidLogout};
use crate::rules::logout_channels;
use crate::sealed::{FormKind, FormToken};

/// What a logout request leads to.
#[derive(Debug)]
pub enum LogoutOutcome {
    /// The user is asked.
    Ask {
        /// Who is signed in.
        username: String,
        /// What the form posts.
        form: Sealed<FormToken>,
    },
    /// Signed out, and back to the app.
    Redirect(String),
    /// Signed out.
    Done(SignedOutView),
    /// The request is wrong; nothing happened.
    Refused(LogoutError, Box<Incident>),
    /// A fault of ours.
    Fault(Fault, Box<Incident>),
}

/// The page after signing out: without a way back, or with apps to tell on the way.
#[derive(Debug, Default)]
pub struct SignedOutView {
    /// The app that asked for it.
    pub client: Option<Arc<Client>>,
    /// Where the page leads on to.
    pub return_to: Option<String>,
    /// What the page loads to tell apps (OpenID Connect Front-Channel Logout 1.0 section 3).
    pub frames: Vec<String>,
    /// The names of the apps that are told, whichever way.
    pub told: Vec<String>,
}

/// A logout request with what it needs, read.
struct AskedLogout {
    logout: ValidLogout,
    client: Option<Arc<Client>>,
}

enum Stop {
    Refused(LogoutError),
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for Stop {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

impl Authority {
    /// A logout request of an app, or of the user.
    pub async fn logout(
        &self,
        received: ReceivedParams,
        browser: &Browser,
    ) -> (LogoutOutcome, Cookies) {
        let now = self.clock.now();
        let mut cookies = Cookies::default();
        let result = self.asked_to_sign_out(received, browser, &mut cookies, now).await;
        (self.logout_outcome(result, now), cookies)
    }

    async fn asked_to_sign_out(
        &self,
        received: ReceivedParams,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<LogoutOutcome, Stop> {
        let params = received.map_err(|e| Stop::Refused(LogoutError::Params(e.to_string())))?;
        let asked = self.checked_logout(&params).await?;
        let signed_in = self.signed_in(browser, now).await?;
        let subject = match (&signed_in, &asked.client) {
            (Some(signed_in), Some(client)) => {
                Some(self.subject(&signed_in.session.account, client)?)
            }
            _ => None,
        };
        match signed_in {
            Some(signed_in)
                if logout::must_ask(&asked.logout, &signed_in.session, subject.as_deref()) =>
            {
                // A hint has been used up: it is a token, and the page goes to a browser.
                let params = without_hint(&params, asked.client.as_deref());
                let session = signed_in.session.id;
                let form =
                    self.form_token(FormKind::SignOut, session, params, browser, cookies, now);
                Ok(LogoutOutcome::Ask { username: signed_in.username, form })
            }
            signed_in => self.sign_out(signed_in, asked, cookies, now).await,
        }
    }

    /// The page that asked, confirmed.
    pub async fn confirm_logout(&self, form: &str, browser: &Browser) -> (LogoutOutcome, Cookies) {
        let now = self.clock.now();
        let mut cookies = Cookies::default();
        let result = self.confirmed(form, browser, &mut cookies, now).await;
        (self.logout_outcome(result, now), cookies)
    }

    async fn confirmed(
        &self,
        form: &str,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<LogoutOutcome, Stop> {
        let refused = || Stop::Refused(LogoutError::Params("the form does not open".into()));
        let token: FormToken = self.open(form).ok_or_else(refused)?;
        let params = Params::parse(token.params.as_bytes()).map_err(|_| refused())?;
        let signed_in = self.signed_in(browser, now).await?;
        let session = signed_in.as_ref().map(|signed_in| signed_in.session.id);
        let current = token.form == FormKind::SignOut
            && browser.is(&token.browser)
            && (session.is_none() || session == token.session)
            && now.since(token.made_at) < self.policy.lifetimes.page;
        if !current {
            // Another browser's form, or an old one: the page is shown again.
            return self.asked_to_sign_out(Ok(params), browser, cookies, now).await;
        }
        let asked = self.checked_logout(&params).await?;
        self.sign_out(signed_in, asked, cookies, now).await
    }

    async fn checked_logout(&self, params: &Params) -> Result<AskedLogout, Stop> {
        let hint = self.id_token_hint(params).map_err(Stop::Refused)?;
        let client = match logout_client(params, hint.as_ref()) {
            None => None,
            Some(id) => self.store.client(&id, false).await?,
        };
        let logout =
            logout::check(params, hint.as_ref(), client.as_deref()).map_err(Stop::Refused)?;
        Ok(AskedLogout { logout, client })
    }

    /// An ID token that we signed; that it has expired does not matter (section 2).
    fn id_token_hint(&self, params: &Params) -> Result<Option<IdTokenClaims>, LogoutError> {
        let hint =
            params.optional("id_token_hint").map_err(|e| LogoutError::Params(e.to_string()))?;
        let Some(hint) = hint else { return Ok(None) };
        self.hint(hint).map(Some).map_err(|_| LogoutError::Hint)
    }

    async fn sign_out(
        &self,
        signed_in: Option<SignedIn>,
        asked: AskedLogout,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<LogoutOutcome, Stop> {
        let mut view = SignedOutView { client: asked.client, ..SignedOutView::default() };
        if let Some(SignedIn { session, .. }) = signed_in {
            self.tell_of(&session, &mut view).await?;
            self.store.end_session(&session.id, &session.account, now).await?;
        }
        cookies.session = Some(SessionCookie::Clear);
        Ok(match asked.logout.return_to {
            // With frames to load the page must be shown; it leads on by itself.
            Some(uri) if view.frames.is_empty() => LogoutOutcome::Redirect(uri),
            return_to => LogoutOutcome::Done(SignedOutView { return_to, ..view }),
        })
    }

    /// Who is told that the session ends: through the page, and by the message that the store
    /// writes at its end.
    async fn tell_of(&self, session: &Session, view: &mut SignedOutView) -> Result<(), Stop> {
        for id in self.store.clients_of_session(&session.id).await? {
            let Some(client) = self.store.client(&id, false).await?.filter(|c| c.enabled) else {
                continue;
            };
            let frame = logout_channels::frame(&client, &self.policy.issuer, session.sid);
            if frame.is_some() || client.logout.backchannel_uri.is_some() {
                view.told.push(client.name.clone());
            }
            view.frames.extend(frame);
        }
        Ok(())
    }

    fn logout_outcome(&self, result: Result<LogoutOutcome, Stop>, now: Timestamp) -> LogoutOutcome {
        let incident = |error: &str, summary: String| {
            Box::new(Incident {
                reference: self.reference(),
                at: now,
                error: error.to_owned(),
                summary,
                section: "OpenID Connect RP-Initiated Logout 1.0 section 2".to_owned(),
                client_id: None,
                received: None,
                expected: Vec::new(),
                hint: "Compare with 'post_logout_redirect_uris' of 'keystile client show'."
                    .to_owned(),
            })
        };
        match result {
            Ok(outcome) => outcome,
            Err(Stop::Refused(error)) => {
                let incident = incident("invalid_logout_request", error.to_string());
                LogoutOutcome::Refused(error, incident)
            }
            Err(Stop::Fault(fault)) => {
                let incident = incident(fault.code().as_str(), fault.to_string());
                LogoutOutcome::Fault(fault, incident)
            }
        }
    }
}

fn logout_client(params: &Params, hint: Option<&IdTokenClaims>) -> Option<ClientId> {
    let named = params.optional_as("client_id").ok().flatten();
    named.or_else(|| ClientId::new(hint?.aud.iter().next()?).ok())
}

fn without_hint(params: &Params, client: Option<&Client>) -> String {
    let text = |name| params.optional(name).ok().flatten();
    let mut kept: Vec<(&str, &str)> = Vec::new();
    if let Some(client) = client {
        kept.push(("client_id", client.id.as_str()));
    }
    for name in ["post_logout_redirect_uri", "state"] {
        kept.extend(text(name).map(|value| (name, value)));
    }
    kept.into_iter().collect::<Params>().encode()
}

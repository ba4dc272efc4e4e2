//! The page with the requests that wait for the user (OpenID Connect CIBA Core 1.0 section 8).
//! Nothing is ever allowed but by a button that this user pressed for this request; no endpoint
//! knows a request by its `auth_req_id`.

use std::sync::Arc;
use std::time::Duration;

use keystile_protocol::Timestamp;
use keystile_protocol::seal::Sealed;

use super::answer::{Answer, Cookies, Fault, Outcome};
use super::authorize::{PageOf, Posted, Stop};
use super::{Authority, Browser};
use crate::ids::{AccountId, GrantId};
use crate::pending::{Pending, PendingAnswer};
use crate::records::{Client, SignedIn};
use crate::rules::ciba;
use crate::rules::consent::{self, Permission};
use crate::rules::details_words::ShownDetail;
use crate::rules::next_step::{ConsentAnswer, LoginReason};
use crate::rules::pending::{self, Next};
use crate::sealed::{ConsentPage, Destination, Interaction};

/// As many are shown at once.
const SHOWN_AT_MOST: u32 = 50;

/// The page.
#[derive(Debug)]
pub struct RequestsView {
    /// Where "not you?" leads from.
    pub switch: Sealed<Interaction>,
    /// Who is signed in.
    pub username: String,
    /// What waits, the newest first.
    pub requests: Vec<WaitingRequest>,
    /// What was just done.
    pub notice: Option<RequestNotice>,
}

/// One request.
#[derive(Debug)]
pub struct WaitingRequest {
    /// What its form posts.
    pub page: Sealed<ConsentPage>,
    /// Who asks.
    pub client: Arc<Client>,
    /// What the client shows the user too.
    pub binding_message: Option<String>,
    /// What is asked for.
    pub permissions: Vec<Permission>,
    /// What is asked for in detail.
    pub details: Vec<ShownDetail>,
    /// How long ago it came.
    pub age: Duration,
    /// How long it is still good.
    pub ends_in: Duration,
}

/// What became of a word.
#[derive(Debug)]
pub enum RequestNotice {
    /// It is written, and the client may fetch what it is worth.
    Said {
        /// Who asked.
        client: Arc<Client>,
        /// What was said.
        allowed: bool,
    },
    /// There is nothing to say to it any more.
    Gone,
}

/// A way to the page, or back from it.
pub(super) struct RequestsVisit {
    /// Which request was answered.
    pub(super) request: Option<GrantId>,
    pub(super) posted: Posted,
    pub(super) requested_at: Timestamp,
    pub(super) renewed: bool,
    /// Whether the page was made for this very browser.
    pub(super) same_browser: bool,
}

/// What a posted page led to.
enum Word {
    /// None was posted, or not the one that would be shown now.
    None,
    /// The user has to sign in anew first.
    NotFresh,
    Heard(RequestNotice),
}

impl Authority {
    /// The page, opened.
    pub async fn requests(&self, browser: &Browser) -> Answer {
        let now = self.clock.now();
        let mut cookies = Cookies::default();
        let visit = RequestsVisit {
            request: None,
            posted: Posted::Nothing,
            requested_at: now,
            renewed: false,
            same_browser: true,
        };
        let result = self.requests_page(visit, browser, &mut cookies, now).await;
        self.answer(result.map_err(|fault| Stop::Fault(fault, None)), cookies, now).await
    }

    /// Back from a page. Another browser's, or another site's, leads to the page and says nothing.
    pub(super) async fn to_requests(
        &self,
        visit: RequestsVisit,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Fault> {
        if !visit.same_browser {
            return Ok(Outcome::OpenRequests);
        }
        let heard = matches!(visit.posted, Posted::Consent { .. });
        match self.requests_page(visit, browser, cookies, now).await? {
            // Signed in: the page has an address of its own.
            Outcome::Requests(_) if !heard => Ok(Outcome::OpenRequests),
            outcome => Ok(outcome),
        }
    }

    /// The page, or the sign-in page on the way to it. What waits, and who is signed in, is asked
    /// of the store each time.
    async fn requests_page(
        &self,
        visit: RequestsVisit,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Outcome, Fault> {
        if self.wants_sign_up(&visit.posted) {
            let page = sign_in_page(&visit, LoginReason::NoSession, String::new());
            return Ok(self.sign_up_page(page, &visit.posted, browser, cookies, now));
        }
        let wants_to_sign_in =
            matches!(visit.posted, Posted::SwitchAccount | Posted::SignInFailed(..));
        let signed_in = self.signed_in(browser, now).await?.filter(|_| !wants_to_sign_in);
        let Some(signed_in) = signed_in else {
            let page = sign_in_page(&visit, LoginReason::NoSession, String::new());
            return Ok(self.with_browser(page, browser, cookies, now));
        };
        let word = self.hear(&visit, browser, now).await?;
        let waiting = self.waiting_for(&signed_in.session.account, now).await?;
        let fresh = ciba::is_fresh(&signed_in, &self.policy.lifetimes, now);
        let may_see = fresh || waiting.is_empty();
        let notice = match word {
            Word::Heard(notice) if may_see => Some(notice),
            Word::None if may_see => None,
            _ => {
                let page = sign_in_page(&visit, LoginReason::TooOld, signed_in.username);
                return Ok(self.with_browser(page, browser, cookies, now));
            }
        };
        let requests = self.questions(waiting, browser, cookies, now).await?;
        let destination = Destination::Requests(None);
        let switch = self.interaction(destination, visit.requested_at, browser, cookies);
        let (switch, username) = (self.seal(&switch, now), signed_in.username);
        Ok(Outcome::Requests(Box::new(RequestsView { switch, username, requests, notice })))
    }

    /// What waits for that user.
    pub(super) async fn waiting_for(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Vec<Pending>, Fault> {
        Ok(self.store.waiting_for(account, now, SHOWN_AT_MOST).await?)
    }

    /// Takes the user's word, if one was posted.
    async fn hear(
        &self,
        visit: &RequestsVisit,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<Word, Fault> {
        let (Some(request), Posted::Consent { page, allow, ticked }) =
            (&visit.request, &visit.posted)
        else {
            return Ok(Word::None);
        };
        // Whoever answers at the same time as another reads and decides again, once.
        for _ in 0..2 {
            let Some(pending) = self.store.pending(request).await? else { break };
            let Some(client) = self.asking(&pending).await? else { break };
            let signed_in = self.situation(browser, Some(&client.id), now).await?.signed_in;
            let word = match &signed_in {
                None => ConsentAnswer::None,
                Some(user) => {
                    let asked = pending::as_request(&pending);
                    consent::answer(page, *allow, ticked, &asked, user, &client, &self.policy)
                }
            };
            let lifetimes = &self.policy.lifetimes;
            match ciba::next(&pending, &client, signed_in, &word, lifetimes, now) {
                Next::SignIn => return Ok(Word::NotFresh),
                Next::Ask(_) => return Ok(Word::None),
                Next::Said { allowed } => return Ok(said(client, allowed)),
                Next::Answer(signed_in, answered) => {
                    let allowed = matches!(answered.answer, PendingAnswer::Allowed(_));
                    if self.store.answer_pending(*answered).await? {
                        self.touch(&signed_in.session, now).await?;
                        return Ok(said(client, allowed));
                    }
                }
                Next::Gone => break,
            }
        }
        Ok(Word::Heard(RequestNotice::Gone))
    }

    async fn asking(&self, pending: &Pending) -> Result<Option<Arc<Client>>, Fault> {
        let client = self.store.client(&pending.client, false).await?;
        Ok(client.filter(|client| client.enabled))
    }

    async fn questions(
        &self,
        waiting: Vec<Pending>,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Result<Vec<WaitingRequest>, Fault> {
        let mut questions = Vec::with_capacity(waiting.len());
        for pending in waiting {
            let Some(client) = self.asking(&pending).await? else { continue };
            let signed_in = self.situation(browser, Some(&client.id), now).await?.signed_in;
            let Some(signed_in) = signed_in else { continue };
            questions.push(self.question(pending, client, &signed_in, browser, cookies, now));
        }
        Ok(questions)
    }

    /// The question itself. Consent that is remembered ticks its boxes and answers nothing.
    fn question(
        &self,
        pending: Pending,
        client: Arc<Client>,
        signed_in: &SignedIn,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> WaitingRequest {
        let request = pending::as_request(&pending);
        let permissions = consent::permissions(&request, &signed_in.consent, &self.policy);
        let details = consent::details(&request, &self.policy);
        let destination = Destination::Requests(Some(pending.grant));
        let page = ConsentPage {
            session: signed_in.session.id,
            account: signed_in.session.account,
            client: client.id.clone(),
            shown: consent::shown_digest(&request, &client, &permissions, &details),
            interaction: self.interaction(destination, now, browser, cookies),
        };
        WaitingRequest {
            page: self.seal(&page, now),
            client,
            binding_message: pending.asked_of.and_then(|asked| asked.binding_message),
            permissions,
            details,
            age: now.since(pending.grant.made_at()),
            ends_in: pending.expires_at.since(now),
        }
    }
}

fn said(client: Arc<Client>, allowed: bool) -> Word {
    Word::Heard(RequestNotice::Said { client, allowed })
}

fn sign_in_page(visit: &RequestsVisit, reason: LoginReason, username: String) -> PageOf {
    let (error, username) = match &visit.posted {
        Posted::SignInFailed(error, typed) => (Some(*error), typed.clone()),
        _ => (None, username),
    };
    PageOf {
        destination: Destination::Requests(None),
        requested_at: visit.requested_at,
        client: None,
        username,
        ui_locales: None,
        reason,
        renewed: visit.renewed,
        error,
    }
}

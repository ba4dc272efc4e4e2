use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use keystile_protocol::Params;
use keystile_protocol::jose::SignedToken;

use super::form_post;
use super::login::{self, Wish};
use super::pages::{self, Fault};
use crate::client::{Client, Inner};
use crate::exchange::{self, SignedIn};
use crate::failure::{Cause, WhatToDo};
use crate::flow::{
    CallbackError, Expected, LOGIN_LIFETIME, PendingLogin, SignedResponseError,
    SignedResponseRules, attempt_of, check_callback, login_id, open_response, response_algorithms,
};
use crate::observe::{Party, Step, shown};
use crate::retire::retire;
use crate::session::{Begun, SessionKey, SessionRecord, StoreError, login_digest};

/// A browser that came back from the authorization server.
struct Arrival<'a> {
    headers: &'a HeaderMap,
    params: Params,
    /// The login that its `state` belongs to, by name.
    login: Option<String>,
    /// That login, if this browser began it.
    pending: Option<PendingLogin>,
    /// Why the parameters are not to be believed.
    refused: Option<Cause>,
}

/// `GET /callback`: the redirect URI.
pub(super) async fn callback(
    State(client): State<Client>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let inner = client.inner();
    let query = query.unwrap_or_default();
    let arrival = Arrival::read(inner, &headers, &query).await;
    inner.tell(Step::CallbackReceived, Party::Browser, Party::App, |mut event| {
        event.login.clone_from(&arrival.login);
        let query = url::form_urlencoded::parse(query.as_bytes()).take(20);
        let event = event.request("GET", &inner.app.redirect_uri);
        event.all(query.map(|(name, value)| shown(&name, &value)))
    });
    let response = match arrival.finish(&client).await {
        Ok(begun) => arrival.welcome(inner, &begun),
        Err(cause) => arrival.lead_on(inner, cause).await,
    };
    let over = arrival.login.as_ref().map(|login| inner.cookies.remove_login(login));
    pages::with_cookies(response, over)
}

impl<'a> Arrival<'a> {
    async fn read(inner: &Inner, headers: &'a HeaderMap, query: &str) -> Self {
        let params = Params::parse(query.as_bytes()).unwrap_or_default();
        let params = form_post::opened(inner, params);
        let (params, refused) = match verified(inner, params).await {
            Ok(params) => (params, None),
            Err(cause) => (Params::default(), Some(cause)),
        };
        let login = params.optional("state").ok().flatten().map(login_id);
        let seals = inner.sessions.seals();
        let pending = login.as_ref().and_then(|id| inner.cookies.login(headers, id, seals));
        Self { headers, params, login, pending, refused }
    }

    /// The rules of a callback, in the order in which they apply.
    async fn finish(&self, client: &Client) -> Result<Begun, Cause> {
        let inner = client.inner();
        if let Some(cause) = &self.refused {
            return Err(cause.clone());
        }
        let metadata = inner.provider.metadata(inner.now()).await.map_err(Cause::Unreachable)?;
        let expected = Expected {
            issuer: &inner.app.issuer,
            iss_required: metadata.authorization_response_iss_parameter_supported
                || inner.app.features.profile.is_some(),
            now: inner.now(),
        };
        let checked = check_callback(&self.params, self.pending.as_ref(), &expected);
        let code = checked.inspect_err(|error| self.note(inner, error))?;
        let pending = self.pending.as_ref().ok_or(Cause::UnknownLogin)?;
        if !first_use(inner, pending).await? {
            return Err(Cause::UnknownLogin);
        }
        let signed_in = exchange::redeem(inner, &code, pending, &inner.app.redirect_uri).await?;
        self.begin_session(client, pending, signed_in).await
    }

    /// What the server said goes to the log and the observer, and to nobody else.
    fn note(&self, inner: &Inner, error: &CallbackError) {
        tracing::info!(login = self.login.as_deref(), %error, "a callback brought no code");
        inner.tell(Step::CallbackRefused, Party::App, Party::Browser, |mut event| {
            event.login.clone_from(&self.login);
            event.visible_in_browser = false;
            event.plain("reason", error.to_string())
        });
    }

    /// A new handle at every login; the session that the browser had before is over.
    async fn begin_session(
        &self,
        client: &Client,
        pending: &PendingLogin,
        user: SignedIn,
    ) -> Result<Begun, Cause> {
        let inner = client.inner();
        let now = inner.now();
        let login = pending.id();
        let record = |key, expires_at| SessionRecord {
            key,
            login: login.clone(),
            issuer: inner.app.issuer.clone(),
            subject: user.subject,
            sid: user.sid,
            claims: user.claims,
            auth_time: user.auth_time,
            started_at: now,
            expires_at,
            tokens: user.tokens,
            proof_key: pending.proof_key.clone(),
            id_token: user.id_token,
            step_up: pending.step_up.clone(),
        };
        let begun = inner.sessions.begin(record, now).await.map_err(store_failed)?;
        inner.tell(Step::SessionStarted, Party::App, Party::Browser, |event| {
            event.in_login(&login).in_session(&begun.record.id())
        });
        if let Some(before) = inner.cookies.session(self.headers).map(SessionKey::of_handle)
            && let Err(error) = retire(client, &before, "replaced").await
        {
            tracing::error!(session = %before.digest(), %error, "the session before lives on");
        }
        Ok(begun)
    }

    fn welcome(&self, inner: &Inner, begun: &Begun) -> Response {
        let return_to = self.pending.as_ref().map_or("/", |pending| pending.return_to.as_str());
        let lifetime = inner.sessions.lifetime();
        let cookies = [
            inner.cookies.set_session(&begun.handle, lifetime),
            inner.cookies.set_just_signed_in(),
        ];
        pages::with_cookies(pages::redirect(return_to), cookies)
    }

    /// Never a dead end: on into the app, to another login, or to a page with a link. Never in
    /// circles: the number of the attempt travels in `state`.
    async fn lead_on(&self, inner: &Inner, cause: Cause) -> Response {
        let pending = self.pending.as_ref();
        let return_to = pending.map(|login| login.return_to.clone()).unwrap_or_default();
        if cause == Cause::UnknownLogin && login::has_session(inner, self.headers).await {
            return pages::redirect(return_to.as_str());
        }
        let state = self.params.optional("state").ok().flatten().unwrap_or_default();
        let attempt = attempt_of(state);
        let silent = pending.is_some_and(PendingLogin::is_silent);
        let mut wish = Wish {
            return_to,
            prompt: pending.map_or(inner.app.prompt, |login| login.prompt),
            max_age: pending.map_or(inner.app.max_age, PendingLogin::max_age),
            acr: pending.map(|login| login.required_acr.clone()).filter(|acr| !acr.is_empty()),
            acr_required: true,
            step_up: pending.and_then(|login| login.step_up.clone()),
            attempt: attempt.saturating_add(1),
            ..Wish::default()
        };
        let of_its_own = pending.is_some_and(|login| login.of_its_own);
        // Where a profile counts, nothing goes on after a response that is not this login's.
        let stops = cause == Cause::UnknownLogin && inner.app.features.profile.is_some();
        match cause.what_to_do(if stops { u8::MAX } else { attempt }, silent) {
            // What it asked for is the app's to ask again.
            _ if of_its_own => pages::failure(inner, Fault::new(cause).return_to(&wish.return_to)),
            WhatToDo::TellUser | WhatToDo::Wait => {
                pages::failure(inner, Fault::new(cause).return_to(&wish.return_to))
            }
            WhatToDo::RetrySilently => login::start(inner, self.headers, &wish).await,
            WhatToDo::AskAgain => {
                wish.prompt = None;
                login::start(inner, self.headers, &wish).await
            }
        }
    }
}

/// Whether the code of this login was never sent. A browser that loads the callback twice at once
/// sends the same cookie twice, to two nodes perhaps; the second must not send the code again, for
/// that would revoke what the first one got (RFC 6749 section 4.1.2).
async fn first_use(inner: &Inner, pending: &PendingLogin) -> Result<bool, Cause> {
    let name = login_digest(&inner.app.issuer, &pending.id());
    let used = inner.sessions.first_use(name, LOGIN_LIFETIME, inner.now()).await;
    used.map_err(store_failed)
}

fn store_failed(error: StoreError) -> Cause {
    Cause::Store(error.to_string())
}

/// The parameters of a signed response, believed; those of a plain one, where no signed one was
/// asked for.
pub(crate) async fn verified(inner: &Inner, params: Params) -> Result<Params, Cause> {
    let app = &inner.app;
    if !app.features.signed_responses {
        return Ok(params);
    }
    let response = params.optional("response").map_err(CallbackError::from)?;
    let response = response.ok_or(SignedResponseError::Missing)?;
    let now = inner.now();
    let metadata = inner.provider.metadata(now).await.map_err(Cause::Unreachable)?;
    let kid = SignedToken::parse(response).map_err(SignedResponseError::from)?.header.kid;
    let keys = inner.provider.keys(kid.as_deref(), now).await.map_err(Cause::Unreachable)?;
    let rules = SignedResponseRules {
        issuer: &app.issuer,
        client_id: &app.client_id,
        algorithms: &response_algorithms(app.features.algorithms(), &metadata),
        leeway: app.leeway,
    };
    Ok(open_response(response, &keys, &rules, now)?)
}

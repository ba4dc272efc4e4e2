use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use keystile_protocol::messages::Metadata;
use keystile_protocol::{AuthorizationDetails, Params, Secret};

use super::pages::{self, Fault};
use super::{request_reference, step_up};
use crate::call::Call;
use crate::client::{App, Client, Inner};
use crate::entropy::random;
use crate::exchange::About;
use crate::failure::Cause;
use crate::flow::{
    AuthorizationRequest, Parameters, PendingLogin, Prompt, ProofKey, ReturnTo, Started, StepUp,
    TokenError, authorization_url, pushed_request, pushed_url, read_pushed_response,
    referred_request, signed_request,
};
use crate::observe::{Party, Step, shown};
use crate::session::SessionKey;

/// Longer hints are dropped, in bytes.
const HINT_AT_MOST: usize = 255;

/// How one login differs from the configured one.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Where the browser comes back to; the app's callback, where it is not said.
    pub(super) redirect_uri: Option<String>,
    pub(super) return_to: ReturnTo,
    pub(super) prompt: Option<Prompt>,
    pub(super) max_age: Option<Duration>,
    pub(super) login_hint: Option<String>,
    /// How the user is to be authenticated; as configured, where it is not said.
    pub(super) acr: Option<Vec<String>>,
    /// Whether a login with another `acr` than those is of no use.
    pub(super) acr_required: bool,
    /// What an API asked for, if that is why.
    pub(super) step_up: Option<StepUp>,
    /// Details of this one login (RFC 9396).
    pub(super) details: Option<AuthorizationDetails>,
    pub(super) attempt: u8,
}

/// `GET /login?return_to=`, also with `prompt`, `max_age` and `login_hint`.
pub(super) async fn login(
    State(client): State<Client>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let inner = client.inner();
    let query = Params::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let wish = Wish::read(&query, inner);
    if headers.get("sec-fetch-dest").is_some_and(|dest| dest == "iframe" || dest == "frame") {
        return pages::failure(inner, Fault::new(Cause::Framed).return_to(&wish.return_to));
    }
    if goes_in_circles(&client, &headers, &query).await {
        let fault = Fault::new(Cause::Loop).return_to(&wish.return_to);
        let marker = inner.cookies.remove_just_signed_in();
        return pages::with_cookies(pages::failure(inner, fault), [marker]);
    }
    start(inner, &headers, &wish).await
}

/// Sends the browser to the authorization server.
pub(super) async fn start(inner: &Inner, headers: &HeaderMap, wish: &Wish) -> Response {
    let now = inner.now();
    let (url, pending) = match begin(inner, wish).await {
        Ok(begun) => begun,
        Err(cause) => {
            return pages::failure(inner, Fault::new(cause).return_to(&wish.return_to));
        }
    };
    inner.tell(Step::LoginStarted, Party::App, Party::Browser, |event| {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let query = url::form_urlencoded::parse(query.as_bytes());
        let event = event.in_login(&pending.id()).request("GET", &url);
        event.all(query.map(|(name, value)| shown(&name, &value)))
    });
    let mut cookies = inner.cookies.make_room(headers, inner.sessions.seals(), now);
    cookies.push(inner.cookies.set_login(&pending, &inner.sealed(&pending)));
    pages::with_cookies(pages::redirect(&url), cookies)
}

/// Where to send the browser, and what to keep until it comes back.
/// The login of an app that the browser finds elsewhere than at its callback.
pub(crate) async fn begin_for(
    inner: &Inner,
    redirect_uri: String,
) -> Result<(String, PendingLogin), Cause> {
    let wish = Wish { redirect_uri: Some(redirect_uri), ..Wish::configured(inner) };
    begin(inner, &wish).await
}

async fn begin(inner: &Inner, wish: &Wish) -> Result<(String, PendingLogin), Cause> {
    let app = &inner.app;
    let metadata = inner.fitting_metadata().await?;
    let started = ask(inner, wish, &metadata)?;
    let (parameters, mut pending) = (started.parameters, started.pending);
    inner.taints.secret("code_verifier", &Secret::new(pending.verifier.expose()));
    inner.taints.proof_key(pending.proof_key.as_ref());
    pending.of_its_own = wish.details.is_some();
    let endpoint = &metadata.authorization_endpoint;
    if let Some(uri) = request_reference::address(inner, &parameters) {
        let referred = referred_request(&parameters, uri);
        return Ok((authorization_url(endpoint, &referred), pending));
    }
    let signing = app.signing_key.as_ref().filter(|_| app.features.signed_requests);
    let parameters = match signing {
        None => parameters,
        Some(key) => signed_request(&parameters, key, &app.client_id, &app.issuer, inner.now())
            .map_err(|problem| Cause::Unreachable(problem.to_string()))?,
    };
    // What it says of the login, an ID token repeats.
    if let Some((_, object)) = parameters.iter().find(|(name, _)| name == "request") {
        inner.taints.public(object);
    }
    if !app.features.pushed && !metadata.require_pushed_authorization_requests {
        return Ok((authorization_url(endpoint, &parameters), pending));
    }
    // Beside an object nothing counts (RFC 9126 section 3).
    let alone = |name: &str| signing.is_none() || name == "request" || name == "client_id";
    let parameters = parameters.into_iter().filter(|(name, _)| alone(name)).collect();
    let request_uri = push(inner, &parameters, &pending).await?;
    Ok((pushed_url(endpoint, &app.client_id, &request_uri), pending))
}

fn ask(inner: &Inner, wish: &Wish, metadata: &Metadata) -> Result<Started, Cause> {
    let app = &inner.app;
    let mut extra = app.extra.clone();
    extra.extend(wish.login_hint.clone().map(|hint| ("login_hint".to_owned(), hint)));
    let unmade = |problem: String| Cause::Unreachable(problem);
    let redirect_uri = wish.redirect_uri.as_ref().unwrap_or(&app.redirect_uri);
    let key = app.features.dpop.then(ProofKey::generate).transpose();
    let key = key.map_err(|problem| unmade(problem.to_string()))?;
    let request = AuthorizationRequest {
        resources: &app.resources,
        prompt: wish.prompt,
        max_age: wish.max_age,
        acr_values: wish.acr.as_ref().unwrap_or(&app.acr_values),
        acr_required: app.scope.contains("openid")
            && if wish.acr.is_some() { wish.acr_required } else { app.acr_required },
        step_up: wish.step_up.as_ref(),
        claims: app.claims.as_deref(),
        authorization_details: wish.details.as_ref().or(app.details.as_ref()),
        response_mode: app.features.response_mode(),
        proof_key: key.as_ref(),
        extra: &extra,
        ..AuthorizationRequest::new(&app.client_id, redirect_uri, &app.scope)
    };
    let mut bytes = [0; 96];
    bytes[..32].copy_from_slice(&random::<32>());
    bytes[32..64].copy_from_slice(&random::<32>());
    bytes[64..].copy_from_slice(&random::<32>());
    let begun = request.begin(metadata, wish.return_to.clone(), wish.attempt, inner.now(), bytes);
    begun.map_err(|problem| unmade(problem.to_string()))
}

/// Sends the request ahead (RFC 9126) and brings back what it is called by.
async fn push(
    inner: &Inner,
    parameters: &Parameters,
    pending: &PendingLogin,
) -> Result<String, Cause> {
    let request = pushed_request(&inner.app.client_id, &inner.app.credential, parameters);
    let login = pending.id();
    let call = Call {
        endpoint: "pushed_authorization_request_endpoint",
        request: &request,
        key: None,
        repeatable: true,
        steps: (Step::PushedRequest, Step::PushedResponse),
        about: About { login: &login, session: None },
    };
    match inner.call(&call, read_pushed_response).await {
        Ok(pushed) => Ok(pushed.request_uri),
        Err(error) => {
            tracing::warn!(%login, %error, "a request could not be pushed");
            Err(match error {
                TokenError::Refused { error: Some(code), .. } => Cause::Pushed(code),
                TokenError::Refused { error: None, .. } => Cause::UnknownError,
                other => Cause::Unreachable(other.to_string()),
            })
        }
    }
}

/// A login ended here a moment ago and its session is not to be found: cookies do not stick, or
/// the store forgets. A user who asks for a certain login is no circle.
async fn goes_in_circles(client: &Client, headers: &HeaderMap, query: &Params) -> bool {
    let inner = client.inner();
    if !inner.cookies.just_signed_in(headers) || query.has("prompt") {
        return false;
    }
    !has_session(inner, headers).await
}

/// Whether the browser has a session that is alive.
pub(super) async fn has_session(inner: &Inner, headers: &HeaderMap) -> bool {
    let Some(handle) = inner.cookies.session(headers) else { return false };
    let key = SessionKey::of_handle(handle);
    matches!(inner.sessions.load(&key, inner.now()).await, Ok(Some(_)))
}

impl Wish {
    /// What is configured, and nothing else.
    pub(super) fn configured(inner: &Inner) -> Self {
        let App { prompt, max_age, .. } = inner.app;
        Self { prompt, max_age, ..Self::default() }
    }

    /// As an API asked for it (RFC 9470 section 5): the stricter of its age and the app's.
    fn stepping_up(mut self, wanted: StepUp) -> Self {
        let age = wanted.max_age.map(Duration::from_secs);
        self.max_age = age.into_iter().chain(self.max_age).min();
        if !wanted.acr_values.is_empty() {
            self.acr = Some(wanted.acr_values.clone());
            self.acr_required = true;
        }
        self.step_up = Some(wanted);
        self
    }

    fn read(query: &Params, inner: &Inner) -> Self {
        let text = |name| query.optional(name).ok().flatten();
        let hint = text("login_hint")
            .filter(|hint| hint.len() <= HINT_AT_MOST && !hint.chars().any(char::is_control));
        let asked = text("max_age").and_then(|age| age.parse().ok()).map(Duration::from_secs);
        let wish = Self {
            return_to: text("return_to").map(ReturnTo::or_root).unwrap_or_default(),
            prompt: text("prompt").and_then(Prompt::from_name).or(inner.app.prompt),
            // A link may ask for more than the app does, not for less.
            max_age: asked.into_iter().chain(inner.app.max_age).min(),
            login_hint: hint.map(str::to_owned),
            ..Self::default()
        };
        match text("step_up").and_then(|sealed| step_up::opened(inner, sealed)) {
            Some(wanted) => wish.stepping_up(wanted),
            None => wish,
        }
    }
}

/// Where a header must be text that came from a URL: nothing where it cannot.
pub(super) fn location(url: &str) -> Option<(header::HeaderName, HeaderValue)> {
    Some((header::LOCATION, HeaderValue::from_str(url).ok()?))
}

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use keystile_protocol::Params;
use keystile_protocol::messages::Metadata;

use super::pages::{self, Fault};
use crate::client::{Client, Inner};
use crate::entropy::random;
use crate::failure::Cause;
use crate::flow::{AuthorizationRequest, Prompt, ReturnTo, Started};
use crate::observe::{Party, Step, shown};
use crate::session::SessionKey;

/// Longer hints are dropped, in bytes.
const HINT_AT_MOST: usize = 255;

/// How one login differs from the configured one.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) return_to: ReturnTo,
    pub(super) prompt: Option<Prompt>,
    pub(super) max_age: Option<Duration>,
    pub(super) login_hint: Option<String>,
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
    let metadata = match inner.provider.metadata(now).await {
        Ok(metadata) => metadata,
        Err(why) => {
            let fault = Fault::new(Cause::Unreachable(why)).return_to(&wish.return_to);
            return pages::failure(inner, fault);
        }
    };
    let Some(started) = begin(inner, wish, &metadata) else {
        return pages::unavailable();
    };
    let pending = &started.pending;
    inner.tell(Step::LoginStarted, Party::App, Party::Browser, |event| {
        let query = started.url.split_once('?').map_or("", |(_, query)| query);
        let query = url::form_urlencoded::parse(query.as_bytes());
        let event = event.in_login(&pending.id()).request("GET", &started.url);
        event.all(query.map(|(name, value)| shown(&name, &value)))
    });
    let seals = inner.sessions.seals();
    let sealed = seals.seal(pending, 0, now, random());
    let mut cookies = inner.cookies.make_room(headers, seals, now);
    cookies.push(inner.cookies.set_login(pending, &sealed));
    pages::with_cookies(pages::redirect(&started.url), cookies)
}

fn begin(inner: &Inner, wish: &Wish, metadata: &Metadata) -> Option<Started> {
    let app = &inner.app;
    let mut extra = app.extra.clone();
    extra.extend(wish.login_hint.clone().map(|hint| ("login_hint".to_owned(), hint)));
    let request = AuthorizationRequest {
        client_id: &app.client_id,
        redirect_uri: &app.redirect_uri,
        scope: &app.scope,
        resources: &app.resources,
        prompt: wish.prompt,
        max_age: wish.max_age,
        extra: &extra,
    };
    let mut bytes = [0; 96];
    bytes[..32].copy_from_slice(&random::<32>());
    bytes[32..64].copy_from_slice(&random::<32>());
    bytes[64..].copy_from_slice(&random::<32>());
    request.begin(metadata, wish.return_to.clone(), wish.attempt, inner.now(), bytes).ok()
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
    fn read(query: &Params, inner: &Inner) -> Self {
        let text = |name| query.optional(name).ok().flatten();
        let hint = text("login_hint")
            .filter(|hint| hint.len() <= HINT_AT_MOST && !hint.chars().any(char::is_control));
        let asked = text("max_age").and_then(|age| age.parse().ok()).map(Duration::from_secs);
        Self {
            return_to: text("return_to").map(ReturnTo::or_root).unwrap_or_default(),
            prompt: text("prompt").and_then(Prompt::from_name).or(inner.app.prompt),
            // A link may ask for more than the app does, not for less.
            max_age: asked.into_iter().chain(inner.app.max_age).min(),
            login_hint: hint.map(str::to_owned),
            attempt: 0,
        }
    }
}

/// Where a header must be text that came from a URL: nothing where it cannot.
pub(super) fn location(url: &str) -> Option<(header::HeaderName, HeaderValue)> {
    Some((header::LOCATION, HeaderValue::from_str(url).ok()?))
}

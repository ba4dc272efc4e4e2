//! An app that is made of `keystile-client`, without a listener: the test carries what a browser
//! would between it and the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use keystile_client::{ApiError, Client, ClientBuilder, Event, Observer, Step, User};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Browser, PASSWORD, Page};

/// Where the app says that it is.
pub(crate) const APP: &str = "https://app.example";

/// The app, and what a browser keeps of it. A clone is the same app with another browser that has
/// the same cookies.
#[derive(Clone)]
pub(crate) struct RelyingParty {
    pub(crate) client: Client,
    pub(crate) events: Arc<Events>,
    app: Router,
    cookies: BTreeMap<String, String>,
}

/// What happened.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Observer for Events {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Events {
    pub(crate) fn count(&self, step: Step) -> usize {
        self.0.lock().unwrap().iter().filter(|event| event.step == step).count()
    }

    /// What was answered in that step.
    pub(crate) fn statuses(&self, step: Step) -> Vec<Option<u16>> {
        let events = self.0.lock().unwrap();
        events.iter().filter(|event| event.step == step).map(|event| event.status).collect()
    }
}

/// What the app answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

async fn me(user: User) -> axum::Json<Value> {
    axum::Json(json!({
        "sub": user.subject(),
        "acr": user.claim("acr"),
        "details": user.session().authorization_details(),
    }))
}

/// What the first API of the configuration says, at the path that the server's userinfo has.
async fn api(user: User) -> Result<(StatusCode, String), ApiError> {
    let answer = user.api().get("/userinfo").send().await?;
    Ok((answer.status(), answer.text().await?))
}

impl RelyingParty {
    pub(crate) fn new(builder: ClientBuilder) -> Self {
        Self::with(builder, Router::new())
    }

    /// With routes of its own.
    pub(crate) fn with(builder: ClientBuilder, routes: Router) -> Self {
        let events = Arc::new(Events::default());
        let client = builder.app_url(APP).observer(Arc::clone(&events) as _).build().unwrap();
        let app = Router::new()
            .route("/", get(async || "home"))
            .route("/me", get(me))
            .route("/api", get(api))
            .merge(routes)
            .merge(client.routes())
            .layer(axum::Extension(client.clone()))
            .layer(client.layer());
        Self { client, events, app, cookies: BTreeMap::new() }
    }

    /// A page load.
    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        let request = Request::get(path).header("sec-fetch-mode", "navigate");
        self.send(request, Body::empty()).await
    }

    /// The browser that has been to another node comes here.
    pub(crate) fn take_cookies_of(&mut self, other: &Self) {
        self.cookies.clone_from(&other.cookies);
    }

    /// Another browser, or a frame in a page of another site.
    pub(crate) fn without_cookies(mut self) -> Self {
        self.cookies.clear();
        self
    }

    /// A form without fields that one of the app's own pages posts.
    pub(crate) async fn post_same_origin(&mut self, path: &str) -> Reply {
        let request = Request::post(path).header("sec-fetch-site", "same-origin");
        self.send(request, Body::empty()).await
    }

    /// A form that a page of another site posts: cookies stay at home.
    pub(crate) async fn post_cross_site(&mut self, path: &str, body: String) -> Reply {
        let kept = std::mem::take(&mut self.cookies);
        let request = Request::post(path)
            .header("sec-fetch-site", "cross-site")
            .header("content-type", "application/x-www-form-urlencoded");
        let reply = self.send(request, Body::from(body)).await;
        self.cookies = kept;
        reply
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: Body) -> Reply {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, it)| format!("{name}={it}")).collect();
        let request = request.header(header::COOKIE, cookies.join("; ")).body(body).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = parts.headers.get(header::LOCATION);
        let location = location.map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        Reply { status: parts.status, location, body }
    }

    /// From a path of the app that needs a user to the address at the authorization server.
    pub(crate) async fn leave(&mut self, path: &str) -> String {
        let mut reply = self.get(path).await;
        while reply.location.starts_with('/') {
            let location = reply.location.clone();
            reply = self.get(&location).await;
        }
        assert!(!reply.location.is_empty(), "{reply:?}");
        reply.location
    }

    /// Signs in as `alice` where the server asks for it, and comes back to the app.
    pub(crate) async fn approve(&mut self, browser: &mut Browser, address: &str) -> Reply {
        let page = approved(browser, address).await;
        let url = page.url.as_str();
        let back = url.strip_prefix(APP).unwrap_or_else(|| panic!("{url} {}", page.text()));
        self.get(back).await
    }

    /// A whole login.
    pub(crate) async fn sign_in(&mut self, browser: &mut Browser, path: &str) -> Reply {
        let address = self.leave(path).await;
        self.approve(browser, &address).await
    }
}

/// Where `alice` is after she signed in and allowed what is asked for.
pub(crate) async fn approved(browser: &mut Browser, address: &str) -> Page {
    let mut page = browser.open(address).await;
    if page.is_sign_in() {
        page = browser.sign_in(&page, "alice", PASSWORD).await;
    }
    if page.is_consent() {
        page = browser.press(&page, "consent-allow", &[]).await;
    }
    page
}

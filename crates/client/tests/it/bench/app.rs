//! The app under test.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use keystile_client::protocol::Timestamp;
use keystile_client::{ApiError, Client, ClientBuilder, Event, Observer, Step, User};

use super::{Browser, Server};

pub(crate) const APP: &str = "http://localhost:4001";

/// A server and an app that uses it.
pub(crate) struct Setup {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) app: Router,
    pub(crate) events: Arc<Events>,
}

#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Observer for Events {
    fn event(&self, event: &Event) {
        self.0.lock().expect("not poisoned").push(event.clone());
    }
}

impl Events {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().expect("not poisoned").clone()
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.all().iter().map(|event| event.step).collect()
    }
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        Self::at(Server::start().await, change)
    }

    pub(crate) fn at(server: Server, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let events = Arc::new(Events::default());
        let builder = builder(&server).observer(Arc::clone(&events) as _);
        let client = change(builder).build().expect("good settings");
        let app = app(&client);
        Self { server, client, app, events }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.app.clone())
    }

    /// Another node of the app: the same browser comes to it.
    pub(crate) fn node(
        &self,
        browser: &Browser,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Browser {
        let client = change(builder(&self.server)).build().expect("good settings");
        let mut there = Browser::new(app(&client));
        there.cookies.clone_from(&browser.cookies);
        there
    }

    /// So many refresh tokens were given back (RFC 7009), which nobody waited for.
    pub(crate) async fn revoked(&self, count: usize) {
        for _ in 0..500 {
            if self.server.hits("revoke") == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} instead of {count} were given back", self.server.hits("revoke"));
    }

    /// Time passes.
    pub(crate) fn wait(&self, seconds: i64) {
        self.server.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    /// A login from the first click to the page behind it.
    pub(crate) async fn sign_in(&self, browser: &mut Browser, path: &str) -> super::Answer {
        let started = browser.get(path).await;
        let authorize = if started.location().starts_with('/') {
            let login = started.location().to_owned();
            browser.get(&login).await.location().to_owned()
        } else {
            started.location().to_owned()
        };
        browser.seen.push_str(&authorize);
        browser.get(&self.server.approve(&authorize)).await
    }

    pub(crate) async fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        let answer = self.sign_in(&mut browser, "/login").await;
        assert_eq!(answer.location(), "/");
        browser
    }
}

fn builder(server: &Server) -> ClientBuilder {
    let clock = Arc::clone(&server.ahead);
    Client::builder(&server.url, "photo-printer")
        .secret("the client's secret")
        .app_url(APP)
        .scope("openid profile photos:read")
        .api(&server.url)
        .clock(move || now().plus_seconds(clock.load(Ordering::SeqCst)))
}

trait PlusSeconds {
    fn plus_seconds(self, seconds: i64) -> Self;
}

impl PlusSeconds for Timestamp {
    fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_millis(self.millis() + seconds * 1000)
    }
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("1970");
    Timestamp::from_millis(i64::try_from(now.as_millis()).expect("fits"))
}

fn app(client: &Client) -> Router {
    let members = Router::new()
        .route("/members", get(|| async { "for members" }))
        .layer(client.require_login());
    Router::new()
        .route("/", get(home))
        .route("/me", get(me).post(me))
        .route("/photos", get(photos))
        .route("/userinfo", get(told))
        .route("/refresh", get(refresh))
        .route("/form", post(|_: User| async { "posted" }))
        .merge(members)
        .merge(client.routes())
        .layer(client.layer())
}

async fn home(user: Option<User>) -> &'static str {
    if user.is_some() { "hello again" } else { "hello stranger" }
}

async fn me(user: User) -> String {
    let name = user.name().unwrap_or_default();
    let email = user.email().unwrap_or_default();
    format!("{user:?}|{}|{name}|{email}|{}", user.subject(), user.session().id())
}

async fn photos(user: User) -> Result<String, ApiError> {
    let answer = user.api().get("/photos").send().await?;
    Ok(format!("{} {}", answer.status().as_u16(), answer.text().await?))
}

async fn told(user: User) -> Result<String, ApiError> {
    let claims = user.session().userinfo().await?;
    Ok(serde_json::Value::from(claims).to_string())
}

async fn refresh(user: User) -> String {
    format!("{:?}", user.session().refresh().await)
}

/// The parameters of a URL.
pub(crate) fn query_of(url: &str) -> HashMap<String, String> {
    url::Url::parse(url).expect("a URL").query_pairs().into_owned().collect()
}

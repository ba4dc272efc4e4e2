//! An API of its own origin, and the app's proxy in front of it, both over real connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper_util::rt::TokioIo;
use keystile_client::{ClientBuilder, Proxy};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{APP, Browser, Setup};

/// One end of a body.
pub(crate) type Pieces = Sender<Bytes, std::io::Error>;

/// A request as the API got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Default)]
pub(crate) struct ApiFacts {
    /// Requests that it answered.
    pub(crate) got: Vec<Got>,
    /// How it answers before it reads the body, one after the other; nothing: well.
    pub(crate) refuses: VecDeque<(StatusCode, HeaderMap)>,
    /// Headers of good answers.
    pub(crate) answers: (StatusCode, HeaderMap),
    /// Is told each piece of a body as it comes.
    pub(crate) pieces: Option<mpsc::UnboundedSender<Bytes>>,
    /// The bodies of its answers, where they are said piece by piece.
    pub(crate) says: Option<mpsc::UnboundedSender<Pieces>>,
    /// Refuses the token when it has read the body.
    pub(crate) refuses_after_the_body: bool,
    /// Never answers.
    pub(crate) hangs: bool,
}

pub(super) type Shared = Arc<Mutex<ApiFacts>>;

/// An app with a proxy, its API, and a user who is signed in.
pub(crate) struct Front {
    pub(crate) setup: Setup,
    pub(crate) browser: Browser,
    pub(crate) url: String,
    pub(crate) api: String,
    facts: Shared,
    http: reqwest::Client,
}

impl Front {
    pub(crate) async fn new() -> Self {
        Self::with(|client| client, |proxy| proxy).await
    }

    pub(crate) async fn with(
        client: impl FnOnce(ClientBuilder) -> ClientBuilder,
        proxy: impl FnOnce(Proxy) -> Proxy,
    ) -> Self {
        let facts = Shared::default();
        facts.lock().expect("not poisoned").answers.0 = StatusCode::OK;
        let router = Router::new()
            .route("/v1/socket", any(socket))
            .fallback(any(answer))
            .with_state(Arc::clone(&facts));
        let api = serve(router).await;
        let named = api.clone();
        let setup = Setup::with(|builder| client(builder.api(named))).await;
        let passing = proxy(setup.client.proxy(format!("{api}/v1")).expect("a base"));
        let app = Router::new()
            .nest_service("/api", passing)
            .route("/me", setup.client.user_endpoint())
            .merge(setup.client.routes())
            .layer(setup.client.layer());
        let browser = setup.signed_in().await;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = http.no_proxy().build().expect("a client");
        Self { setup, browser, url: serve(app).await, api, facts, http }
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, ApiFacts> {
        self.facts.lock().expect("not poisoned")
    }

    /// The one request that the API got.
    pub(crate) fn got(&self) -> Got {
        let got = &self.facts().got;
        assert_eq!(got.len(), 1, "{got:?}");
        got[0].clone()
    }

    pub(crate) fn cookie(&self) -> String {
        let pairs = self.browser.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// A request as the app's script makes it.
    pub(crate) fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.unproved(method, path).header("x-csrf", "1").header("sec-fetch-site", "same-origin")
    }

    /// The same with the user's cookie alone.
    pub(crate) fn unproved(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).header("cookie", self.cookie())
    }

    /// What comes back for a request that is written as it is, until the connection ends.
    pub(crate) async fn raw(&self, line: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!(
            "{line} HTTP/1.1\r\nhost: localhost:4001\r\ncookie: {}\r\nx-csrf: 1\r\n\
             sec-fetch-site: same-origin\r\nconnection: close\r\n\r\n",
            self.cookie()
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.expect("read");
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn connect(&self) -> tokio::net::TcpStream {
        let address = self.url.trim_start_matches("http://");
        tokio::net::TcpStream::connect(address).await.expect("connected")
    }

    /// The handshake of a WebSocket as a browser makes it on a page of that origin.
    pub(crate) fn handshake(&self, origin: Option<&str>) -> String {
        let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
        format!(
            "GET /api/socket HTTP/1.1\r\nhost: localhost:4001\r\ncookie: {}\r\n{origin}\
             connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: a, b\r\n\r\n",
            self.cookie()
        )
    }

    pub(crate) async fn sign_out(&mut self) {
        let headers = [("sec-fetch-site", "same-origin")];
        self.browser.send(Method::POST, "/logout", &headers).await;
    }
}

/// The origin of the app's pages.
pub(crate) const OWN_ORIGIN: &str = APP;

/// A body that somebody says piece by piece.
pub(crate) fn pieces() -> (Pieces, Channel<Bytes, std::io::Error>) {
    Channel::new(1)
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    url
}

async fn answer(State(facts): State<Shared>, request: Request) -> Response {
    let refused = facts.lock().expect("not poisoned").refuses.pop_front();
    if let Some((status, headers)) = refused {
        return (status, headers, "refused").into_response();
    }
    if facts.lock().expect("not poisoned").hangs {
        std::future::pending::<()>().await;
    }
    let (parts, mut body) = request.into_parts();
    let pieces = facts.lock().expect("not poisoned").pieces.clone();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map(|frame| frame.into_data().unwrap_or_default()) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        whole.extend_from_slice(&data);
        if let Some(pieces) = &pieces {
            pieces.send(data).expect("somebody listens");
        }
    }
    let mut facts = facts.lock().expect("not poisoned");
    if facts.refuses_after_the_body {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    facts.got.push(Got {
        method: parts.method,
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&whole).into_owned(),
    });
    let (status, headers) = facts.answers.clone();
    match &facts.says {
        None => (status, headers, "well").into_response(),
        Some(says) => {
            let (sender, body) = self::pieces();
            says.send(sender).expect("somebody says it");
            (status, headers, Body::new(body)).into_response()
        }
    }
}

/// Says everything again, in capital letters, whatever it is.
async fn socket(State(facts): State<Shared>, mut request: Request) -> Response {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    facts.lock().expect("not poisoned").got.push(Got {
        method: parts.method,
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: String::new(),
    });
    let refused = facts.lock().expect("not poisoned").refuses.pop_front();
    if let Some((status, headers)) = refused {
        return (status, headers, "refused").into_response();
    }
    tokio::spawn(async move {
        let mut stream = TokioIo::new(on_upgrade.await.expect("upgraded"));
        let mut buffer = [0; 100];
        loop {
            match tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    let loud = buffer[..length].to_ascii_uppercase();
                    stream.write_all(&loud).await.expect("written");
                }
            }
        }
    });
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "b"),
        ("set-cookie", "api=1"),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

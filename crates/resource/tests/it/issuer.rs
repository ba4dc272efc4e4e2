//! An issuer on a port of its own, and an API that believes it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use keystile_protocol::jose::{JwkSet, SigningKey};
use keystile_resource::{Algorithm, Guard, Token};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const API: &str = "https://photos.example";

pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) key: SigningKey,
    pub(crate) played: Arc<Played>,
}

/// How the issuer behaves, and what it saw.
pub(crate) struct Played {
    pub(crate) keys: Mutex<Vec<keystile_protocol::jose::Jwk>>,
    pub(crate) away: AtomicBool,
    pub(crate) fetches: AtomicUsize,
    metadata: Mutex<Value>,
    /// What it says of tokens, by the token.
    told: Mutex<HashMap<String, Value>>,
    /// The questions that it was asked: their headers and forms.
    pub(crate) questions: Mutex<Vec<(HeaderMap, String)>>,
}

pub(crate) fn new_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).expect("generated").key
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs().try_into().expect("not that late")
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        Self::start_at("/.well-known/oauth-authorization-server").await
    }

    /// Its metadata are at this path alone.
    pub(crate) async fn start_at(well_known: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let key = new_key(Algorithm::ES256);
        let played = Arc::new(Played {
            keys: Mutex::new(vec![key.public().clone()]),
            away: AtomicBool::new(false),
            fetches: AtomicUsize::new(0),
            metadata: Mutex::new(json!({
                "issuer": url,
                "jwks_uri": format!("{url}/jwks"),
                "introspection_endpoint": format!("{url}/introspect"),
            })),
            told: Mutex::default(),
            questions: Mutex::default(),
        });
        let routes = Router::new()
            .route(well_known, get(metadata))
            .route("/jwks", get(jwks))
            .route("/introspect", post(introspect))
            .with_state(Arc::clone(&played));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, key, played }
    }

    pub(crate) fn fetches(&self) -> usize {
        self.played.fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn away(&self, away: bool) {
        self.played.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        let keys = keys.iter().map(|key| key.public().clone()).collect();
        *self.played.keys.lock().expect("not poisoned") = keys;
    }

    pub(crate) fn say(&self, metadata: Value) {
        *self.played.metadata.lock().expect("not poisoned") = metadata;
    }

    /// What it says of a token from now on, when it is asked.
    pub(crate) fn tell(&self, token: &str, answer: Value) {
        self.played.told.lock().expect("not poisoned").insert(token.to_owned(), answer);
    }

    /// How often it was asked about tokens.
    pub(crate) fn asked(&self) -> usize {
        self.played.questions.lock().expect("not poisoned").len()
    }

    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": self.url, "sub": "alice", "aud": API, "client_id": "printer", "jti": "j",
            "iat": now(), "exp": now() + 300, "scope": "photos:read photos:order",
        })
    }

    /// A good token, but for what is changed.
    pub(crate) fn token(&self, changes: &[(&str, Value)]) -> String {
        let mut claims = self.claims();
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        self.key.sign("at+jwt", &claims).expect("signed")
    }

    pub(crate) fn guard(&self) -> Guard {
        Guard::builder(&self.url, API).build().expect("a good guard")
    }

    pub(crate) fn api(&self) -> Api {
        Api::behind(&self.guard())
    }
}

async fn metadata(State(played): State<Arc<Played>>) -> Response {
    if played.away.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(played.metadata.lock().expect("not poisoned").clone()).into_response()
}

async fn jwks(State(played): State<Arc<Played>>) -> Response {
    played.fetches.fetch_add(1, Ordering::SeqCst);
    if played.away.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let keys = played.keys.lock().expect("not poisoned").clone();
    Json(JwkSet { keys }).into_response()
}

async fn introspect(
    State(played): State<Arc<Played>>,
    headers: HeaderMap,
    form: String,
) -> Response {
    if played.away.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let token = url::form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "token");
    let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
    played.questions.lock().expect("not poisoned").push((headers, form));
    match played.told.lock().expect("not poisoned").get(&token) {
        // A signed answer (RFC 9701).
        Some(Value::String(text)) => text.clone().into_response(),
        Some(answer) => Json(answer).into_response(),
        None => Json(json!({ "active": false })).into_response(),
    }
}

/// A small API behind a guard.
#[derive(Clone)]
pub(crate) struct Api(Router);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Api {
    pub(crate) fn behind(guard: &Guard) -> Self {
        let subject = |token: Token| async move { token.subject().to_owned() };
        let both = guard.require("photos:read photos:order");
        Self(
            Router::new()
                .route("/me", get(subject))
                .route("/echo", post(|body: String| async move { body }))
                .route("/photos", get(subject).layer(guard.require("photos:read")))
                .route("/orders", post(subject).layer(both))
                .layer(guard.clone())
                .route("/alone", get(subject).layer(guard.require("photos:read")))
                .route("/open", get(|| async { "open" }))
                .route("/forgotten", get(subject)),
        )
    }

    pub(crate) fn of(routes: Router) -> Self {
        Self(routes)
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        let response = self.0.clone().oneshot(request).await.expect("infallible");
        let (head, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
        let body = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).expect("a request")).await
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// All values of `WWW-Authenticate`.
    pub(crate) fn challenges(&self) -> Vec<&str> {
        let all = self.headers.get_all("www-authenticate").iter();
        all.map(|value| value.to_str().expect("text")).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

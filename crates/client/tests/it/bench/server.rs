//! A small authorization server, which can be told to misbehave, and an API beside it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use http_body::Frame;
use keystile_client::protocol::encoding::{base64url, sha256};
use keystile_client::protocol::jose::{Algorithm, JwkSet, SigningKey, Thumbprint};
use keystile_client::protocol::{Timestamp, dpop};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the token endpoint answers.
#[derive(Clone, Debug, Default)]
pub(crate) enum Answering {
    #[default]
    Well,
    Error(u16, &'static str),
    /// The code is redeemed and the answer never arrives.
    Lost,
    /// Busy for that many requests, with this `Retry-After` in seconds.
    Busy(usize, &'static str),
}

pub(crate) struct Facts {
    pub(crate) url: String,
    pub(crate) ahead: Arc<AtomicI64>,
    pub(crate) key: SigningKey,
    pub(crate) keys: Vec<keystile_client::protocol::jose::Jwk>,
    pub(crate) codes: HashMap<String, Value>,
    pub(crate) access_tokens: Vec<String>,
    pub(crate) refresh_tokens: Vec<String>,
    /// All secrets that ever were: codes aside.
    pub(crate) secrets: Vec<String>,
    pub(crate) hits: HashMap<&'static str, usize>,
    pub(crate) token: Answering,
    pub(crate) refresh: Answering,
    pub(crate) refresh_takes: Duration,
    pub(crate) expires_in: u64,
    pub(crate) gives_refresh_token: bool,
    pub(crate) id_token: Value,
    /// What the ID token of a refresh says differently; there is none by default.
    pub(crate) refreshed_id_token: Option<Value>,
    pub(crate) api_refuses: bool,
    pub(crate) issuer_in_metadata: Option<String>,
    pub(crate) iss_promised: bool,
    pub(crate) only_oauth_metadata: bool,
    pub(crate) userinfo: Value,
    /// Whether it is signed (OpenID Connect Core 1.0 section 5.3.2).
    pub(crate) signs_userinfo: bool,
    pub(crate) grants: super::grants::Grants,
    /// What proofs at the token endpoint, and at the API, have to say.
    pub(crate) token_nonce: Option<String>,
    pub(crate) api_nonce: Option<String>,
    /// Proofs that came, by their `jti`.
    pub(crate) proofs: Vec<String>,
    /// What access tokens are bound to.
    pub(crate) bound_to: HashMap<String, Thumbprint>,
    /// Whether it knows no DPoP.
    pub(crate) binds_nothing: bool,
    /// Members that the metadata have beside the usual ones.
    pub(crate) metadata: Value,
    /// Whether ID tokens are signed under a name.
    pub(crate) names_keys: bool,
    /// What the API demands with a 401.
    pub(crate) api_challenge: Option<&'static str>,
}

pub(super) type Shared = Arc<Mutex<Facts>>;

pub(crate) struct Server {
    pub(crate) url: String,
    /// How far everybody's clock is ahead of the machine's, in seconds.
    pub(crate) ahead: Arc<AtomicI64>,
    facts: Shared,
    running: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let key = SigningKey::generate(Algorithm::ES256).expect("a key").key;
        let ahead = Arc::new(AtomicI64::new(0));
        let facts = Facts {
            url: url.clone(),
            ahead: Arc::clone(&ahead),
            keys: vec![key.public().clone()],
            key,
            codes: HashMap::new(),
            access_tokens: Vec::new(),
            refresh_tokens: Vec::new(),
            secrets: vec!["the client's secret".to_owned()],
            hits: HashMap::new(),
            token: Answering::Well,
            refresh: Answering::Well,
            refresh_takes: Duration::ZERO,
            expires_in: 300,
            gives_refresh_token: true,
            id_token: json!({}),
            refreshed_id_token: None,
            api_refuses: false,
            issuer_in_metadata: None,
            iss_promised: true,
            only_oauth_metadata: false,
            userinfo: json!({"sub": "user-1", "email": "ann@example.org", "aud": "x"}),
            signs_userinfo: false,
            grants: super::grants::Grants::default(),
            token_nonce: None,
            api_nonce: None,
            proofs: Vec::new(),
            bound_to: HashMap::new(),
            binds_nothing: false,
            metadata: json!({}),
            names_keys: true,
            api_challenge: None,
        };
        let mut server = Self { url, ahead, facts: Arc::new(Mutex::new(facts)), running: None };
        server.run(listener);
        server
    }

    fn run(&mut self, listener: TcpListener) {
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(openid_metadata))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/device_authorization", post(super::grants::device_authorization))
            .route("/userinfo", get(userinfo))
            .route("/revoke", post(revoke))
            .route("/par", post(par))
            .route("/photos", get(photos).post(photos))
            .route("/elsewhere", get(elsewhere))
            .with_state(Arc::clone(&self.facts));
        let serving = async move { axum::serve(listener, router).await.expect("serves") };
        self.running = Some(tokio::spawn(serving));
    }

    /// Goes away; connections are cut.
    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            running.await.ok();
        }
        // Connections have tasks of their own, which end with what they wait for.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Comes back at the same address.
    pub(crate) async fn restart(&mut self) {
        let address = self.url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(address).await.expect("the same port");
        self.run(listener);
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("not poisoned")
    }

    pub(crate) fn hits(&self, path: &'static str) -> usize {
        self.facts().hits.get(path).copied().unwrap_or_default()
    }

    /// The user signs in and agrees: where the browser is sent back to.
    pub(crate) fn approve(&self, authorize_url: &str) -> String {
        let (endpoint, _) = authorize_url.split_once('?').expect("a query");
        assert_eq!(endpoint, format!("{}/authorize", self.url));
        let request = super::query_of(authorize_url);
        let code = base64url(sha256(format!("code {}", request["state"])));
        let answer = [("code", code.as_str()), ("state", &request["state"]), ("iss", &self.url)];
        let url = url::Url::parse_with_params(&request["redirect_uri"], answer).expect("a URL");
        self.facts().codes.insert(code, json!(request));
        url.into()
    }
}

pub(super) fn hit(facts: &Shared, path: &'static str) {
    *facts.lock().expect("not poisoned").hits.entry(path).or_default() += 1;
}

async fn openid_metadata(state: State<Shared>) -> Response {
    hit(&state, "openid-configuration");
    if state.lock().expect("not poisoned").only_oauth_metadata {
        return StatusCode::NOT_FOUND.into_response();
    }
    metadata(state).await
}

async fn metadata(State(facts): State<Shared>) -> Response {
    hit(&facts, "metadata");
    let facts = facts.lock().expect("not poisoned");
    let url = &facts.url;
    let device = facts.grants.codes.as_ref().map(|_| format!("{url}/device_authorization"));
    let mut metadata = json!({
        "issuer": facts.issuer_in_metadata.as_ref().unwrap_or(url),
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "revocation_endpoint": format!("{url}/revoke"),
        "end_session_endpoint": format!("{url}/logout"),
        "device_authorization_endpoint": device,
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "authorization_response_iss_parameter_supported": facts.iss_promised,
    });
    for (name, value) in facts.metadata.as_object().expect("an object") {
        metadata[name] = value.clone();
    }
    Json(metadata).into_response()
}

async fn jwks(State(facts): State<Shared>) -> Json<JwkSet> {
    hit(&facts, "jwks");
    Json(JwkSet { keys: facts.lock().expect("not poisoned").keys.clone() })
}

async fn token(
    State(facts): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    hit(&facts, "token");
    // "photo-printer" and the secret, form encoded and then base64 (RFC 6749 section 2.3.1).
    let basic = "Basic cGhvdG8tcHJpbnRlcjp0aGUlMjBjbGllbnQlMjdzJTIwc2VjcmV0";
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != basic) {
        return refuse(401, "invalid_client");
    }
    let bound = match proof(&facts, &headers, "POST", "/token", None) {
        Ok(key) => key,
        Err(refused) => return *refused,
    };
    if let Some(answer) = super::grants::token(&facts, &form, bound).await {
        return answer;
    }
    if form["grant_type"] == "refresh_token" {
        // Done at once, told late: who does not wait for the answer has lost it.
        let answer = refresh(&facts, &form, bound);
        let takes = facts.lock().expect("not poisoned").refresh_takes;
        tokio::time::sleep(takes).await;
        return answer;
    }
    let mut facts = facts.lock().expect("not poisoned");
    let Some(request) = facts.codes.remove(&form["code"]) else {
        return refuse(400, "invalid_grant");
    };
    let challenge = base64url(sha256(&form["code_verifier"]));
    facts.secrets.push(form["code_verifier"].clone());
    if request["code_challenge"] != challenge || request["redirect_uri"] != form["redirect_uri"] {
        return refuse(400, "invalid_grant");
    }
    match facts.token.clone() {
        Answering::Error(status, error) => refuse(status, error),
        Answering::Lost => lost(),
        Answering::Busy(times, after) => {
            facts.token = still_busy(times, after);
            busy(after)
        }
        Answering::Well => issue(&mut facts, Some(&request), bound),
    }
}

fn refresh(facts: &Shared, form: &HashMap<String, String>, bound: Option<Thumbprint>) -> Response {
    hit(facts, "refresh");
    let mut facts = facts.lock().expect("not poisoned");
    match facts.refresh.clone() {
        Answering::Error(status, error) => refuse(status, error),
        Answering::Lost => lost(),
        Answering::Busy(times, after) => {
            facts.refresh = still_busy(times, after);
            busy(after)
        }
        Answering::Well if facts.refresh_tokens.last() != Some(&form["refresh_token"]) => {
            refuse(400, "invalid_grant")
        }
        Answering::Well => issue(&mut facts, None, bound),
    }
}

fn still_busy(times: usize, after: &'static str) -> Answering {
    if times > 1 { Answering::Busy(times - 1, after) } else { Answering::Well }
}

fn busy(after: &str) -> Response {
    let mut response = refuse(503, "temporarily_unavailable");
    response.headers_mut().insert(header::RETRY_AFTER, after.parse().expect("fits"));
    response
}

/// The proof of a request is good, new and says the nonce; or there is none where none is needed.
fn proof(
    facts: &Shared,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    access_token: Option<&str>,
) -> Result<Option<Thumbprint>, Box<Response>> {
    let mut facts = facts.lock().expect("not poisoned");
    let proof = headers.get("dpop").filter(|_| !facts.binds_nothing);
    let Some(proof) = proof else { return Ok(None) };
    let urls = [format!("{}{path}", facts.url)];
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("1970");
    let seconds = i64::try_from(seconds.as_secs()).expect("fits");
    let now = Timestamp::from_seconds(seconds + facts.ahead.load(Ordering::SeqCst));
    let expected = dpop::Expected { method, urls: &urls, access_token };
    let proved = dpop::verify(proof.to_str().expect("text"), &expected, now).expect("a good proof");
    assert!(!facts.proofs.contains(&proved.jti), "a proof is sent once");
    facts.proofs.push(proved.jti);
    let nonce = if access_token.is_some() { &facts.api_nonce } else { &facts.token_nonce };
    match nonce {
        Some(nonce) if proved.nonce.as_ref() != Some(nonce) => {
            let challenge = "DPoP error=\"use_dpop_nonce\"";
            let mut response = match access_token {
                None => refuse(400, "use_dpop_nonce"),
                Some(_) => {
                    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], "nonce")
                        .into_response()
                }
            };
            response.headers_mut().insert("dpop-nonce", nonce.parse().expect("fits"));
            Err(Box::new(response))
        }
        _ => Ok(Some(proved.key)),
    }
}

/// A JWT whose header names no key.
fn unnamed(key: &SigningKey, claims: &Value) -> String {
    // With the key itself in it, which nobody believes.
    key.sign_with_jwk("JWT", claims).expect("signed")
}

pub(super) fn refuse(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({"error": error, "error_description": "words <b>of</b> the server"});
    (status, Json(body)).into_response()
}

/// An answer that breaks off.
fn lost() -> Response {
    Response::new(Body::new(BrokenOff))
}

struct BrokenOff;

impl HttpBody for BrokenOff {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    }
}

pub(super) fn issue(
    facts: &mut Facts,
    request: Option<&Value>,
    bound: Option<Thumbprint>,
) -> Response {
    let number = facts.secrets.len();
    let access = base64url(sha256(format!("access {number}")));
    let refresh = base64url(sha256(format!("refresh {number}")));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("1970");
    let now = i64::try_from(now.as_secs()).expect("fits") + facts.ahead.load(Ordering::SeqCst);
    let mut answer = json!({
        "access_token": access, "token_type": if bound.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": facts.expires_in,
    });
    if facts.gives_refresh_token {
        answer["refresh_token"] = json!(refresh);
    }
    let differently = match request {
        Some(_) => Some(facts.id_token.clone()),
        None => facts.refreshed_id_token.clone(),
    };
    if let Some(differently) = differently {
        let refreshed = json!({"client_id": "photo-printer"});
        let request = request.unwrap_or(&refreshed);
        let mut claims = json!({
            "iss": facts.url, "sub": "user-1", "aud": request["client_id"], "nonce": request["nonce"],
            "exp": now + 300, "iat": now, "auth_time": now, "sid": "s", "name": "Ann <b>",
        });
        for (name, value) in differently.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let id_token = facts.key.sign("JWT", &claims).expect("signed");
        let id_token = if facts.names_keys { id_token } else { unnamed(&facts.key, &claims) };
        facts.secrets.push(id_token.clone());
        answer["id_token"] = json!(id_token);
    }
    facts.bound_to.extend(bound.map(|key| (access.clone(), key)));
    facts.access_tokens = vec![access.clone()];
    facts.refresh_tokens.push(refresh.clone());
    facts.secrets.extend([access, refresh]);
    Json(answer).into_response()
}

fn is_authorized(facts: &Shared, headers: &HeaderMap) -> bool {
    let facts = facts.lock().expect("not poisoned");
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = if headers.contains_key("dpop") { "DPoP " } else { "Bearer " };
    let token = value.and_then(|value| value.strip_prefix(scheme)).unwrap_or_default();
    facts.access_tokens.iter().any(|known| known == token) && !facts.api_refuses
}

async fn userinfo(State(facts): State<Shared>, headers: HeaderMap) -> Response {
    hit(&facts, "userinfo");
    if !is_authorized(&facts, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let facts = facts.lock().expect("not poisoned");
    if facts.signs_userinfo {
        let signed = facts.key.sign("JWT", &facts.userinfo).expect("signed");
        return ([(header::CONTENT_TYPE, "application/jwt")], signed).into_response();
    }
    Json(facts.userinfo.clone()).into_response()
}

async fn revoke(State(facts): State<Shared>, Form(form): Form<HashMap<String, String>>) {
    hit(&facts, "revoke");
    facts.lock().expect("not poisoned").refresh_tokens.retain(|token| *token != form["token"]);
}

async fn photos(State(facts): State<Shared>, headers: HeaderMap) -> Response {
    hit(&facts, "photos");
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("DPoP "));
    let proved = match proof(&facts, &headers, "GET", "/photos", token) {
        Ok(key) => key,
        Err(refused) => return *refused,
    };
    let bound_to = |token| facts.lock().expect("not poisoned").bound_to.get(token).copied();
    assert_eq!(proved, token.and_then(bound_to), "a proof with the key of the token");
    if let Some(challenge) = facts.lock().expect("not poisoned").api_challenge {
        let headers = [(header::WWW_AUTHENTICATE, challenge)];
        return (StatusCode::UNAUTHORIZED, headers, "insufficient").into_response();
    }
    if is_authorized(&facts, &headers) {
        "three photos".into_response()
    } else {
        (StatusCode::UNAUTHORIZED, "no").into_response()
    }
}

/// What is pushed is found by its `state` alone: the browser brings that back from here.
async fn par(State(facts): State<Shared>, Form(form): Form<HashMap<String, String>>) -> Response {
    hit(&facts, "par");
    let mut facts = facts.lock().expect("not poisoned");
    if let Answering::Busy(times, after) = facts.token {
        facts.token = still_busy(times, after);
        return busy(after);
    }
    if let Answering::Error(status, error) = facts.token {
        return refuse(status, error);
    }
    let answer = json!({"request_uri": format!("urn:{}", form["state"]), "expires_in": 60});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn elsewhere() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, "http://127.0.0.1:1/")]).into_response()
}

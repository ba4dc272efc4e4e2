//! The server's answers to clients that are no web app.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Json, Response};
use keystile_client::protocol::jose::Thumbprint;
use serde_json::{Value, json};

use super::server::{Facts, Shared, hit, issue, refuse};

/// How it answers them.
pub(crate) struct Grants {
    /// What the next polls are refused with; then there are tokens.
    pub(crate) polls: VecDeque<&'static str>,
    /// What the device's codes are; nothing: there is no such endpoint.
    pub(crate) codes: Option<Value>,
    /// What a request for a token of the client's own is refused with.
    pub(crate) service_error: Option<&'static str>,
    pub(crate) service_takes: Duration,
    /// The form of the last exchange.
    pub(crate) exchange: HashMap<String, String>,
}

impl Default for Grants {
    fn default() -> Self {
        let codes = json!({
            "device_code": "the device code of nobody else", "user_code": "BCDF-GHJK",
            "verification_uri": "https://login.example/device",
            "verification_uri_complete": "https://login.example/device?user_code=BCDF-GHJK",
            "expires_in": 600, "interval": 1,
        });
        Self {
            polls: VecDeque::new(),
            codes: Some(codes),
            service_error: None,
            service_takes: Duration::ZERO,
            exchange: HashMap::new(),
        }
    }
}

pub(super) async fn device_authorization(
    State(facts): State<Shared>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    hit(&facts, "device_authorization");
    assert_eq!(form["client_id"], "photo-printer");
    Json(facts.lock().expect("not poisoned").grants.codes.clone()).into_response()
}

/// The answer to a grant that is told here.
pub(super) async fn token(
    facts: &Shared,
    form: &HashMap<String, String>,
    bound: Option<Thumbprint>,
) -> Option<Response> {
    let locked = || facts.lock().expect("not poisoned");
    let kind = form["grant_type"].as_str();
    match kind.strip_prefix("urn:ietf:params:oauth:grant-type:").unwrap_or(kind) {
        "client_credentials" => {
            hit(facts, "service");
            let takes = locked().grants.service_takes;
            tokio::time::sleep(takes).await;
            let mut facts = locked();
            Some(match facts.grants.service_error {
                Some(error) => refuse(400, error),
                None => issue(&mut facts, None, bound),
            })
        }
        "device_code" => Some(device(&mut locked(), form, bound)),
        "token-exchange" => {
            locked().grants.exchange = form.clone();
            let answer = json!({
                "access_token": "exchanged", "token_type": "Bearer", "expires_in": 60,
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            });
            Some(Json(answer).into_response())
        }
        _ => None,
    }
}

fn device(
    facts: &mut Facts,
    form: &HashMap<String, String>,
    bound: Option<Thumbprint>,
) -> Response {
    let codes = facts.grants.codes.as_ref().expect("codes");
    assert_eq!(codes["device_code"], form["device_code"].as_str());
    match facts.grants.polls.pop_front() {
        Some("") => axum::http::StatusCode::BAD_GATEWAY.into_response(),
        Some(error) => refuse(400, error),
        None => issue(facts, Some(&json!({ "client_id": "photo-printer" })), bound),
    }
}

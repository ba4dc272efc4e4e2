use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use keystile_protocol::jose::SignedToken;
use keystile_protocol::logout_token::LogoutTokenClaims;
use keystile_protocol::{Issuer, Secret};
use serde::Deserialize;

use crate::client::Client;
use crate::flow::{
    LOGOUT_TOKEN_LIFETIME, LogoutTokenRules, allowed_algorithms, check_logout_token,
};
use crate::retire::retire_all;
use crate::session::{Whose, logout_digest, sid_digest, subject_digest};

/// What the server posts (OpenID Connect Back-Channel Logout 1.0 section 2.5).
#[derive(Deserialize)]
pub(super) struct Message {
    logout_token: Secret,
}

/// `POST` by the authorization server: a session has ended there, so the app's own end too.
pub(super) async fn receive(
    State(client): State<Client>,
    message: Result<Form<Message>, FormRejection>,
) -> Response {
    let Ok(Form(message)) = message else {
        return answer(StatusCode::BAD_REQUEST, "there is no logout_token in the form");
    };
    let mut response = match end_sessions(&client, message.logout_token.expose()).await {
        Ok(ended) => {
            tracing::info!(ended, "sessions ended by a logout at the authorization server");
            StatusCode::OK.into_response()
        }
        Err((status, why)) => {
            tracing::warn!(%why, "a logout message was refused");
            answer(status, &why)
        }
    };
    // "Cache-Control: no-store" (section 2.8).
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn end_sessions(client: &Client, token: &str) -> Result<usize, (StatusCode, String)> {
    let inner = client.inner();
    let refused = |why: &dyn ToString| (StatusCode::BAD_REQUEST, why.to_string());
    let away = |why: &dyn ToString| (StatusCode::SERVICE_UNAVAILABLE, why.to_string());
    let now = inner.now();
    let metadata = inner.provider.metadata(now).await.map_err(|why| away(&why))?;
    let header = SignedToken::parse(token).map_err(|why| refused(&why))?.header;
    let keys = inner.provider.keys(header.kid.as_deref(), now).await.map_err(|why| away(&why))?;
    let rules = LogoutTokenRules {
        issuer: &inner.app.issuer,
        client_id: &inner.app.client_id,
        algorithms: &allowed_algorithms(&inner.app.algorithms, &metadata),
        leeway: inner.app.leeway,
    };
    let claims = check_logout_token(token, &keys, &rules, now).map_err(|why| refused(&why))?;
    let name = logout_digest(&inner.app.issuer, &claims.jti);
    let lifetime = LOGOUT_TOKEN_LIFETIME + inner.app.leeway;
    if !inner.sessions.first_use(name, lifetime, now).await.map_err(|why| away(&why))? {
        return Err(refused(&"this logout token came before (jti, section 2.6)"));
    }
    let Some(whose) = whose(&inner.app.issuer, &claims) else { return Ok(0) };
    retire_all(client, whose, "back-channel logout").await.map_err(|why| away(&why))
}

/// The sessions of its `sid`, or else all of its `sub` (section 2.7).
fn whose(issuer: &Issuer, claims: &LogoutTokenClaims) -> Option<Whose> {
    let there = |claim: &'_ Option<String>| claim.clone().filter(|claim| !claim.is_empty());
    let of_sid = there(&claims.sid).map(|sid| Whose::Sid(sid_digest(issuer, &sid)));
    of_sid.or_else(|| there(&claims.sub).map(|sub| Whose::Subject(subject_digest(issuer, &sub))))
}

/// An error as section 2.8 has it.
fn answer(status: StatusCode, why: &str) -> Response {
    let body = serde_json::json!({ "error": "invalid_request", "error_description": why });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body.to_string()).into_response()
}

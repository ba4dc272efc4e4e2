//! `/healthz`: the process lives. `/readyz`: it can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use keystile_authority::mint::ACCESS_TOKEN_ALGORITHM;

use crate::face::SharedFace;

pub(crate) async fn alive() -> Response {
    "ok\n".into_response()
}

pub(crate) async fn ready(State(face): State<SharedFace>) -> Response {
    if face.authority.keys().signing(ACCESS_TOKEN_ALGORITHM).is_none() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no signing key yet\n").into_response();
    }
    match face.authority.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response()
        }
    }
}

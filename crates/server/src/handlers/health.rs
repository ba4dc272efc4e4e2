//! `/healthz`: the process lives. `/readyz`: it can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use keystile_authority::endpoints::NotReady;

use crate::face::SharedFace;

pub(crate) async fn alive() -> Response {
    "ok\n".into_response()
}

/// The log has the details; anybody may ask here.
pub(crate) async fn ready(State(face): State<SharedFace>) -> Response {
    let words = match face.authority.ready().await {
        Ok(()) => return "ready\n".into_response(),
        Err(NotReady::NoKey) => "no signing key yet\n",
        Err(error) => {
            tracing::warn!(%error, "not ready");
            match error {
                NotReady::Clock(_) => "the clock differs from the database's\n",
                _ => "the store does not answer\n",
            }
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
}

//! The metadata documents and the key set: public, and the same for everybody.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use keystile_authority::endpoints::Fault;
use keystile_authority::policy::KEY_SET_MAX_AGE;

use crate::face::{Face, SharedFace};
use crate::respond;

/// The first start makes RSA keys meanwhile; nobody waits longer for them than this.
const KEYS_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn document(State(face): State<SharedFace>) -> Response {
    if !all_keys_are_there(&face).await {
        return no_keys(&face);
    }
    public(face.metadata.clone())
}

pub(crate) async fn keys(State(face): State<SharedFace>) -> Response {
    if !all_keys_are_there(&face).await {
        return no_keys(&face);
    }
    let keys = face.authority.keys();
    public(serde_json::to_vec(keys.published()).unwrap_or_default().into())
}

/// What is advertised works: the documents wait until there is a key for every algorithm.
async fn all_keys_are_there(face: &Face) -> bool {
    let complete = async {
        while !face.authority.keys().are_complete() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(KEYS_WITHIN, complete).await.is_ok()
}

fn no_keys(face: &SharedFace) -> Response {
    let fault = Fault::Unavailable("the keys are not ready".to_owned());
    respond::json::fault(face, &fault, true)
}

fn public(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let kept = format!("public, max-age={}", KEY_SET_MAX_AGE.as_secs());
    headers.extend(HeaderValue::try_from(kept).ok().map(|kept| (header::CACHE_CONTROL, kept)));
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

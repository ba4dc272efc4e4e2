//! The metadata documents and the key set: public, and the same for everybody.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use keystile_authority::policy::KEY_SET_MAX_AGE;

use crate::face::{Face, SharedFace};

/// The first start makes RSA keys meanwhile, which takes a moment; nobody waits longer than this.
const KEYS_WITHIN: Duration = Duration::from_secs(2);

/// It says what is on, and clients keep it for long: it is the same before the last key is made.
pub(crate) async fn document(State(face): State<SharedFace>) -> Response {
    wait_for_keys(&face).await;
    public(face.metadata.clone(), true)
}

/// A set that is not whole yet is for now alone.
pub(crate) async fn keys(State(face): State<SharedFace>) -> Response {
    wait_for_keys(&face).await;
    let keys = face.authority.keys();
    let body = serde_json::to_vec(keys.published()).unwrap_or_default();
    public(body.into(), keys.are_complete())
}

/// What is advertised works, but for the first moment of the first start.
async fn wait_for_keys(face: &Face) {
    let complete = async {
        while !face.authority.keys().are_complete() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _whole_or_not = tokio::time::timeout(KEYS_WITHIN, complete).await;
}

fn public(body: Bytes, may_be_kept: bool) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let kept = if may_be_kept {
        format!("public, max-age={}", KEY_SET_MAX_AGE.as_secs())
    } else {
        "no-cache".to_owned()
    };
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

//! `/logos/…`: clients' logos, named by their content, so that they may be kept for ever.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

use super::errors;
use crate::face::SharedFace;
use crate::received::FromBrowser;
use crate::respond;

pub(crate) async fn get(
    State(face): State<SharedFace>,
    Path(name): Path<String>,
    from: FromBrowser,
) -> Response {
    let logo = match face.authority.logo(&name).await {
        Ok(Some(logo)) => logo,
        Ok(None) => return errors::not_found(State(SharedFace::clone(&face)), from).await,
        Err(fault) => return respond::fault(&face, &HeaderMap::new(), &fault),
    };
    let mut response = Response::new(Body::from(logo.picture));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, logo.kind.media_type()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A stranger's bytes: opened by itself it runs nothing.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

//! Styles, script and pictures: named by their content, so that they may be kept for ever.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::errors;
use crate::face::SharedFace;
use crate::received::FromBrowser;

pub(crate) async fn get(
    State(face): State<SharedFace>,
    Path(name): Path<String>,
    from: FromBrowser,
) -> Response {
    let Some(asset) = face.pages.asset(&format!("/assets/{name}")) else {
        return errors::not_found(State(SharedFace::clone(&face)), from).await;
    };
    let mut response = Response::new(Body::from(asset.body.to_vec()));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // An operator's logo may be an SVG: opened by itself it runs nothing.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

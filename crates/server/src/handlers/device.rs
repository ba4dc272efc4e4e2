//! `/device`: where a person types the code that a device shows (RFC 8628 section 3.3), and the
//! picture of that address.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use keystile_authority::endpoints::UserCodeForm;
use keystile_authority::user_code::UserCode;

use super::errors;
use super::pages::text;
use crate::face::SharedFace;
use crate::qr;
use crate::received::{FormError, FromBrowser, PageForm};
use crate::respond::{self, Place};

pub(crate) async fn get(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    let params = match from.params() {
        Ok(params) => params,
        Err(error) => return respond::bad_form(&face, &from, &FormError::Params(error)),
    };
    let answer = if params.has("request") {
        face.authority.resume(&text(&params, "request"), &from.browser).await
    } else {
        face.authority.user_code_page(&text(&params, "user_code"), &from.browser)
    };
    respond::answer(&face, &from, answer, Place::Device)
}

pub(crate) async fn post(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let form =
        UserCodeForm { token: text(&params, "token"), user_code: text(&params, "user_code") };
    let answer = face.authority.enter_user_code(form, &from.browser).await;
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

/// `verification_uri_complete` as a QR code, for a device that can show a picture and make none.
/// Every code that could be one has its picture: it tells nothing about which there are.
pub(crate) async fn qr(
    State(face): State<SharedFace>,
    Path(name): Path<String>,
    from: FromBrowser,
) -> Response {
    let code = name.strip_suffix(".svg").and_then(UserCode::from_shown);
    let picture = code.map(|code| face.authority.verification_uri_complete(&code.to_string()));
    let Some(svg) = picture.and_then(|address| qr::svg(&address)) else {
        return errors::not_found(State(face), from).await;
    };
    let mut response = Response::new(Body::from(svg));
    for (name, value) in [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

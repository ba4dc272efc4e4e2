//! `/requests`: what waits for the user's word (OpenID Connect CIBA Core 1.0 section 8).

use axum::extract::State;
use axum::response::Response;

use super::pages::consent_form;
use crate::face::SharedFace;
use crate::received::{FromBrowser, PageForm};
use crate::respond::{self, Place};

pub(crate) async fn get(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    let answer = face.authority.requests(&from.browser).await;
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

pub(crate) async fn post(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let answer = face.authority.consent(consent_form(&params), &from.browser).await;
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

//! `/authorize`.

use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use keystile_authority::endpoints::Fault;

use crate::face::SharedFace;
use crate::received::{FromBrowser, PageForm};
use crate::respond::{self, Place};

pub(crate) async fn get(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    let asked = || face.authority.authorize(from.params(), &from.browser);
    let answer = match &from.browser.session {
        // Likely without a page: an app waits for its code.
        Some(_) => asked().await,
        None => face.turns.take(asked()).await,
    };
    respond::answer(&face, &from, answer, Place::Elsewhere)
}

/// The same request as GET (OpenID Connect Core 1.0 section 3.1.2.1 asks for POST). A cross-site
/// POST comes without our cookies: it neither decides nor sets any.
pub(crate) async fn post(State(face): State<SharedFace>, PageForm(params): PageForm) -> Response {
    respond::see_other(&face.path(&format!("/authorize?{}", params.encode())))
}

/// An authorization request that there is no room for.
pub(crate) async fn refuse(face: &SharedFace, request: Request, fault: Fault) -> Response {
    let (mut parts, _) = request.into_parts();
    let Ok(from) = FromBrowser::from_request_parts(&mut parts, face).await;
    let answer = face.authority.refuse_authorization(from.params(), fault).await;
    respond::answer(face, &from, answer, Place::Elsewhere)
}

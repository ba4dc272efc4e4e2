//! `/logout`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use keystile_authority::endpoints::{Cookies, LogoutOutcome, SignedOutView};

use super::pages::text;
use crate::face::SharedFace;
use crate::headers;
use crate::pages::{Language, SignOut, SignOutProblem, SignedOut};
use crate::received::{FromBrowser, PageForm};
use crate::respond;

pub(crate) async fn get(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    let (outcome, cookies) = face.authority.logout(from.params(), &from.browser).await;
    show(&face, &from, outcome, cookies)
}

pub(crate) async fn post(
    State(face): State<SharedFace>,
    from: FromBrowser,
    PageForm(params): PageForm,
) -> Response {
    let (outcome, cookies) = if text(&params, "decision") == "stay" {
        return respond::see_other(&face.path("/account"));
    } else if params.has("request") && !params.has("id_token_hint") {
        face.authority.confirm_logout(&text(&params, "request"), &from.browser).await
    } else {
        face.authority.logout(Ok(params), &from.browser).await
    };
    show(&face, &from, outcome, cookies)
}

fn show(
    face: &SharedFace,
    from: &FromBrowser,
    outcome: LogoutOutcome,
    cookies: Cookies,
) -> Response {
    let language = respond::language(face, from, None);
    let mut response = match outcome {
        LogoutOutcome::Ask { username, form } => {
            let page = SignOut { account: Some(username), token: form.into_string() };
            respond::page(face, language, face.pages.sign_out(language, &page))
        }
        LogoutOutcome::Redirect(uri) => respond::see_other(&uri),
        LogoutOutcome::Done(view) => signed_out(face, language, view),
        LogoutOutcome::Refused(_, incident) => {
            face.incidents.report(&incident);
            let page = SignOutProblem { reference: incident.reference.to_string() };
            let html = face.pages.sign_out_problem(language, &page);
            respond::page_with(face, language, StatusCode::BAD_REQUEST, html)
        }
        LogoutOutcome::Fault(fault, incident) => {
            face.incidents.report_fault(&incident);
            respond::fault_page(face, language, &fault, &incident)
        }
    };
    face.cookies.write(cookies, face.session_life(), response.headers_mut());
    response
}

fn signed_out(face: &SharedFace, language: Language, view: SignedOutView) -> Response {
    let app = view.client.as_deref().map(respond::app);
    let name = app.as_ref().map(|app| app.name.clone()).unwrap_or_default();
    let page = SignedOut {
        return_to: view.return_to.map(|uri| (name, uri)),
        app,
        told: view.told,
        frames: view.frames,
    };
    let mut response = respond::page(face, language, face.pages.signed_out(language, &page));
    headers::allow_frames(response.headers_mut(), &page.frames);
    response
}

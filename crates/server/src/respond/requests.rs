//! The requests that wait for a user become a page.

use axum::response::Response;
use keystile_authority::endpoints::{RequestNotice, RequestsView, WaitingRequest};

use super::language;
use super::page::{app, details, groups, not_here, page as html_page};
use crate::face::SharedFace;
use crate::pages::{self, Language, NoRequests, RequestWord, Requests};
use crate::received::FromBrowser;

/// A page with nothing on it looks again after so many seconds; one with a question never does,
/// since nobody wants it to change while it is read.
const AGAIN: u64 = 5;

pub(super) fn page(face: &SharedFace, from: &FromBrowser, view: RequestsView) -> Response {
    let language = language(face, from, None);
    if let Some(lead_out) = not_here(face, from, language, None, "/requests") {
        return lead_out;
    }
    let account = view.username;
    let switch = face.path(&format!("/login?switch=1&request={}", view.switch.as_str()));
    let (manage, word) = (face.path("/account"), view.notice.map(word));
    let html = if view.requests.is_empty() {
        let (again, seconds) = (face.path("/requests"), AGAIN);
        let page = NoRequests { account, switch, manage, word, again, seconds };
        face.pages.no_requests(language, &page)
    } else {
        let waiting = view.requests.into_iter().map(|one| waiting(face, language, one)).collect();
        let page = Requests { account, switch, requests: waiting, word };
        face.pages.requests(language, &page)
    };
    html_page(face, language, html)
}

fn waiting(
    face: &SharedFace,
    language: Language,
    request: WaitingRequest,
) -> pages::WaitingRequest {
    pages::WaitingRequest {
        app: app(&request.client),
        message: request.binding_message,
        consent: request.page.into_string(),
        groups: groups(face, language, &request.permissions),
        details: details(face, language, &request.details),
        manage: Some(face.path("/account")),
        age: request.age.as_secs(),
        ends_in: request.ends_in.as_secs(),
    }
}

fn word(notice: RequestNotice) -> RequestWord {
    match notice {
        RequestNotice::Said { client, allowed: true } => {
            RequestWord::Allowed { app: client.name.clone() }
        }
        RequestNotice::Said { client, allowed: false } => {
            RequestWord::Denied { app: client.name.clone() }
        }
        RequestNotice::Gone => RequestWord::Gone,
    }
}

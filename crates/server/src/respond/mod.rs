//! Answers become responses.

pub(crate) mod json;
mod page;
mod requests;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{Answer, Fault, Outcome, SignInError};
use keystile_authority::incident::Incident;
use keystile_authority::rules::redirect::{Reply, ResponseMode};
use keystile_protocol::params::with_query;

use crate::face::SharedFace;
use crate::headers;
use crate::pages::{FormPost, Language, Problem, ProblemKind};
use crate::received::{FormError, FromBrowser};

pub(crate) use page::{app, fault_page, page, page_with};

/// Where in the flow a request came in: a page is shown at its own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    SignIn,
    SignUp,
    Consent,
    Device,
    Elsewhere,
}

/// An address longer than this might not pass a proxy; the page is shown right here then.
const ADDRESS_AT_MOST: usize = 3500;

/// The language of a person's pages.
pub(crate) fn language(face: &SharedFace, from: &FromBrowser, locales: Option<&str>) -> Language {
    face.pages.language(from.accept_language.as_deref(), locales)
}

/// The response to a browser on its way through the flow.
pub(crate) fn answer(
    face: &SharedFace,
    from: &FromBrowser,
    answer: Answer,
    place: Place,
) -> Response {
    let mut response = outcome(face, from, answer.outcome, place);
    face.cookies.write(answer.cookies, face.session_life(), response.headers_mut());
    response
}

fn outcome(face: &SharedFace, from: &FromBrowser, outcome: Outcome, place: Place) -> Response {
    match outcome {
        Outcome::Reply(to_client, incident) => {
            if let Some(incident) = incident {
                face.incidents.report(&incident);
            }
            reply(face, from, *to_client)
        }
        Outcome::SignIn(view) => {
            let show = view.error.is_some() || place == Place::SignIn;
            let address = face.path(&format!("/login?request={}", view.request.as_str()));
            if show || address.len() > ADDRESS_AT_MOST {
                page::sign_in(face, from, *view)
            } else {
                see_other(&address)
            }
        }
        Outcome::SignUp(view) => {
            let show = view.error.is_some() || place == Place::SignUp;
            let address = face.path(&format!("/sign-up?request={}", view.request.as_str()));
            if show || address.len() > ADDRESS_AT_MOST {
                page::sign_up(face, from, *view)
            } else {
                see_other(&address)
            }
        }
        Outcome::Consent(view) => {
            let address = face.path(&format!("/consent?request={}", view.request.as_str()));
            if place == Place::Consent || address.len() > ADDRESS_AT_MOST {
                page::consent(face, from, *view)
            } else {
                see_other(&address)
            }
        }
        Outcome::Account => see_other(&face.path("/account")),
        Outcome::EnterUserCode(code) => {
            see_other(&with_query(&face.path("/device"), &[("user_code", &code)]))
        }
        Outcome::UserCode(view) => page::user_code(face, from, *view),
        Outcome::Device(view) => {
            if place == Place::Device {
                page::device(face, from, *view)
            } else {
                see_other(&face.path(&format!("/device?request={}", view.request.as_str())))
            }
        }
        Outcome::DeviceDone(view) => page::device_done(face, from, &view),
        Outcome::OpenRequests => see_other(&face.path("/requests")),
        Outcome::Requests(view) => requests::page(face, from, *view),
        Outcome::Page(error, incident) => {
            face.incidents.report(&incident);
            page::page_error(face, from, &error, &incident)
        }
        Outcome::CannotGoOn(incident) => {
            face.incidents.report(&incident);
            problem(face, from, ProblemKind::CannotGoOn, StatusCode::BAD_REQUEST, &incident)
        }
        Outcome::Fault(fault, incident) => {
            face.incidents.report_fault(&incident);
            fault_page(face, language(face, from, None), &fault, &incident)
        }
    }
}

/// An authorization response: 303, so that a POST becomes a GET and no password is sent on
/// (RFC 9700 section 4.12), not kept, and without a referrer.
fn reply(face: &SharedFace, from: &FromBrowser, reply: Reply) -> Response {
    match reply.to.mode {
        ResponseMode::Query | ResponseMode::QueryJwt => {
            let pairs: Vec<(&str, &str)> =
                reply.params.iter().map(|(name, value)| (*name, value.as_str())).collect();
            see_other(&with_query(&reply.to.redirect_uri, &pairs))
        }
        ResponseMode::FormPost | ResponseMode::FormPostJwt => {
            let language = language(face, from, None);
            let fields = reply.params.into_iter().map(|(name, value)| (name.to_owned(), value));
            let action = reply.to.redirect_uri;
            let origin = form_action(&action);
            let page = FormPost { action, fields: fields.collect() };
            let mut response = page::page(face, language, face.pages.form_post(language, &page));
            headers::page(response.headers_mut(), Some(&origin));
            response
        }
    }
}

/// Where the form of `form_post` may go: the redirect URI's origin, or its scheme.
fn form_action(redirect_uri: &str) -> String {
    let scheme_ends = redirect_uri.find("://").map_or(0, |at| at + 3);
    if scheme_ends == 0 {
        return redirect_uri.split_inclusive(':').next().unwrap_or_default().to_owned();
    }
    let path = redirect_uri[scheme_ends..].find(['/', '?']);
    path.map_or(redirect_uri, |at| &redirect_uri[..scheme_ends + at]).to_owned()
}

/// 303.
pub(crate) fn see_other(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    headers::private(response.headers_mut());
    if let Ok(address) = HeaderValue::try_from(address) {
        response.headers_mut().insert(header::LOCATION, address);
    }
    response
}

/// A form of ours that could not be read.
pub(crate) fn bad_form(face: &SharedFace, from: &FromBrowser, error: &FormError) -> Response {
    if *error == FormError::Busy {
        let fault = Fault::Unavailable(error.to_string());
        let incident = json::incident(face, &fault);
        face.incidents.report_fault(&incident);
        return fault_page(face, language(face, from, None), &fault, &incident);
    }
    let kind = match error {
        FormError::TooLarge => ProblemKind::TooLarge,
        _ => ProblemKind::BadRequest,
    };
    tracing::info!(%error, "a form could not be read");
    let language = language(face, from, None);
    let reference = face.authority.reference().to_string();
    let html = face.pages.problem(language, &Problem { kind, reference, developer: None });
    page_with(face, language, error.status(), html)
}

fn problem(
    face: &SharedFace,
    from: &FromBrowser,
    kind: ProblemKind,
    status: StatusCode,
    incident: &Incident,
) -> Response {
    let language = language(face, from, None);
    let reference = incident.reference.to_string();
    let html = face.pages.problem(language, &Problem { kind, reference, developer: None });
    page_with(face, language, status, html)
}

/// A fault of ours: a page for browsers, JSON for everybody else.
pub(crate) fn fault(face: &SharedFace, request: &HeaderMap, fault: &Fault) -> Response {
    let accepts = request.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if !accepts.unwrap_or_default().contains("text/html") {
        return json::fault(face, fault, true);
    }
    let incident = json::incident(face, fault);
    face.incidents.report_fault(&incident);
    let accept_language =
        request.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    fault_page(face, face.pages.language(accept_language, None), fault, &incident)
}

/// The status of a sign-in page.
fn sign_in_status(error: Option<SignInError>) -> StatusCode {
    match error {
        None | Some(SignInError::Rejected) => StatusCode::OK,
        Some(SignInError::Throttled(_)) => StatusCode::TOO_MANY_REQUESTS,
        Some(SignInError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_post_goes_to_the_redirect_uris_origin_alone() {
        assert_eq!(form_action("https://app.example/cb?x=1"), "https://app.example");
        assert_eq!(form_action("https://app.example:8443"), "https://app.example:8443");
        assert_eq!(form_action("https://app.example?x"), "https://app.example");
        assert_eq!(form_action("com.example.app:/cb"), "com.example.app:");
    }
}

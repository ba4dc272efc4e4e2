//! Views of the authority become pages.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{ConsentView, Fault, SignInError, SignInView};
use keystile_authority::incident::Incident;
use keystile_authority::records::Client;
use keystile_authority::rules::next_step::LoginReason;
use keystile_authority::rules::redirect::PageError;
use keystile_protocol::RedirectUri;

use super::{language, sign_in_status};
use crate::embedded::{embedded_browser, is_framed, system_browser_link};
use crate::face::{Face, SharedFace};
use crate::headers;
use crate::pages::{
    self, App, Busy, Consent, Developer, EmbeddedBrowser, Framed, Language, Permission,
    PermissionGroup, PermissionKind, Problem, ProblemKind, SignIn, SignInReason,
};
use crate::received::FromBrowser;

/// Seconds after which a page that says "try again" does so.
const RETRY_AFTER: u64 = 5;

impl Face {
    /// How long the session cookie lives.
    pub(crate) fn session_life(&self) -> std::time::Duration {
        self.authority.policy().lifetimes.session
    }
}

/// A page.
pub(crate) fn page(face: &SharedFace, language: Language, html: String) -> Response {
    page_with(face, language, StatusCode::OK, html)
}

/// A page with another status than 200.
pub(crate) fn page_with(
    face: &SharedFace,
    language: Language,
    status: StatusCode,
    html: String,
) -> Response {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    headers::page(response.headers_mut(), None);
    if let Ok(tag) = HeaderValue::try_from(face.pages.language_tag(language)) {
        response.headers_mut().insert(header::CONTENT_LANGUAGE, tag);
    }
    response
}

/// An app, as pages show it.
pub(crate) fn app(client: &Client) -> App {
    // A stranger names any home page; answers go to its redirect URI alone.
    let home = client.about.client_uri.as_deref().filter(|_| !client.open_registration);
    let address = home.or_else(|| client.redirect_uris.first().map(RedirectUri::as_str));
    let domain = address.and_then(|address| {
        let (_, rest) = address.split_once("://")?;
        rest.split(['/', '?', ':']).next().map(str::to_owned)
    });
    App {
        name: client.name.clone(),
        domain,
        logo: client.about.logo.as_ref().map(|name| format!("/logos/{name}")),
        operator: client.about.operator.clone(),
        policy: client.about.policy_uri.clone(),
        terms: client.about.tos_uri.clone(),
    }
}

pub(super) fn sign_in(face: &SharedFace, from: &FromBrowser, view: SignInView) -> Response {
    let language = language(face, from, view.ui_locales.as_deref());
    let address = format!("/login?request={}", view.request.as_str());
    let client = view.client.as_deref();
    if let Some(lead_out) = not_here(face, from, language, client, &address) {
        return lead_out;
    }
    let error = view.error.map(|error| match error {
        SignInError::Rejected => pages::SignInError::Rejected,
        SignInError::Throttled(t) => {
            pages::SignInError::Throttled { seconds: whole_seconds(t.retry_after) }
        }
        SignInError::Busy => pages::SignInError::Busy,
    });
    let page_view = SignIn {
        app: client.map(app),
        request: view.request.into_string(),
        username: view.username,
        username_fixed: false,
        reason: reason(view.reason, view.renewed),
        forgot: None,
        error,
    };
    let html = face.pages.sign_in(language, &page_view);
    let mut response = page_with(face, language, sign_in_status(view.error), html);
    let wait = match view.error {
        Some(SignInError::Throttled(throttled)) => Some(whole_seconds(throttled.retry_after)),
        Some(SignInError::Busy) => Some(1),
        _ => None,
    };
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

/// Rounded up: who waits that long need not wait again.
fn whole_seconds(wait: std::time::Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn reason(reason: LoginReason, renewed: bool) -> Option<SignInReason> {
    match reason {
        _ if renewed => Some(SignInReason::OldPage),
        LoginReason::PromptLogin | LoginReason::TooOld => Some(SignInReason::AskedAgain),
        LoginReason::AnotherUser => Some(SignInReason::OtherAccount),
        LoginReason::NoSession | LoginReason::SelectAccount => None,
    }
}

pub(super) fn consent(face: &SharedFace, from: &FromBrowser, view: ConsentView) -> Response {
    let language = language(face, from, view.ui_locales.as_deref());
    let address = format!("/consent?request={}", view.request.as_str());
    if let Some(lead_out) = not_here(face, from, language, Some(&view.client), &address) {
        return lead_out;
    }
    let group = |kind: PermissionKind, identity: bool| PermissionGroup {
        kind,
        permissions: view
            .permissions
            .iter()
            .filter(|permission| permission.identity == identity)
            .map(|permission| Permission {
                scope: permission.scope.clone(),
                title: permission
                    .title
                    .clone()
                    .or_else(|| face.pages.standard_permission(language, &permission.scope))
                    .unwrap_or_else(|| permission.scope.clone()),
                detail: permission.detail.clone(),
                optional: permission.optional,
                checked: permission.checked,
                already: permission.already,
            })
            .collect(),
    };
    let groups = [group(PermissionKind::Identity, true), group(PermissionKind::Access, false)];
    let page_view = Consent {
        app: app(&view.client),
        account: view.username.clone(),
        consent: view.page.as_str().to_owned(),
        groups: groups.into_iter().filter(|group| !group.permissions.is_empty()).collect(),
        switch: face.path(&format!("/login?switch=1&request={}", view.request.as_str())),
        manage: Some(face.path("/account")),
    };
    page(face, language, face.pages.consent(language, &page_view))
}

/// Rows 4.2 and 4.3: a form is not shown in a frame, nor in a browser inside another app.
fn not_here(
    face: &SharedFace,
    from: &FromBrowser,
    language: Language,
    client: Option<&Client>,
    address: &str,
) -> Option<Response> {
    let url = face.url(address);
    if is_framed(from.sec_fetch_dest.as_deref()) {
        let html = face.pages.framed(language, &Framed { url });
        let mut response = page(face, language, html);
        // This one page has no form, and is there to be seen in a frame.
        response.headers_mut().remove(header::X_FRAME_OPTIONS);
        response.headers_mut().insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'self'; base-uri 'none'"),
        );
        return Some(response);
    }
    let platform = embedded_browser(&from.browser.user_agent)?;
    if client.is_some_and(|client| client.allow_embedded_browser) {
        return None;
    }
    let page_view = EmbeddedBrowser {
        app: client.map(app),
        open: system_browser_link(platform, &url),
        url,
        platform,
    };
    Some(page(face, language, face.pages.embedded_browser(language, &page_view)))
}

/// Rows 3.1 and 3.2: told to the person, never redirected; for a development issuer with what the
/// developer needs.
pub(super) fn page_error(
    face: &SharedFace,
    from: &FromBrowser,
    error: &PageError,
    incident: &Incident,
) -> Response {
    let kind = match error {
        PageError::MissingClient(_) => ProblemKind::MissingClient,
        PageError::UnknownClient { .. } => ProblemKind::UnknownClient,
        PageError::MissingRedirectUri { .. } | PageError::UnregisteredRedirectUri { .. } => {
            ProblemKind::BadRedirectUri
        }
        PageError::Unreadable(_) | PageError::UnknownRequestUri { .. } => ProblemKind::BadRequest,
    };
    let development = face.authority.policy().issuer.is_development();
    let difference = incident.first_difference();
    let developer = development.then(|| Developer {
        rule: incident.summary.clone(),
        section: incident.section.clone(),
        received: incident.received.clone(),
        expected: incident.expected.clone(),
        first_difference: difference.map(|difference| difference.at),
        closest: difference.map(|difference| difference.closest),
        hint: incident.hint.clone(),
    });
    let language = language(face, from, None);
    let page_view = Problem { kind, reference: incident.reference.to_string(), developer };
    let html = face.pages.problem(language, &page_view);
    page_with(face, language, StatusCode::BAD_REQUEST, html)
}

/// A fault of ours before it was known where an answer may go.
pub(crate) fn fault_page(
    face: &SharedFace,
    language: Language,
    fault: &Fault,
    incident: &Incident,
) -> Response {
    let reference = incident.reference.to_string();
    match fault {
        Fault::Unavailable(_) => {
            let view = Busy { reference, seconds: RETRY_AFTER, retry: None };
            let html = face.pages.busy(language, &view);
            let mut response = page_with(face, language, StatusCode::SERVICE_UNAVAILABLE, html);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
            response
        }
        Fault::Broken(_) => {
            let view = Problem { kind: ProblemKind::Internal, reference, developer: None };
            let html = face.pages.problem(language, &view);
            page_with(face, language, StatusCode::INTERNAL_SERVER_ERROR, html)
        }
    }
}

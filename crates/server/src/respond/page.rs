//! Views of the authority become pages.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{
    ConsentView, DeviceDoneView, DeviceView, Fault, SignInError, SignInView, SignUpView,
    UserCodeProblem, UserCodeView,
};
use keystile_authority::incident::Incident;
use keystile_authority::records::{Client, ClientOrigin, PASSWORD_AT_LEAST};
use keystile_authority::rules::client_document;
use keystile_authority::rules::consent;
use keystile_authority::rules::details_words::{self, Label, ShownDetail, ShownValue};
use keystile_authority::rules::next_step::LoginReason;
use keystile_authority::rules::redirect::PageError;
use keystile_authority::rules::sign_up::SignUpError;
use keystile_protocol::RedirectUri;
use keystile_protocol::params::with_query;

use super::{language, sign_in_status};
use crate::embedded::{embedded_browser, is_framed, system_browser_link};
use crate::face::{Face, SharedFace};
use crate::headers;
use crate::pages::{
    self, App, Busy, Consent, Detail, DetailRow, Developer, Device, DeviceDone, EmbeddedBrowser,
    Framed, Language, Permission, PermissionGroup, PermissionKind, Phrase, Problem, ProblemKind,
    SignIn, SignInReason, SignUp, UserCode, UserCodeError,
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
    let mut hosts: Vec<String> =
        client.redirect_uris.iter().filter_map(RedirectUri::host).collect();
    let first = hosts.first().cloned();
    // A stranger names any home page; answers go to its redirect URIs alone.
    let domain = match client.origin {
        ClientOrigin::Operator | ClientOrigin::Token => {
            client.about.client_uri.as_deref().and_then(host).or(first)
        }
        ClientOrigin::Open => first,
        ClientOrigin::Document => client_document::host(&client.id),
    };
    hosts.sort_unstable();
    hosts.dedup();
    hosts.retain(|host| Some(host) != domain.as_ref());
    let others = client.origin.is_strangers() && !hosts.is_empty();
    App {
        name: client.name.clone(),
        domain,
        answers_to: others.then(|| hosts.join(", ")),
        logo: client.about.logo.as_ref().map(|name| format!("/logos/{name}")),
        operator: client.about.operator.clone(),
        policy: client.about.policy_uri.clone(),
        terms: client.about.tos_uri.clone(),
    }
}

/// The host of a checked URL.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#', ':']).next().map(str::to_owned)
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
    let sign_up = face.authority.policy().sign_up;
    let sign_up =
        sign_up.then(|| face.path(&format!("/sign-up?request={}", view.request.as_str())));
    let page_view = SignIn {
        app: client.map(app),
        back_to_app: view.back_to_app,
        request: view.request.into_string(),
        username: view.username,
        username_fixed: false,
        reason: reason(view.reason, view.renewed),
        forgot: None,
        sign_up,
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

pub(super) fn sign_up(face: &SharedFace, from: &FromBrowser, view: SignUpView) -> Response {
    let language = language(face, from, view.ui_locales.as_deref());
    let address = format!("/sign-up?request={}", view.request.as_str());
    let client = view.client.as_deref();
    if let Some(lead_out) = not_here(face, from, language, client, &address) {
        return lead_out;
    }
    let error = view.error.map(|error| match error {
        SignUpError::Username => pages::SignUpError::Username,
        SignUpError::Taken => pages::SignUpError::Taken,
        SignUpError::Name => pages::SignUpError::Name,
        SignUpError::Email => pages::SignUpError::Email,
        SignUpError::Password => pages::SignUpError::Password,
        SignUpError::Throttled(t) => {
            pages::SignUpError::Throttled { seconds: whole_seconds(t.retry_after) }
        }
        SignUpError::Busy => pages::SignUpError::Busy,
    });
    let page_view = SignUp {
        app: client.map(app),
        sign_in: face.path(&format!("/login?switch=1&request={}", view.request.as_str())),
        request: view.request.into_string(),
        username: view.fields.username,
        name: view.fields.name,
        email: view.fields.email,
        password_at_least: PASSWORD_AT_LEAST,
        error,
    };
    let (status, wait) = match view.error {
        Some(SignUpError::Throttled(throttled)) => {
            (StatusCode::TOO_MANY_REQUESTS, Some(whole_seconds(throttled.retry_after)))
        }
        Some(SignUpError::Busy) => (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
        _ => (StatusCode::OK, None),
    };
    let mut response = page_with(face, language, status, face.pages.sign_up(language, &page_view));
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
        LoginReason::NoSession | LoginReason::SelectAccount | LoginReason::Create => None,
    }
}

pub(super) fn consent(face: &SharedFace, from: &FromBrowser, view: ConsentView) -> Response {
    let language = language(face, from, view.ui_locales.as_deref());
    let address = format!("/consent?request={}", view.request.as_str());
    if let Some(lead_out) = not_here(face, from, language, Some(&view.client), &address) {
        return lead_out;
    }
    let page_view = Consent {
        app: app(&view.client),
        account: view.username.clone(),
        consent: view.page.as_str().to_owned(),
        details: details(face, language, &view.details),
        groups: groups(face, language, &view.permissions),
        switch: face.path(&format!("/login?switch=1&request={}", view.request.as_str())),
        manage: Some(face.path("/account")),
    };
    page(face, language, face.pages.consent(language, &page_view))
}

/// What an app asks for, in words and under headings.
pub(super) fn groups(
    face: &SharedFace,
    language: Language,
    asked: &[consent::Permission],
) -> Vec<PermissionGroup> {
    let group = |kind: PermissionKind, identity: bool| PermissionGroup {
        kind,
        permissions: asked
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
    groups.into_iter().filter(|group| !group.permissions.is_empty()).collect()
}

/// The page that asks for a user code.
pub(super) fn user_code(face: &SharedFace, from: &FromBrowser, view: UserCodeView) -> Response {
    let language = language(face, from, None);
    let address = with_query("/device", &[("user_code", &view.typed)]);
    if let Some(lead_out) = not_in_a_frame(face, from, language, &face.url(&address)) {
        return lead_out;
    }
    let wait = match view.problem {
        Some(UserCodeProblem::Throttled(t)) => Some(whole_seconds(t.retry_after)),
        _ => None,
    };
    let error = view.problem.map(|_| match wait {
        Some(seconds) => UserCodeError::Throttled { seconds },
        None => UserCodeError::NotGood,
    });
    let page_view = UserCode { token: view.form.into_string(), code: view.typed, error };
    let html = face.pages.user_code(language, &page_view);
    let Some(wait) = wait else { return page(face, language, html) };
    let mut response = page_with(face, language, StatusCode::TOO_MANY_REQUESTS, html);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    response
}

/// The page that asks whether a device may have what it waits for.
pub(super) fn device(face: &SharedFace, from: &FromBrowser, view: DeviceView) -> Response {
    let language = language(face, from, None);
    let address = format!("/device?request={}", view.request.as_str());
    if let Some(lead_out) = not_here(face, from, language, Some(&view.client), &address) {
        return lead_out;
    }
    let page_view = Device {
        app: app(&view.client),
        code: view.user_code.to_string(),
        details: details(face, language, &view.details),
        groups: groups(face, language, &view.permissions),
        account: view.username,
        consent: view.page.into_string(),
        switch: face.path(&format!("/login?switch=1&request={}", view.request.as_str())),
        manage: Some(face.path("/account")),
    };
    page(face, language, face.pages.device(language, &page_view))
}

/// The page that says what the device is told.
pub(super) fn device_done(
    face: &SharedFace,
    from: &FromBrowser,
    view: &DeviceDoneView,
) -> Response {
    let language = language(face, from, None);
    let page_view =
        DeviceDone { app: app(&view.client), allowed: view.allowed, manage: face.path("/account") };
    page(face, language, face.pages.device_done(language, &page_view))
}

/// What an app asks for in detail.
pub(super) fn details(face: &SharedFace, language: Language, asked: &[ShownDetail]) -> Vec<Detail> {
    asked.iter().map(|detail| in_words(face, language, detail)).collect()
}

/// A detail with the pages' own words where there are some.
fn in_words(face: &SharedFace, language: Language, detail: &ShownDetail) -> Detail {
    let phrase = |phrase: &details_words::Phrase| match phrase {
        details_words::Phrase::Words(text) => Phrase { text: text.clone(), by_app: false },
        details_words::Phrase::Value(text) => Phrase { text: text.clone(), by_app: true },
    };
    let word = |key: &str| face.pages.detail_word(language, key);
    let value = |value: &ShownValue| match value {
        ShownValue::Text(text) => text.clone(),
        ShownValue::Flag(flag) => word(if *flag { "yes" } else { "no" }),
    };
    let row = |row: &details_words::Row| DetailRow {
        label: match &row.label {
            Label::Common(name) => word(name),
            Label::Own(label) => label.clone(),
        },
        values: row.values.iter().map(value).collect(),
    };
    Detail {
        title: detail.title.clone(),
        sentence: detail.sentence.iter().map(phrase).collect(),
        rows: detail.rows.iter().map(row).collect(),
    }
}

/// Rows 4.2 and 4.3: a form is not shown in a frame, nor in a browser inside another app.
pub(super) fn not_here(
    face: &SharedFace,
    from: &FromBrowser,
    language: Language,
    client: Option<&Client>,
    address: &str,
) -> Option<Response> {
    let url = face.url(address);
    if let Some(lead_out) = not_in_a_frame(face, from, language, &url) {
        return Some(lead_out);
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

/// Row 4.2: a page with a form leads out of a frame.
fn not_in_a_frame(
    face: &SharedFace,
    from: &FromBrowser,
    language: Language,
    url: &str,
) -> Option<Response> {
    if !is_framed(from.sec_fetch_dest.as_deref()) {
        return None;
    }
    let html = face.pages.framed(language, &Framed { url: url.to_owned() });
    let mut response = page(face, language, html);
    // This one page has no form, and is there to be seen in a frame.
    response.headers_mut().remove(header::X_FRAME_OPTIONS);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'self'; base-uri 'none'"),
    );
    Some(response)
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
        PageError::UnknownClient { .. } | PageError::UnusableDocument { .. } => {
            ProblemKind::UnknownClient
        }
        PageError::MissingRedirectUri { .. } | PageError::UnregisteredRedirectUri { .. } => {
            ProblemKind::BadRedirectUri
        }
        PageError::Unreadable(_) | PageError::UnknownRequestUri { .. } => ProblemKind::BadRequest,
        PageError::RequestTooOld => ProblemKind::RequestTooOld,
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
        Fault::Unavailable(_) | Fault::InDoubt(_) => {
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

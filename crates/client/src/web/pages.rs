//! The few pages and redirects that this crate answers with.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use keystile_protocol::encoding::sha256;
use keystile_protocol::params::with_query;

use super::login::location;
use crate::client::Inner;
use crate::entropy::random;
use crate::failure::{Cause, LoginFailure};
use crate::flow::ReturnTo;

mod words;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:grid;place-items:center;\
font:1rem/1.5 system-ui,sans-serif;background:Canvas;color:CanvasText}\
main{box-sizing:border-box;max-width:28rem;width:100%;padding:1.5rem}\
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .75rem}\
p{margin:0 0 1.25rem}\
a,button{display:inline-block;padding:.65rem 1.1rem;margin:0 .5rem .5rem 0;border:1px solid;\
border-radius:.5rem;color:inherit;text-decoration:none;min-height:1.5rem}\
button{font:inherit;background:none}\
a.main{background:CanvasText;color:Canvas;border-color:CanvasText}\
a:focus-visible,button:focus-visible{outline:3px solid Highlight;outline-offset:2px}\
small{display:block;opacity:.7;margin-top:1rem}";

/// Sends the one form of a page.
const SEND: &str = "document.forms[0].submit()";

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy("form-action 'none'"));

/// Browsers hold `form-action` against every redirect that follows, and where a sign-out leads is
/// the server's to say: the page's one form goes where this crate says.
static POSTING_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = STANDARD.encode(sha256(SEND));
    policy(&format!("script-src 'sha256-{digest}'"))
});

fn policy(more: &str) -> HeaderValue {
    let digest = STANDARD.encode(sha256(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; {more}; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 fits a header")
}

/// A cause on its way to a page.
pub(super) struct Fault {
    cause: Cause,
    return_to: ReturnTo,
}

impl Fault {
    pub(super) fn new(cause: Cause) -> Self {
        Self { cause, return_to: ReturnTo::default() }
    }

    pub(super) fn return_to(mut self, return_to: &ReturnTo) -> Self {
        self.return_to = return_to.clone();
        self
    }
}

/// Tells the user that a login failed, and the log why.
pub(super) fn failure(inner: &Inner, fault: Fault) -> Response {
    let [a, b, c, d] = random();
    let reference = format!("{a:02X}{b:02X}-{c:02X}{d:02X}");
    tracing::warn!(%reference, cause = %fault.cause, "a login failed");
    let return_to = [("return_to", fault.return_to.as_str())];
    let failure = LoginFailure {
        cause: fault.cause,
        reference,
        again: with_query(&inner.paths.login, &return_to),
        home: "/".to_owned(),
    };
    let mut response = match &inner.on_failure {
        Some(page) => page(&failure),
        None => page(words::status(&failure.cause), &words::page(&failure)),
    };
    harden(response.headers_mut());
    response
}

/// A logout that none of the app's pages asked for.
pub(super) fn not_from_here(inner: &Inner) -> Response {
    tracing::warn!("a logout came from another origin than {}", inner.app.origin);
    let words = words::Page {
        title: "Not signed out",
        text: "This request did not come from a page of this app. Go back to the app and sign out \
               there.",
        links: &[("Back to the app", "/")],
        reference: None,
    };
    page(StatusCode::FORBIDDEN, &words.html())
}

/// The session store is away.
pub(super) fn unavailable() -> Response {
    let words = words::Page {
        title: "This does not work right now",
        text: "Something in this app is taking a break. Please try again in a moment.",
        links: &[("Back to the app", "/")],
        reference: None,
    };
    page(StatusCode::SERVICE_UNAVAILABLE, &words.html())
}

/// 303 to there, which no cache keeps and no referrer tells of.
pub(super) fn redirect(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    let Some((name, value)) = location(to) else { return unavailable() };
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(name, value);
    harden(response.headers_mut());
    response
}

/// A page that posts these fields to there: at once, or by its button where scripts are off.
pub(super) fn posting<'a>(
    title: &str,
    to: &str,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
) -> Response {
    let mut response = page(StatusCode::OK, &words::posting(title, to, fields));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POSTING_POLICY.clone());
    response
}

pub(super) fn with_cookies(
    mut response: Response,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn page(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">{body}"
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    harden(headers);
    response
}

/// Strict headers, where there are none yet.
fn harden(headers: &mut HeaderMap) {
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| POLICY.clone());
}

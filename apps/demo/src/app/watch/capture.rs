//! Around every request of a browser: finds its record, keeps what is sent to it, and sets the
//! headers that every answer of the app has.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::message::{Lane, Message};
use super::record::Record;
use super::sent::Sent;
use super::{CURRENT, Watched};
use crate::app::App;

/// No page or picture of the app is larger, in bytes.
const BODY_AT_MOST: usize = 2 * 1024 * 1024;

/// The middleware.
pub(crate) async fn watch(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    if is_foreign_post(&request, &app.settings.base_url) {
        let text = "This form was not sent from the app's own page.\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let cookie = cookie(request.headers(), &app.cookie);
    let (record, new) = app.browsers.of_cookie(cookie.as_deref());
    record.learn("client secret", &app.settings.client_secret);
    request.extensions_mut().insert(Arc::clone(&record));
    let what = format!("{} {}", request.method(), request.uri().path());
    let own_page = is_own_page(request.method(), request.uri().path());
    if own_page {
        record.push(asked(&what));
    }
    let picture = request.uri().path().starts_with("/pictures/");
    let watched = Watched { record: Arc::clone(&record), picture };
    let mut response = CURRENT.scope(watched, next.run(request)).await;
    if let Some(name) = new
        && let Ok(value) = HeaderValue::try_from(app.set_cookie(&name))
    {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    harden(response.headers_mut(), &app.content_policy);
    if own_page {
        record.push(answered(&response));
    }
    keep(&record, what, response).await
}

/// The app's own pages: the client crate tells of its routes itself, and style sheets and
/// pictures would drown the rest.
fn is_own_page(method: &Method, path: &str) -> bool {
    let theirs = ["/login", "/callback", "/logout"].contains(&path);
    let small = ["/assets/", "/pictures/", "/break", "/proof", "/inspector", "/favicon"];
    !theirs
        && (method == Method::GET || path == "/orders")
        && !small.iter().any(|p| path.starts_with(p))
}

fn asked(what: &str) -> Message {
    let title = if what.starts_with("POST") { "A form, filled in" } else { "A page, please" };
    Message::new(Lane::Browser, Lane::App, title)
        .note("The browser sends its cookie, an opaque handle, and nothing else that matters.")
        .line(what)
}

fn answered(response: &Response) -> Message {
    let title = if response.status().is_redirection() { "Go there" } else { "The page" };
    let mut message = Message::new(Lane::App, Lane::Browser, title)
        .note("Words and pictures. What they were got with stays on the server.")
        .line(format!("status {}", response.status().as_u16()))
        .answer();
    for (name, value) in response.headers() {
        let value = value.to_str().unwrap_or("(bytes)");
        match name.as_str() {
            "set-cookie" => {
                let cookie = value.split('=').next().unwrap_or_default();
                let handle = "an opaque handle, HttpOnly";
                message = message.plain("Set-Cookie", format!("{cookie}: {handle}"));
            }
            "location" => message = message.plain("Location", value),
            "content-security-policy" => message = message.plain(name.as_str(), value),
            _ => {}
        }
    }
    message
}

/// A POST that another site's page caused. Sessions are `SameSite=Lax` besides; this also stops
/// neighbours on other ports, which count as the same site.
fn is_foreign_post(request: &Request, own_origin: &str) -> bool {
    if request.method() != Method::POST {
        return false;
    }
    let text = |name| request.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !["same-origin", "none"].contains(&site),
        (None, Some(origin)) => origin != "null" && origin != own_origin,
        (None, None) => false,
    }
}

/// The value of a cookie.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

fn harden(headers: &mut HeaderMap, content_policy: &HeaderValue) {
    let fixed = [
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, value);
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| content_policy.clone());
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Reads the answer, keeps a copy, and passes it on.
async fn keep(record: &Record, what: String, response: Response) -> Response {
    let (head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, BODY_AT_MOST).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut text = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(piece);
        }
    }
    let status = head.status.as_u16();
    record.keep_sent(Sent { what, status, head: Bytes::from(text), body: body.clone() });
    Response::from_parts(head, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::post("/orders");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).expect("a request")
    }

    #[test]
    fn forms_of_other_origins_are_recognised() {
        let foreign = |headers: &[_]| is_foreign_post(&post(headers), "http://localhost:4001");
        assert!(!foreign(&[]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(foreign(&[("sec-fetch-site", "same-site")]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("origin", "http://localhost:4000")]));
        assert!(!foreign(&[("origin", "http://localhost:4001")]));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; watch=x=y; b=2"));
        assert_eq!(cookie(&headers, "watch").as_deref(), Some("x=y"));
        assert_eq!(cookie(&headers, "atch"), None);
    }
}

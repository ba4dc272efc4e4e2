//! Headers that every answer of a kind has.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a page may load: our own styles, script and pictures. No `form-action` by default: Chrome
/// and Safari apply it to the redirect that ends a login.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                   base-uri 'none'; frame-ancestors 'none'";

/// Headers of a page (row 4.2: no frames).
pub(crate) fn page(headers: &mut HeaderMap, form_action: Option<&str>) {
    let policy = match form_action {
        None => HeaderValue::from_static(CSP),
        Some(origin) => HeaderValue::try_from(format!("{CSP}; form-action {origin}"))
            .unwrap_or(HeaderValue::from_static(CSP)),
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "interest-cohort=()"),
    ];
    insert(headers, fixed);
    private(headers);
}

/// Lets a page load these frames, and nothing else of theirs than their origins say: the one page
/// with frames is the one that tells apps of a logout.
pub(crate) fn allow_frames(headers: &mut HeaderMap, frames: &[String]) {
    let mut origins: Vec<&str> = frames.iter().filter_map(|frame| origin(frame)).collect();
    origins.sort_unstable();
    origins.dedup();
    if origins.is_empty() {
        return;
    }
    if let Ok(policy) = HeaderValue::try_from(format!("{CSP}; frame-src {}", origins.join(" "))) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Scheme, host and port of a checked URL.
fn origin(url: &str) -> Option<&str> {
    let host_at = url.find("://")? + 3;
    let ends = url[host_at..].find(['/', '?']).map_or(url.len(), |at| host_at + at);
    // What would end a directive or begin another is in no registered URL; nothing is let in that
    // has it all the same.
    let origin = &url[..ends];
    (!origin.contains([';', ',', ' '])).then_some(origin)
}

/// Headers of what must be neither kept nor told to the next site.
pub(crate) fn private(headers: &mut HeaderMap) {
    insert(
        headers,
        [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")],
    );
}

/// Headers of a JSON answer that must not be kept (RFC 6749 section 5.1).
pub(crate) fn private_json(headers: &mut HeaderMap) {
    insert(
        headers,
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
            (header::PRAGMA, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
    );
}

fn insert<const N: usize>(headers: &mut HeaderMap, pairs: [(HeaderName, &'static str); N]) {
    for (name, value) in pairs {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

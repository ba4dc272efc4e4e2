use axum::extract::OriginalUri;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use keystile_protocol::params::with_query;

use super::pages;
use crate::flow::ReturnTo;

/// The answer to a request that needs a user and has none: a page load is sent to the login and
/// comes back; anything else is told 401.
#[derive(Clone, Debug)]
pub struct LoginRequired(Answer);

#[derive(Clone, Debug)]
enum Answer {
    Redirect(String),
    Unauthorized,
    /// The user is signed in, and not strongly enough.
    Insufficient,
    Unavailable,
    NoLayer,
}

impl LoginRequired {
    pub(super) fn new(login_path: &str, parts: &Parts) -> Self {
        if !is_page_load(&parts.method, &parts.headers) {
            return Self(Answer::Unauthorized);
        }
        // Below a nested router the request's own URI has lost its beginning.
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let return_to = ReturnTo::or_root(path);
        Self(Answer::Redirect(with_query(login_path, &[("return_to", return_to.as_str())])))
    }

    /// The same way to the login, with what it is to ask for.
    pub(super) fn stepping_up(&self, sealed: &str) -> Self {
        Self(match &self.0 {
            Answer::Redirect(location) => {
                Answer::Redirect(with_query(location, &[("step_up", sealed)]))
            }
            Answer::Unauthorized => Answer::Insufficient,
            other => other.clone(),
        })
    }

    pub(super) fn unavailable() -> Self {
        Self(Answer::Unavailable)
    }

    pub(super) fn no_layer() -> Self {
        Self(Answer::NoLayer)
    }
}

/// Browsers say so themselves; old ones are recognised by what they want.
fn is_page_load(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let wanted = match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => text("accept").is_some_and(|accept| accept.contains("text/html")),
    };
    wanted && (method == Method::GET || method == Method::HEAD)
}

impl IntoResponse for LoginRequired {
    fn into_response(self) -> Response {
        match self.0 {
            Answer::Redirect(location) => pages::redirect(&location),
            Answer::Unauthorized => unauthorized(r#"{"error":"login_required"}"#),
            Answer::Insufficient => unauthorized(r#"{"error":"insufficient_user_authentication"}"#),
            Answer::Unavailable => pages::unavailable(),
            Answer::NoLayer => {
                tracing::error!("User is extracted where client.layer() is missing");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

fn unauthorized(body: &'static str) -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // RFC 9110 section 15.5.2 wants a challenge; there is none for a cookie.
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Session"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_loads_are_told_from_other_requests() {
        let cases = [
            (Method::GET, &[("sec-fetch-mode", "navigate")][..], true),
            (Method::HEAD, &[("sec-fetch-mode", "navigate")], true),
            (Method::GET, &[("accept", "text/html,*/*;q=0.8")], true),
            (Method::GET, &[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (Method::GET, &[("accept", "application/json")], false),
            (Method::GET, &[("accept", "*/*")], false),
            (Method::GET, &[], false),
            (Method::POST, &[("sec-fetch-mode", "navigate")], false),
        ];
        for (method, headers, expected) in cases {
            let pairs = headers.iter().map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            let found = is_page_load(&method, &pairs.collect());
            assert_eq!(found, expected, "{method} {headers:?}");
        }
    }
}

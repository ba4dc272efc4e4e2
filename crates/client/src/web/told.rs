//! What a script is told: JSON, with a word for it and words for its author.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// Why a script does not get what it asked for.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    /// For the script.
    pub(crate) error: &'static str,
    /// For its author.
    pub(crate) words: String,
    /// Where the browser may be sent to change that.
    pub(crate) login: Option<String>,
}

impl Told {
    pub(crate) fn new(status: StatusCode, error: &'static str, words: impl Into<String>) -> Self {
        Self { status, error, words: words.into(), login: None }
    }

    pub(crate) fn login(mut self, address: String) -> Self {
        self.login = Some(address);
        self
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.error, "error_description": self.words });
        if let Some(login) = self.login {
            body["login"] = login.into();
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        let fixed = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 section 15.5.2 wants a challenge; there is none for a cookie.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Session"));
        }
        response
    }
}

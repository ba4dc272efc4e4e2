use axum::extract::OriginalUri;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use keystile_protocol::params::with_query;

use super::pages;
use super::told::Told;
use crate::flow::ReturnTo;

/// The answer to a request that needs a user and has none: a page load is sent to the login and
/// comes back; anything else is told 401, in JSON with the address of the `login`.
#[derive(Clone, Debug)]
pub struct LoginRequired {
    answer: Answer,
    /// The path that starts a login.
    login: String,
    /// What it is to ask for, sealed.
    step_up: Option<String>,
}

#[derive(Clone, Debug)]
enum Answer {
    Redirect(ReturnTo),
    Unauthorized,
    Unavailable,
    NoLayer,
}

impl LoginRequired {
    pub(super) fn new(login_path: &str, parts: &Parts) -> Self {
        let answer = if is_page_load(&parts.method, &parts.headers) {
            // Below a nested router the request's own URI has lost its beginning.
            let original = parts.extensions.get::<OriginalUri>();
            let uri = original.map_or(&parts.uri, |original| &original.0);
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            Answer::Redirect(ReturnTo::or_root(path))
        } else {
            Answer::Unauthorized
        };
        Self { answer, login: login_path.to_owned(), step_up: None }
    }

    /// The same for a script, whatever the request looks like.
    pub(crate) fn for_a_script(self) -> Self {
        match self.answer {
            Answer::Redirect(_) => Self { answer: Answer::Unauthorized, ..self },
            _ => self,
        }
    }

    /// The same way to the login, with what it is to ask for.
    pub(super) fn stepping_up(&self, sealed: &str) -> Self {
        Self { step_up: Some(sealed.to_owned()), ..self.clone() }
    }

    pub(super) fn unavailable() -> Self {
        Self::without_login(Answer::Unavailable)
    }

    pub(super) fn no_layer() -> Self {
        Self::without_login(Answer::NoLayer)
    }

    fn without_login(answer: Answer) -> Self {
        Self { answer, login: String::new(), step_up: None }
    }

    fn address(&self, return_to: Option<&ReturnTo>) -> String {
        let return_to = return_to.map(|it| ("return_to", it.as_str()));
        let step_up = self.step_up.as_deref().map(|it| ("step_up", it));
        let query: Vec<_> = return_to.into_iter().chain(step_up).collect();
        if query.is_empty() { self.login.clone() } else { with_query(&self.login, &query) }
    }

    /// For a script: its author adds `return_to`.
    pub(crate) fn told(&self) -> Told {
        let (error, words) = if self.step_up.is_some() {
            ("insufficient_user_authentication", "the user has to sign in again, as the API wants")
        } else {
            ("login_required", "nobody is signed in")
        };
        let words = format!("{words}: send the browser to 'login', with return_to=/the/way/back");
        Told::new(StatusCode::UNAUTHORIZED, error, words).login(self.address(None))
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
        match &self.answer {
            Answer::Redirect(return_to) => pages::redirect(&self.address(Some(return_to))),
            Answer::Unauthorized => self.told().into_response(),
            Answer::Unavailable => pages::unavailable(),
            Answer::NoLayer => {
                tracing::error!("User is extracted where client.layer() is missing");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
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
                (name, http::HeaderValue::from_static(value))
            });
            let found = is_page_load(&method, &pairs.collect());
            assert_eq!(found, expected, "{method} {headers:?}");
        }
    }
}

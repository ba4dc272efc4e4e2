use std::time::Duration;

use axum::response::Response;
use http::HeaderMap;
use keystile_protocol::AuthorizationDetails;
use keystile_protocol::authorization_details::DetailsError;
use serde_json::Value;

use super::login::{self, Wish};
use crate::client::Client;
use crate::flow::{Prompt, ReturnTo};

/// How one login differs from the configured one: see [`Client::login`].
///
/// ```
/// # use keystile_client::{Client, LoginRequest};
/// # use axum::response::Response;
/// async fn pay(client: Client, headers: http::HeaderMap) -> Response {
///     let payment = serde_json::json!([{ "type": "payment", "amount": "12.50" }]);
///     match LoginRequest::new("/paid").authorization_details(&payment) {
///         Ok(request) => client.login(&headers, request).await,
///         Err(_) => http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
///     }
/// }
/// # use axum::response::IntoResponse;
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is for Client::login"]
pub struct LoginRequest {
    return_to: ReturnTo,
    prompt: Option<Prompt>,
    max_age: Option<Duration>,
    acr: Option<Vec<String>>,
    login_hint: Option<String>,
    details: Option<AuthorizationDetails>,
}

impl LoginRequest {
    /// A login that leads to this path of the app.
    pub fn new(return_to: &str) -> Self {
        Self {
            return_to: ReturnTo::or_root(return_to),
            prompt: None,
            max_age: None,
            acr: None,
            login_hint: None,
            details: None,
        }
    }

    /// How to talk with the user.
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = Some(prompt);
        self
    }

    /// How old the user's authentication may be.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How the user has to be authenticated, the best first; a login with another `acr` is refused.
    pub fn required_acr<V: Into<String>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.acr = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// Whom the app believes to be there (`login_hint`).
    pub fn login_hint(mut self, hint: impl Into<String>) -> Self {
        self.login_hint = Some(hint.into());
        self
    }

    /// What is asked for in more words than a scope has (RFC 9396), instead of what is configured:
    /// an array of objects with a `type`. A login with such a wish is not repeated by itself if it
    /// fails: the user is told, and the app may start it again.
    pub fn authorization_details(mut self, details: &Value) -> Result<Self, DetailsError> {
        self.details = Some(AuthorizationDetails::parse(&details.to_string())?);
        Ok(self)
    }
}

pub(crate) async fn login(client: &Client, headers: &HeaderMap, request: LoginRequest) -> Response {
    let inner = client.inner();
    let configured = Wish::configured(inner);
    let wish = Wish {
        return_to: request.return_to,
        prompt: request.prompt.or(configured.prompt),
        max_age: request.max_age.or(configured.max_age),
        login_hint: request.login_hint,
        acr_required: request.acr.is_some(),
        acr: request.acr,
        details: request.details,
        ..configured
    };
    login::start(inner, headers, &wish).await
}

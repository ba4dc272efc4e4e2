//! Calls to APIs on the user's behalf: one call, with the token that the browser never sees.

use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::outbound::words;
use crate::session::Session;
use crate::web::LoginRequired;

mod body;
mod send;
mod service;

pub(crate) use body::Repeatable;
pub(crate) use send::{Outgoing, token_of};

/// The longest answer that is read into memory, in bytes, unless the request says otherwise.
const ANSWER_AT_MOST: usize = 10 * 1024 * 1024;
/// How long a call may take, unless the request says otherwise.
const TIME_IN_ALL: Duration = Duration::from_secs(30);

/// Calls APIs with the session's access token: those named with [`crate::ClientBuilder::api`], and
/// no others. The token is refreshed before it expires, and once when an API answers 401. No
/// redirect is followed.
///
/// It is a [`tower::Service`] of HTTP requests too, for whoever has requests or layers of that kind:
///
/// ```
/// # use axum::{body::Body, http::Request, response::Response};
/// # use keystile_client::{ApiError, User};
/// use tower::ServiceExt;
///
/// async fn photo(user: User) -> Result<Response, ApiError> {
///     let request = Request::get("/photos/7").body(Body::empty()).expect("well-formed");
///     user.api().oneshot(request).await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ApiClient {
    session: Session,
}

/// A request that is being put together.
#[must_use = "nothing is sent before send()"]
pub struct ApiRequest {
    session: Session,
    method: Method,
    url: Result<Url, ApiError>,
    headers: HeaderMap,
    body: Bytes,
    at_most: usize,
    timeout: Duration,
    problem: Option<String>,
}

/// Why a call brought no answer. As a response it leads on: to the login where that is what is
/// needed, to a short message otherwise.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The session is over; the user has to sign in again.
    #[error("the session is over")]
    SessionEnded(LoginRequired),
    /// The API wants the user to be authenticated better or more recently (RFC 9470): they have to
    /// sign in again, as it wants.
    #[error("the API asks for a stronger or more recent sign-in")]
    StepUp(LoginRequired),
    /// The user signed in as the API wanted, and it is still not content.
    #[error("the API asks for a sign-in that the user has just done")]
    StepUpInVain,
    /// The URL is at an origin that was not named with [`crate::ClientBuilder::api`].
    #[error("the token is not sent to {0}: name it with .api(..)")]
    ForeignOrigin(String),
    /// The authorization server or the API cannot be reached right now.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// The API refused the token when the body had begun to stream and too much of it was gone to
    /// be sent again. There is a new token now: the request may be made once more.
    #[error("the API refused the token in the middle of a long body; there is a new one now")]
    SendAgain,
    /// The authorization server refuses the app itself.
    #[error("no access token: {0}")]
    Refused(String),
    /// The request cannot be put together, or the answer is not what was asked for.
    #[error("{0}")]
    Malformed(String),
}

impl ApiClient {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// A GET request.
    pub fn get(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::GET, url)
    }

    /// A POST request.
    pub fn post(&self, url: impl AsRef<str>) -> ApiRequest {
        self.request(Method::POST, url)
    }

    /// A request of any method. Where one API is configured, a path is enough for the URL.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> ApiRequest {
        ApiRequest {
            url: self.locate(url.as_ref()),
            session: self.session.clone(),
            method,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            at_most: ANSWER_AT_MOST,
            timeout: TIME_IN_ALL,
            problem: None,
        }
    }

    fn locate(&self, text: &str) -> Result<Url, ApiError> {
        let apis = &self.session.client.inner().app.apis;
        let parsed = match (Url::parse(text), apis.as_slice()) {
            (Err(url::ParseError::RelativeUrlWithoutBase), [api]) => api.join(text),
            (parsed, _) => parsed,
        };
        let url = parsed.map_err(|_| ApiError::Malformed("the URL of the API is none".into()))?;
        let known = apis.iter().any(|api| api.origin() == url.origin());
        let plain = url.username().is_empty() && url.password().is_none();
        if known && plain {
            Ok(url)
        } else {
            Err(ApiError::ForeignOrigin(url.origin().ascii_serialization()))
        }
    }
}

impl ApiRequest {
    /// Adds a header. `Authorization` and `DPoP` are ours and are replaced.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let name = HeaderName::try_from(name.as_ref());
        let value = HeaderValue::try_from(value.as_ref());
        match (name, value) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            _ => self.problem = Some("a header of the API request is malformed".into()),
        }
        self
    }

    /// Adds parameters to the query.
    pub fn query<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.body = json.into(),
            Err(error) => self.problem = Some(error.to_string()),
        }
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// How long an answer may be that is read into memory; 10 MiB by default.
    pub fn answer_at_most(mut self, bytes: usize) -> Self {
        self.at_most = bytes;
        self
    }

    /// How long it may take to the end of the answer; 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends it. Any status of the API is an answer; a 401 is one after the token was refreshed
    /// and the request repeated.
    pub async fn send(self) -> Result<ApiResponse, ApiError> {
        if let Some(problem) = self.problem {
            return Err(ApiError::Malformed(problem));
        }
        let request = Outgoing {
            method: self.method,
            url: self.url?,
            headers: self.headers,
            body: Repeatable::Whole(self.body),
            time_in_all: Some(self.timeout),
        };
        let response = self.session.send(&request).await?;
        Ok(ApiResponse { response, at_most: self.at_most })
    }
}

/// What an API answered.
pub struct ApiResponse {
    response: reqwest::Response,
    at_most: usize,
}

impl ApiResponse {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body, for answers that do not fit into memory; nothing at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.response.chunk().await.map_err(|error| ApiError::Unreachable(words(error)))
    }

    /// The body.
    pub async fn bytes(mut self) -> Result<Bytes, ApiError> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if body.len() + piece.len() > self.at_most {
                let problem = format!("the answer has more than {} bytes", self.at_most);
                return Err(ApiError::Malformed(problem));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// The body as text.
    pub async fn text(self) -> Result<String, ApiError> {
        let body = self.bytes().await?;
        String::from_utf8(body.into())
            .map_err(|_| ApiError::Malformed("the answer is not UTF-8".into()))
    }

    /// The body as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.bytes().await?)
            .map_err(|error| ApiError::Malformed(format!("the answer is not as expected: {error}")))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        tracing::warn!(error = %self, "a call to an API failed");
        match self {
            Self::SessionEnded(again) | Self::StepUp(again) => again.into_response(),
            Self::StepUpInVain => {
                (StatusCode::FORBIDDEN, "This needs a stronger way to sign in than you have.")
                    .into_response()
            }
            Self::Unreachable(_) | Self::SendAgain => {
                (StatusCode::SERVICE_UNAVAILABLE, "This does not work right now. Please try again.")
                    .into_response()
            }
            Self::ForeignOrigin(_) | Self::Refused(_) | Self::Malformed(_) => {
                (StatusCode::BAD_GATEWAY, "Something went wrong in this app.").into_response()
            }
        }
    }
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiRequest({} {:?})", self.method, self.session)
    }
}

impl fmt::Debug for ApiResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiResponse({})", self.status())
    }
}

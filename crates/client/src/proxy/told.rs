//! What the proxy itself tells a script: see the table at [`super::Proxy`].

use http::{Method, StatusCode};

use super::HEADERS_AT_MOST;
use super::path::PathProblem;
use crate::api::ApiError;
use crate::web::Told;

const INVALID: &str = "invalid_request";
const BAD_GATEWAY: &str = "bad_gateway";

pub(super) fn method(method: &Method) -> Told {
    let words = format!("{method} is not let through to this API");
    Told::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, words)
}

pub(super) fn headers_too_long() -> Told {
    let words = format!("the headers have more than {HEADERS_AT_MOST} bytes");
    Told::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, INVALID, words)
}

pub(super) fn body_too_long(at_most: u64) -> Told {
    let words = format!("the body has more than {at_most} bytes");
    Told::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, words)
}

pub(super) fn no_answer() -> Told {
    let words = "nothing moved for too long, and the API has not begun to answer";
    Told::new(StatusCode::GATEWAY_TIMEOUT, "timeout", words)
}

/// A fault between the app and its API, which the app's log tells more of.
pub(super) fn bad_gateway(words: &str) -> Told {
    Told::new(StatusCode::BAD_GATEWAY, BAD_GATEWAY, words)
}

pub(super) fn no_socket() -> Told {
    let words = "this connection cannot become a WebSocket: only one of HTTP/1.1 can";
    Told::new(StatusCode::NOT_IMPLEMENTED, INVALID, words)
}

impl From<PathProblem> for Told {
    fn from(problem: PathProblem) -> Self {
        let status = match problem {
            PathProblem::TooLong => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, INVALID, problem.to_string())
    }
}

impl From<ApiError> for Told {
    fn from(error: ApiError) -> Self {
        let unavailable = |words: &str| {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", words)
        };
        match error {
            ApiError::SessionEnded(again) | ApiError::StepUp(again) => again.told(),
            ApiError::StepUpInVain => {
                let words = "the user signed in as the API wanted, and it wants that again";
                Self::new(StatusCode::FORBIDDEN, "insufficient_user_authentication", words)
            }
            ApiError::SendAgain => unavailable(
                "the API refused a token that had ended, and too much of the body was gone: send \
                 the same request again, there is a new token",
            ),
            ApiError::Unreachable(why) => {
                tracing::warn!(%why, "a request was not passed on");
                unavailable("the API or the authorization server does not answer: try again")
            }
            ApiError::Refused(why) | ApiError::Malformed(why) | ApiError::ForeignOrigin(why) => {
                tracing::error!(%why, "a request could not be passed on");
                bad_gateway("the app got no token, or no request, for this API: its log says why")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_inner_word_of_an_error_is_told() {
        let inner = || "inner".to_owned();
        for (error, status) in [
            (ApiError::Unreachable(inner()), 503),
            (ApiError::Refused(inner()), 502),
            (ApiError::Malformed(inner()), 502),
            (ApiError::ForeignOrigin(inner()), 502),
            (ApiError::SendAgain, 503),
            (ApiError::StepUpInVain, 403),
        ] {
            let told = Told::from(error);
            assert_eq!(told.status.as_u16(), status, "{told:?}");
            assert!(!told.words.contains("inner") && told.login.is_none(), "{told:?}");
        }
        assert_eq!(Told::from(PathProblem::TooLong).status.as_u16(), 414);
        assert_eq!(Told::from(PathProblem::Climbs).status.as_u16(), 400);
    }
}

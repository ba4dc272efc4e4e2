//! What a request is refused with, and how that is said (RFC 6750 section 3).

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use keystile_protocol::access_token::AccessTokenError;
use keystile_protocol::jose::JoseError;
use keystile_protocol::{ErrorCode, ProtocolError, Scope};
use serde_json::json;

use crate::rules::Authentication;

/// Seconds after which a client may come again while the issuer's keys are away.
const RETRY_AFTER: &str = "5";

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No token came, or a scheme that this API does not know: the challenge carries no error
    /// ("the resource server SHOULD NOT include an error code", RFC 6750 section 3.1).
    #[error("an access token is needed: Authorization: Bearer ... (RFC 6750 section 2.1)")]
    NoCredentials,
    /// The request itself is wrong.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The token is not believed.
    #[error("{}", described(.0))]
    InvalidToken(AccessTokenError),
    /// The token is good and does not allow this.
    #[error("the token does not allow '{missing}'")]
    InsufficientScope {
        /// All that is needed here.
        required: Scope,
        /// The first of them that the token lacks.
        missing: String,
    },
    /// The token is good, and its user was not authenticated as strongly or as lately as is needed
    /// here: the client may send its user to sign in again (RFC 9470 section 3).
    #[error("{problem}")]
    InsufficientUserAuthentication {
        /// What is needed here.
        required: Authentication,
        /// What it lacks.
        problem: &'static str,
    },
    /// The issuer's keys cannot be had, so that no token can be verified.
    #[error("access tokens cannot be verified at the moment: the issuer's keys are not at hand")]
    KeysAway,
}

/// Words for whoever sent the token. Why claims cannot be read may quote them; it is not told.
fn described(error: &AccessTokenError) -> String {
    match error {
        AccessTokenError::Jose(JoseError::Claims(_)) => {
            "its claims are not those of an access token (RFC 9068 section 2.2)".to_owned()
        }
        other => other.to_string(),
    }
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoCredentials
            | Self::InvalidToken(_)
            | Self::InsufficientUserAuthentication { .. } => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientScope { .. } => StatusCode::FORBIDDEN,
            Self::KeysAway => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The standard's word for it; none where no credentials came.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::NoCredentials => None,
            Self::InvalidRequest(_) => Some(ErrorCode::InvalidRequest),
            Self::InvalidToken(_) => Some(ErrorCode::InvalidToken),
            Self::InsufficientScope { .. } => Some(ErrorCode::InsufficientScope),
            Self::InsufficientUserAuthentication { .. } => {
                Some(ErrorCode::InsufficientUserAuthentication)
            }
            Self::KeysAway => Some(ErrorCode::TemporarilyUnavailable),
        }
    }

    fn error(&self) -> Option<ProtocolError> {
        self.code().map(|code| ProtocolError::new(code, self.to_string()))
    }

    /// The value of `WWW-Authenticate`; none where no other credentials would help.
    ///
    /// `realm` and `acr_values` have the characters of RFC 6750's `scope` and `error_description`
    /// alone.
    pub fn challenge(&self, realm: &str) -> Option<String> {
        if matches!(self, Self::KeysAway) {
            return None;
        }
        let mut challenge = format!(r#"Bearer realm="{realm}""#);
        let mut add = |name: &str, value: &str| {
            for piece in [", ", name, "=\"", value, "\""] {
                challenge.push_str(piece);
            }
        };
        if let Some(error) = self.error() {
            add("error", error.error.as_str());
            add("error_description", &error.error_description);
        }
        if let Self::InsufficientScope { required, .. } = self {
            add("scope", required.as_str());
        }
        if let Self::InsufficientUserAuthentication { required, .. } = self {
            if !required.acr_values.is_empty() {
                add("acr_values", &required.acr_values.join(" "));
            }
            if let Some(max_age) = required.max_age {
                add("max_age", &max_age.as_secs().to_string());
            }
        }
        Some(challenge)
    }

    /// The whole answer: status, challenge, `no-store`, and the same error as JSON.
    pub fn into_response(self, realm: &str) -> Response {
        let body = match self.error() {
            Some(error) => json!(error),
            None => json!({ "error_description": self.to_string() }),
        };
        let mut response = (self.status(), axum::Json(body)).into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
        set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge(realm).and_then(|text| text.try_into().ok()) {
            set(header::WWW_AUTHENTICATE, challenge);
        }
        if matches!(self, Self::KeysAway) {
            set(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::try_from(text).expect("tokens")
    }

    #[test]
    fn challenges_of_rfc_6750_section_3() {
        let challenge = |refusal: Refusal| refusal.challenge("photos");
        assert_eq!(challenge(Refusal::NoCredentials).as_deref(), Some(r#"Bearer realm="photos""#));
        assert_eq!(challenge(Refusal::KeysAway), None);
        let refusal = Refusal::InvalidToken(AccessTokenError::Expired { seconds: 7 });
        assert_eq!(
            challenge(refusal).as_deref(),
            Some(
                r#"Bearer realm="photos", error="invalid_token", error_description="the token expired 7 s ago""#
            )
        );
        let refusal =
            Refusal::InsufficientScope { required: scope("a b"), missing: "b".to_owned() };
        assert_eq!(
            challenge(refusal).as_deref(),
            Some(
                r#"Bearer realm="photos", error="insufficient_scope", error_description="the token does not allow 'b'", scope="a b""#
            )
        );
    }

    #[test]
    fn a_description_keeps_to_the_characters_of_rfc_6750_section_3() {
        let strange = JoseError::UnknownKey("a\"b\\c\u{e9}".to_owned());
        let challenge = Refusal::InvalidToken(AccessTokenError::Jose(strange)).challenge("r");
        let challenge = challenge.expect("a challenge");
        assert!(challenge.contains("'a'b?c?'"), "{challenge}");
        assert!(HeaderValue::try_from(challenge).is_ok());
    }

    #[test]
    fn claims_are_not_quoted_back() {
        let told = JoseError::Claims("invalid type: string \"alice's number\"".to_owned());
        let text = Refusal::InvalidToken(AccessTokenError::Jose(told)).to_string();
        assert!(!text.contains("alice"), "{text}");
    }
}

//! The errors that the standards define, as they go over the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What `error` may say in an authorization response or a token response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the standards' own")]
pub enum ErrorCode {
    // RFC 6749 section 4.1.2.1
    InvalidRequest,
    UnauthorizedClient,
    AccessDenied,
    UnsupportedResponseType,
    InvalidScope,
    ServerError,
    TemporarilyUnavailable,
    // RFC 6749 section 5.2
    InvalidClient,
    InvalidGrant,
    UnsupportedGrantType,
    // RFC 6750 section 3.1
    InvalidToken,
    InsufficientScope,
    // RFC 9449 section 12.2
    InvalidDpopProof,
    UseDpopNonce,
    // RFC 8628 section 3.5
    AuthorizationPending,
    SlowDown,
    ExpiredToken,
    // OpenID Connect CIBA Core 1.0 section 13
    UnknownUserId,
    InvalidBindingMessage,
    // RFC 7009 section 2.2.1
    UnsupportedTokenType,
    // RFC 8707 section 2
    InvalidTarget,
    // RFC 9396 section 5
    InvalidAuthorizationDetails,
    // OpenID Connect Core 1.0 section 3.1.2.6
    InteractionRequired,
    LoginRequired,
    AccountSelectionRequired,
    ConsentRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    InvalidRequestUri,
    InvalidRequestObject,
    // RFC 9470 section 3
    InsufficientUserAuthentication,
    // OpenID Connect Core Unmet Authentication Requirements 1.0
    UnmetAuthenticationRequirements,
    // RFC 7591 section 3.2.2
    InvalidRedirectUri,
    InvalidClientMetadata,
    InvalidSoftwareStatement,
    UnapprovedSoftwareStatement,
}

impl ErrorCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::UnknownUserId => "unknown_user_id",
            Self::InvalidBindingMessage => "invalid_binding_message",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::InteractionRequired => "interaction_required",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
        }
    }

    /// The error that a word on the wire means.
    pub fn from_name(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }

    /// The section of the standard that defines it.
    pub const fn section(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::UnauthorizedClient
            | Self::AccessDenied
            | Self::UnsupportedResponseType
            | Self::InvalidScope
            | Self::ServerError
            | Self::TemporarilyUnavailable => "RFC 6749 section 4.1.2.1",
            Self::InvalidClient | Self::InvalidGrant | Self::UnsupportedGrantType => {
                "RFC 6749 section 5.2"
            }
            Self::InvalidToken | Self::InsufficientScope => "RFC 6750 section 3.1",
            Self::InvalidDpopProof | Self::UseDpopNonce => "RFC 9449 section 12.2",
            Self::AuthorizationPending | Self::SlowDown | Self::ExpiredToken => {
                "RFC 8628 section 3.5"
            }
            Self::UnknownUserId | Self::InvalidBindingMessage => {
                "OpenID Connect CIBA Core 1.0 section 13"
            }
            Self::UnsupportedTokenType => "RFC 7009 section 2.2.1",
            Self::InvalidTarget => "RFC 8707 section 2",
            Self::InvalidAuthorizationDetails => "RFC 9396 section 5",
            Self::InteractionRequired
            | Self::LoginRequired
            | Self::AccountSelectionRequired
            | Self::ConsentRequired
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::RegistrationNotSupported
            | Self::InvalidRequestUri
            | Self::InvalidRequestObject => "OpenID Connect Core 1.0 section 3.1.2.6",
            Self::InsufficientUserAuthentication => "RFC 9470 section 3",
            Self::UnmetAuthenticationRequirements => {
                "OpenID Connect Core Unmet Authentication Requirements 1.0"
            }
            Self::InvalidRedirectUri
            | Self::InvalidClientMetadata
            | Self::InvalidSoftwareStatement
            | Self::UnapprovedSoftwareStatement => "RFC 7591 section 3.2.2",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error answer: its code and words for a developer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{error}: {error_description}")]
pub struct ProtocolError {
    /// The standard's word.
    pub error: ErrorCode,
    /// What was received, what was expected and what to do, in printable ASCII without `"` and
    /// `\` (RFC 6749 section 5.2).
    pub error_description: String,
}

impl ProtocolError {
    /// An error with a description, which is made to fit RFC 6749's character set: what does not
    /// fit becomes `?`, quotes become `'`, and it ends after 400 characters.
    pub fn new(error: ErrorCode, description: impl AsRef<str>) -> Self {
        Self { error, error_description: fitting(description.as_ref()) }
    }
}

fn fitting(description: &str) -> String {
    let fit = |c| match c {
        '"' => '\'',
        ' '..='[' | ']'..='~' => c,
        _ => '?',
    };
    description.chars().take(400).map(fit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_fit_rfc_6749_section_5_2() {
        let error = ProtocolError::new(ErrorCode::InvalidScope, "a\"b\\c\r\n\u{e9}");
        assert_eq!(error.error_description, "a'b?c???");
        assert!(fitting(&"x".repeat(900)).len() == 400);
    }

    #[test]
    fn serde_and_as_str_agree() {
        for code in [
            ErrorCode::InvalidRequestUri,
            ErrorCode::InvalidDpopProof,
            ErrorCode::UseDpopNonce,
            ErrorCode::AccessDenied,
            ErrorCode::InvalidTarget,
            ErrorCode::InsufficientUserAuthentication,
        ] {
            assert_eq!(serde_json::to_value(code).expect("plain enum"), code.as_str());
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(code));
        }
    }
}

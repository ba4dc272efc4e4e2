use keystile_protocol::ErrorCode;

use crate::failure::Cause;
use crate::flow::TokenError;

/// Why a tool has no tokens, in words that its user can be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The person said no (`access_denied`).
    #[error("access was denied")]
    Denied,
    /// Nobody answered in time.
    #[error("nobody answered in time: please begin again")]
    Expired,
    /// The authorization server has no such endpoint.
    #[error("the authorization server's metadata name no {0}")]
    NotOffered(&'static str),
    /// The token endpoint refused, or could not be asked.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The login ended in something that is not to be believed.
    #[error("{0}")]
    Login(#[from] Cause),
    /// There is nothing to renew the grant with, or it has ended: the person has to sign in again.
    #[error("the login is over: please sign in again")]
    Over,
    /// This machine could not do its part: listen, open a browser, keep a file.
    #[error("{0}")]
    Local(String),
}

impl ToolError {
    /// Whether trying again later can help.
    pub fn is_temporary(&self) -> bool {
        use ErrorCode as E;
        match self {
            Self::Token(error) => matches!(
                error,
                TokenError::Unavailable(_)
                    | TokenError::Busy(_)
                    | TokenError::Refused {
                        error: Some(E::TemporarilyUnavailable | E::ServerError),
                        ..
                    }
            ),
            Self::Login(cause) => cause.is_temporary(),
            _ => false,
        }
    }

    pub(super) fn local(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Local(format!("{what}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_try_can_help_with() {
        let refused = |error| TokenError::Refused { error: Some(error), word: String::new() };
        for (error, temporary) in [
            (ToolError::Token(TokenError::Unavailable("timeout".into())), true),
            (ToolError::Token(refused(ErrorCode::TemporarilyUnavailable)), true),
            (ToolError::Token(refused(ErrorCode::InvalidClient)), false),
            (ToolError::Login(Cause::AnswerLost(String::new())), true),
            (ToolError::Login(Cause::WrongIssuer), false),
            (ToolError::Denied, false),
            (ToolError::Over, false),
        ] {
            assert_eq!(error.is_temporary(), temporary, "{error:?}");
        }
    }
}

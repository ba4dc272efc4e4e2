//! What can go wrong in a login, and what is to be done about it (row 3.10 of the mission).

use keystile_protocol::ErrorCode;

use crate::flow::{
    CallbackError, IdTokenError, SignedResponseError, TokenError, Unfit, UserinfoError,
};

/// What the app does about a failed login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhatToDo {
    /// Start the login again at once: the user sees one redirect, no page. Done once; a second
    /// failure is told.
    RetrySilently,
    /// Start again and let the authorization server talk with the user. Done once.
    AskAgain,
    /// Nothing is wrong yet: ask the same again after a pause (RFC 8628 section 3.5).
    Wait,
    /// Show a page.
    TellUser,
}

/// Why a login failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The authorization response was an error with one of the standards' codes.
    #[error("the authorization server answered {0}")]
    Authorization(ErrorCode),
    /// The answer to the pushed request was an error with one of the standards' codes (RFC 9126).
    #[error("the pushed request was answered {0}")]
    Pushed(ErrorCode),
    /// The token response was an error with one of the standards' codes.
    #[error("the token endpoint answered {0}")]
    Token(ErrorCode),
    /// An error that no standard we know defines.
    #[error("the authorization server answered with an error that is unknown here")]
    UnknownError,
    /// The callback belongs to no login that this browser has under way: stale, repeated, begun
    /// in another browser, or forged.
    #[error("the callback belongs to no login that is under way in this browser")]
    UnknownLogin,
    /// The callback is malformed; why is in the log.
    #[error("the callback is malformed: {0}")]
    Malformed(String),
    /// `iss` is missing or another server's: mix-up (RFC 9207).
    #[error("the callback comes from another issuer")]
    WrongIssuer,
    /// The signed authorization response is not to be believed (JARM).
    #[error("the signed response is refused: {0}")]
    SignedResponse(#[from] SignedResponseError),
    /// The server does not do what the app is configured for.
    #[error("the authorization server does not fit the app's settings: {0}")]
    Unfit(#[from] Unfit),
    /// The ID token is not to be believed.
    #[error("the ID token is refused: {0}")]
    IdToken(#[from] IdTokenError),
    /// The userinfo response is not to be believed.
    #[error("the userinfo response is refused: {0}")]
    Userinfo(#[from] UserinfoError),
    /// The authorization server cannot be reached, or what it says of itself is wrong.
    #[error("the authorization server cannot be used: {0}")]
    Unreachable(String),
    /// The code was sent and no usable answer came. It is never sent again (RFC 6749 section
    /// 4.1.2: the second use would revoke what the first one got).
    #[error("the answer to the code was lost: {0}")]
    AnswerLost(String),
    /// The token response is no such thing.
    #[error("the token response cannot be used: {0}")]
    TokenResponse(&'static str),
    /// The session could not be kept.
    #[error("the session could not be kept: {0}")]
    Store(String),
    /// The browser asked from within a frame (row 4.2): the login has to leave it.
    #[error("the login was started within a frame")]
    Framed,
    /// A login ended a moment ago and its session is gone already: cookies are refused or the
    /// session store forgets. Going on by itself would go on for ever.
    #[error("the session of a login that just ended is gone")]
    Loop,
}

/// A login that failed, as a page needs it. Nothing in it came from outside but the code of a
/// standard error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoginFailure {
    /// Why.
    pub cause: Cause,
    /// A number that stands in the log beside the details.
    pub reference: String,
    /// Where the user can try again: a path of this app.
    pub again: String,
    /// Where the user gets back into the app.
    pub home: String,
}

impl Cause {
    /// What to do, on the attempt with that number (the first is 0), in a login that was
    /// `silent` (`prompt=none`) or not.
    pub fn what_to_do(&self, attempt: u8, silent: bool) -> WhatToDo {
        let first = match self {
            Self::Authorization(code) => after_authorization(*code),
            Self::Token(code) => after_token(*code),
            // Nobody knows what became of the code: a new one costs a redirect.
            Self::AnswerLost(_) | Self::UnknownLogin => WhatToDo::RetrySilently,
            _ => WhatToDo::TellUser,
        };
        // After a silent attempt a loud one is no repetition.
        let again = attempt == 0 || silent && first == WhatToDo::AskAgain;
        if again { first } else { WhatToDo::TellUser }
    }

    /// Whether trying again later can help, as opposed to a fault that stays.
    pub fn is_temporary(&self) -> bool {
        use ErrorCode as E;
        matches!(
            self,
            Self::Authorization(E::ServerError | E::TemporarilyUnavailable)
                | Self::Pushed(E::ServerError | E::TemporarilyUnavailable)
                | Self::Token(E::ServerError | E::TemporarilyUnavailable | E::InvalidGrant)
                | Self::Unreachable(_)
                | Self::AnswerLost(_)
                | Self::Store(_)
        )
    }
}

/// Each code of an authorization response (RFC 6749 section 4.1.2.1 and those that extend it).
fn after_authorization(code: ErrorCode) -> WhatToDo {
    use ErrorCode as E;
    match code {
        E::LoginRequired
        | E::InteractionRequired
        | E::ConsentRequired
        | E::AccountSelectionRequired => WhatToDo::AskAgain,
        // A pushed request that was used or has expired (RFC 9126 section 4): a new one is pushed.
        E::InvalidRequestUri => WhatToDo::RetrySilently,
        // The user's own no, the server's "later", what the app has to change, and what does not
        // belong into this response.
        E::AccessDenied
        | E::ServerError
        | E::TemporarilyUnavailable
        | E::UnmetAuthenticationRequirements
        | E::InsufficientUserAuthentication
        | E::InvalidRequest
        | E::UnauthorizedClient
        | E::UnsupportedResponseType
        | E::InvalidScope
        | E::InvalidTarget
        | E::InvalidAuthorizationDetails
        | E::RequestNotSupported
        | E::RequestUriNotSupported
        | E::RegistrationNotSupported
        | E::InvalidRequestObject
        | E::InvalidDpopProof
        | E::UseDpopNonce
        | E::InvalidClient
        | E::InvalidGrant
        | E::UnsupportedGrantType
        | E::InvalidToken
        | E::InsufficientScope
        | E::AuthorizationPending
        | E::SlowDown
        | E::ExpiredToken
        | E::UnknownUserId
        | E::InvalidBindingMessage
        | E::UnsupportedTokenType
        | E::InvalidRedirectUri
        | E::InvalidClientMetadata
        | E::InvalidSoftwareStatement
        | E::UnapprovedSoftwareStatement => WhatToDo::TellUser,
    }
}

/// Each code of a token response (RFC 6749 section 5.2 and those that extend it).
fn after_token(code: ErrorCode) -> WhatToDo {
    use ErrorCode as E;
    match code {
        // The code is used up or too old, or nobody knows, or a nonce that was sent back at once
        // was too old already: a new code costs a redirect.
        E::InvalidGrant | E::ServerError | E::TemporarilyUnavailable | E::UseDpopNonce => {
            WhatToDo::RetrySilently
        }
        // RFC 8628 section 3.5, OpenID Connect CIBA Core 1.0 section 11.
        E::AuthorizationPending | E::SlowDown => WhatToDo::Wait,
        E::ExpiredToken
        | E::LoginRequired
        | E::InteractionRequired
        | E::ConsentRequired
        | E::AccountSelectionRequired => WhatToDo::AskAgain,
        E::AccessDenied
        | E::InvalidRequest
        | E::InvalidClient
        | E::UnauthorizedClient
        | E::UnsupportedGrantType
        | E::UnsupportedResponseType
        | E::InvalidScope
        | E::InvalidToken
        | E::InsufficientScope
        | E::InvalidDpopProof
        | E::UnknownUserId
        | E::InvalidBindingMessage
        | E::UnsupportedTokenType
        | E::InvalidTarget
        | E::InvalidAuthorizationDetails
        | E::RequestNotSupported
        | E::RequestUriNotSupported
        | E::RegistrationNotSupported
        | E::InvalidRequestUri
        | E::InvalidRequestObject
        | E::InsufficientUserAuthentication
        | E::UnmetAuthenticationRequirements
        | E::InvalidRedirectUri
        | E::InvalidClientMetadata
        | E::InvalidSoftwareStatement
        | E::UnapprovedSoftwareStatement => WhatToDo::TellUser,
    }
}

impl From<CallbackError> for Cause {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::Malformed(problem) => Self::Malformed(problem.to_string()),
            CallbackError::UnknownLogin => Self::UnknownLogin,
            CallbackError::WrongIssuer => Self::WrongIssuer,
            CallbackError::Refused { error: Some(code), .. } => Self::Authorization(code),
            CallbackError::Refused { error: None, .. } => Self::UnknownError,
        }
    }
}

impl From<TokenError> for Cause {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused { error: Some(code), .. } => Self::Token(code),
            TokenError::Refused { error: None, .. } => Self::UnknownError,
            TokenError::Busy(_) => Self::AnswerLost(error.to_string()),
            TokenError::Unavailable(why) => Self::AnswerLost(why),
            TokenError::Malformed(why) => Self::TokenResponse(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_3_10_each_error_is_retried_asked_again_or_told() {
        use ErrorCode as E;
        use WhatToDo::{AskAgain, RetrySilently, TellUser, Wait};
        let cases = [
            (Cause::Authorization(E::InvalidRequest), TellUser, TellUser),
            (Cause::Authorization(E::UnauthorizedClient), TellUser, TellUser),
            (Cause::Authorization(E::AccessDenied), TellUser, TellUser),
            (Cause::Authorization(E::UnsupportedResponseType), TellUser, TellUser),
            (Cause::Authorization(E::InvalidScope), TellUser, TellUser),
            (Cause::Authorization(E::ServerError), TellUser, TellUser),
            (Cause::Authorization(E::TemporarilyUnavailable), TellUser, TellUser),
            (Cause::Authorization(E::InvalidTarget), TellUser, TellUser),
            (Cause::Authorization(E::LoginRequired), AskAgain, TellUser),
            (Cause::Authorization(E::InteractionRequired), AskAgain, TellUser),
            (Cause::Authorization(E::ConsentRequired), AskAgain, TellUser),
            (Cause::Authorization(E::AccountSelectionRequired), AskAgain, TellUser),
            (Cause::Token(E::InvalidGrant), RetrySilently, TellUser),
            (Cause::Token(E::TemporarilyUnavailable), RetrySilently, TellUser),
            (Cause::Token(E::ServerError), RetrySilently, TellUser),
            (Cause::Token(E::UseDpopNonce), RetrySilently, TellUser),
            (Cause::Token(E::AuthorizationPending), Wait, TellUser),
            (Cause::Token(E::SlowDown), Wait, TellUser),
            (Cause::Token(E::ExpiredToken), AskAgain, TellUser),
            (Cause::Token(E::AccessDenied), TellUser, TellUser),
            (Cause::Token(E::UnknownUserId), TellUser, TellUser),
            (Cause::Token(E::InvalidDpopProof), TellUser, TellUser),
            (Cause::Token(E::InvalidAuthorizationDetails), TellUser, TellUser),
            (Cause::Authorization(E::InvalidRequestUri), RetrySilently, TellUser),
            (Cause::Authorization(E::InvalidRequestObject), TellUser, TellUser),
            (Cause::Authorization(E::InvalidAuthorizationDetails), TellUser, TellUser),
            (Cause::Authorization(E::UnmetAuthenticationRequirements), TellUser, TellUser),
            (Cause::Pushed(E::TemporarilyUnavailable), TellUser, TellUser),
            (Cause::Pushed(E::InvalidRequestObject), TellUser, TellUser),
            (Cause::SignedResponse(SignedResponseError::Issuer), TellUser, TellUser),
            (Cause::Token(E::InvalidClient), TellUser, TellUser),
            (Cause::Token(E::UnauthorizedClient), TellUser, TellUser),
            (Cause::Token(E::InvalidRequest), TellUser, TellUser),
            (Cause::Token(E::UnsupportedGrantType), TellUser, TellUser),
            (Cause::UnknownError, TellUser, TellUser),
            (Cause::UnknownLogin, RetrySilently, TellUser),
            (Cause::AnswerLost(String::new()), RetrySilently, TellUser),
            (Cause::WrongIssuer, TellUser, TellUser),
            (Cause::IdToken(IdTokenError::Nonce), TellUser, TellUser),
            (Cause::Unreachable(String::new()), TellUser, TellUser),
            (Cause::Loop, TellUser, TellUser),
        ];
        for (cause, first, then) in cases {
            assert_eq!(cause.what_to_do(0, false), first, "{cause:?}");
            assert_eq!(cause.what_to_do(1, false), then, "{cause:?} the second time");
            assert_eq!(cause.what_to_do(u8::MAX, false), then, "{cause:?} of a foreign state");
        }
        let after_silence = Cause::Authorization(E::LoginRequired).what_to_do(1, true);
        assert_eq!(after_silence, AskAgain);
    }
}

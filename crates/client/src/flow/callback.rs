use keystile_protocol::encoding::equal_in_constant_time;
use keystile_protocol::{ErrorCode, Issuer, ParamError, Params, Secret, Timestamp};

use super::PendingLogin;
use super::token_response::{error_code, for_log};

/// What a callback is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Whom the app trusts.
    pub issuer: &'a Issuer,
    /// Whether the server's metadata promise `iss` in each response (RFC 9207 section 3).
    pub iss_required: bool,
    /// When it arrived.
    pub now: Timestamp,
}

/// Why a callback brings no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Repeated, missing or unreadable parameters.
    #[error("{0}")]
    Malformed(#[from] ParamError),
    /// It belongs to no login that is under way in this browser.
    #[error("the state belongs to no login that is under way in this browser")]
    UnknownLogin,
    /// From another issuer than the login was sent to, or from nobody where the server promised
    /// its name: mix-up (RFC 9207 section 2.4).
    #[error("iss is missing or names another issuer (RFC 9207 section 2.4)")]
    WrongIssuer,
    /// The server said no (RFC 6749 section 4.1.2.1).
    #[error("the authorization server refused: {word}")]
    Refused {
        /// The standards' code, if it is one.
        error: Option<ErrorCode>,
        /// Code and description as they came, fit for the log and not for a page.
        word: String,
    },
}

/// Checks what the browser brought back and takes the code out of it (RFC 6749 section 4.1.2).
///
/// `pending` is the login that the browser's cookie for this `state` holds, if there is one. An
/// error without any `state` is an error all the same: servers that fail early send one.
pub fn check_callback(
    params: &Params,
    pending: Option<&PendingLogin>,
    expected: &Expected<'_>,
) -> Result<Secret, CallbackError> {
    let state = params.optional("state")?;
    let error = params.optional("error")?;
    let code = params.optional("code")?;
    check_issuer(params.optional("iss")?, pending, expected)?;
    if let (Some(error), None) = (error, state) {
        return Err(refused(error, params));
    }
    check_state(state, pending, expected.now)?;
    if let Some(error) = error {
        return Err(refused(error, params));
    }
    let code = code.ok_or(ParamError::Missing("code"))?;
    Ok(Secret::new(code))
}

fn check_issuer(
    iss: Option<&str>,
    pending: Option<&PendingLogin>,
    expected: &Expected<'_>,
) -> Result<(), CallbackError> {
    let as_expected = |iss: &str| {
        iss == expected.issuer.as_str() && pending.is_none_or(|login| login.issuer.as_str() == iss)
    };
    match iss {
        Some(iss) if as_expected(iss) => Ok(()),
        // Without a name in the response, what the login was sent to still has to be us.
        None if !expected.iss_required && as_expected(expected.issuer.as_str()) => Ok(()),
        _ => Err(CallbackError::WrongIssuer),
    }
}

fn check_state(
    state: Option<&str>,
    pending: Option<&PendingLogin>,
    now: Timestamp,
) -> Result<(), CallbackError> {
    let (Some(state), Some(pending)) = (state, pending) else {
        return Err(CallbackError::UnknownLogin);
    };
    let same = equal_in_constant_time(state.as_bytes(), pending.state.as_str().as_bytes());
    if same && !pending.is_over(now) { Ok(()) } else { Err(CallbackError::UnknownLogin) }
}

fn refused(error: &str, params: &Params) -> CallbackError {
    let description = params.optional("error_description").ok().flatten().unwrap_or_default();
    CallbackError::Refused {
        error: error_code(error),
        word: for_log(&format!("{error}: {description}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::flow::LOGIN_LIFETIME;
    use crate::flow::test_values::{NOW, issuer, pending};

    fn check(query: &str, iss_required: bool, known: bool) -> Result<Secret, CallbackError> {
        check_at(query, iss_required, known, NOW)
    }

    fn check_at(
        query: &str,
        iss_required: bool,
        known: bool,
        now: Timestamp,
    ) -> Result<Secret, CallbackError> {
        let pending = pending();
        let query = query.replace("STATE", pending.state.as_str());
        let params = Params::parse(query.as_bytes()).expect("few");
        let issuer = issuer();
        let expected = Expected { issuer: &issuer, iss_required, now };
        check_callback(&params, known.then_some(&pending), &expected)
    }

    const ISS: &str = "iss=https%3A%2F%2Flogin.example";

    #[test]
    fn seed_1_3_a_good_callback_brings_its_code() {
        let code = Ok(Secret::new("abc"));
        assert_eq!(check(&format!("code=abc&state=STATE&{ISS}"), true, true), code);
        assert_eq!(check("code=abc&state=STATE", false, true), code, "a server without RFC 9207");
        assert_eq!(check(&format!("code=abc&state=STATE&{ISS}&session_state=x"), true, true), code);
    }

    #[test]
    fn state_rfc_6749_10_12() {
        for query in
            ["code=abc", "code=abc&state=", "code=abc&state=0.other", "code=a&state=STATEx"]
        {
            assert_eq!(check(query, false, true), Err(CallbackError::UnknownLogin), "{query}");
        }
        assert_eq!(check("code=abc&state=STATE", false, false), Err(CallbackError::UnknownLogin));
        let late = NOW.plus(LOGIN_LIFETIME + Duration::from_secs(1));
        let error = check_at("code=abc&state=STATE", false, true, late);
        assert_eq!(error, Err(CallbackError::UnknownLogin));
    }

    #[test]
    fn iss_rfc_9207_2_4() {
        for query in [
            "code=abc&state=STATE",
            "code=abc&state=STATE&iss=",
            "error=access_denied&state=STATE",
            "error=access_denied",
        ] {
            assert_eq!(check(query, true, true), Err(CallbackError::WrongIssuer), "{query}");
        }
        for iss in ["https%3A%2F%2Fevil.example", "https%3A%2F%2Flogin.example%2F", "x"] {
            let query = format!("code=abc&state=STATE&iss={iss}");
            assert_eq!(check(&query, false, true), Err(CallbackError::WrongIssuer), "{query}");
            assert_eq!(check(&query, true, true), Err(CallbackError::WrongIssuer), "{query}");
        }
    }

    #[test]
    fn a_login_that_was_sent_to_another_issuer_ends_nowhere_rfc_9207_2_4() {
        let other = Issuer::try_from("https://other.example").expect("an issuer");
        let (pending, expected) =
            (pending(), Expected { issuer: &other, iss_required: false, now: NOW });
        for iss in ["", "&iss=https%3A%2F%2Fother.example", "&iss=https%3A%2F%2Flogin.example"] {
            let query = format!("code=abc&state={}{iss}", pending.state);
            let params = Params::parse(query.as_bytes()).expect("few");
            let answer = check_callback(&params, Some(&pending), &expected);
            assert_eq!(answer, Err(CallbackError::WrongIssuer), "{iss}");
        }
    }

    #[test]
    fn repeated_parameters_rfc_6749_3_1() {
        for (query, name) in [
            ("code=a&code=b&state=STATE", "code"),
            ("code=a&state=STATE&state=STATE", "state"),
            ("error=a&error=b", "error"),
            ("code=a&state=STATE&iss=a&iss=b", "iss"),
        ] {
            let expected = Err(CallbackError::Malformed(ParamError::Repeated(name)));
            assert_eq!(check(query, false, true), expected, "{query}");
        }
        let missing = Err(CallbackError::Malformed(ParamError::Missing("code")));
        assert_eq!(check("state=STATE", false, true), missing);
        let not_utf8 = Err(CallbackError::Malformed(ParamError::NotUtf8("code")));
        assert_eq!(check("code=%FF&state=STATE", false, true), not_utf8);
    }

    #[test]
    fn seed_3_10_errors_with_and_without_state_rfc_6749_4_1_2_1() {
        for code in [
            ErrorCode::InvalidRequest,
            ErrorCode::UnauthorizedClient,
            ErrorCode::AccessDenied,
            ErrorCode::UnsupportedResponseType,
            ErrorCode::InvalidScope,
            ErrorCode::ServerError,
            ErrorCode::TemporarilyUnavailable,
            ErrorCode::LoginRequired,
        ] {
            for state in ["&state=STATE", ""] {
                let query = format!("error={code}&error_description=x%0Ay{state}");
                match check(&query, false, true) {
                    Err(CallbackError::Refused { error, word }) => {
                        assert_eq!(error, Some(code));
                        assert!(!word.contains('\n'));
                    }
                    other => panic!("{query}: {other:?}"),
                }
            }
        }
        let unknown = check("error=access_denied&state=0.other", false, true);
        assert_eq!(unknown, Err(CallbackError::UnknownLogin), "not this browser's login");
        let strange = check("error=%3Cscript%3E", false, false);
        assert!(matches!(strange, Err(CallbackError::Refused { error: None, .. })));
    }

    #[test]
    fn an_error_beside_a_code_is_an_error() {
        let both = check("code=abc&error=access_denied&state=STATE", false, true);
        assert!(matches!(both, Err(CallbackError::Refused { .. })));
    }
}

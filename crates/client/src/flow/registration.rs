use keystile_protocol::ErrorCode;
use serde_json::{Map, Value};

use super::token_response::{error_code, for_log};

/// Why there is no registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The server said no (RFC 7591 section 3.2.2).
    #[error("the registration was refused: {word}")]
    Refused {
        /// The standard's code, if it is one.
        error: Option<ErrorCode>,
        /// Code and description as they came, for a log.
        word: String,
    },
    /// The registration is gone, or its token is not good any more (RFC 7592 section 2).
    #[error("the registration is gone, or its token is not good any more")]
    Gone,
    /// No answer, or one that says "later".
    #[error("the authorization server cannot be used: {0}")]
    Unavailable(String),
    /// An answer that breaks the standard.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// The registration was given no address and no token to be managed by.
    #[error("this registration cannot be managed: the server gave no registration_client_uri")]
    NotManaged,
    /// It could not be kept in its file.
    #[error("the registration could not be kept: {0}")]
    Kept(String),
}

/// Reads what a registration endpoint, or the address of a registration, answers (RFC 7591
/// section 3.2, RFC 7592 section 3). `client_id` is who it has to be, where that is known.
pub fn read_registration(
    status: u16,
    body: &[u8],
    client_id: Option<&str>,
) -> Result<Map<String, Value>, RegistrationError> {
    use RegistrationError as E;
    let json: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    let text = |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str);
    match status {
        200 | 201 => {}
        401 | 403 | 404 if client_id.is_some() => return Err(E::Gone),
        429 | 500.. => return Err(E::Unavailable(format!("status {status}"))),
        _ => {
            let error = text("error").ok_or(E::Malformed("an error without a JSON body"))?;
            let description = text("error_description").unwrap_or_default();
            let word = for_log(&format!("{error}: {description}"));
            return Err(E::Refused { error: error_code(error), word });
        }
    }
    let found =
        text("client_id").filter(|id| !id.is_empty()).ok_or(E::Malformed("no client_id"))?;
    if client_id.is_some_and(|expected| expected != found) {
        return Err(E::Malformed("it is another client's"));
    }
    json.ok_or(E::Malformed("not a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_means_what_rfc_7591_3_2_and_7592_3_say() {
        use RegistrationError as E;
        let read = |status, body: &str, id| read_registration(status, body.as_bytes(), id);
        assert!(read(201, r#"{"client_id":"a","client_secret":"s"}"#, None).is_ok());
        assert!(read(200, r#"{"client_id":"a"}"#, Some("a")).is_ok());
        for (status, body, id) in [
            (201, "{}", None),
            (201, r#"{"client_id":""}"#, None),
            (201, r#"{"client_id":7}"#, None),
            (201, "[]", None),
            (200, r#"{"client_id":"b"}"#, Some("a")),
            (400, "<html>", None),
        ] {
            assert!(matches!(read(status, body, id), Err(E::Malformed(_))), "{status} {body}");
        }
        let refused =
            read(400, r#"{"error":"invalid_redirect_uri","error_description":"x\ny"}"#, None);
        let Err(E::Refused { error, word }) = refused else { panic!("{refused:?}") };
        assert_eq!(error, Some(ErrorCode::InvalidRedirectUri));
        assert!(!word.contains('\n'));
        assert!(matches!(read(401, r#"{"error":"invalid_token"}"#, None), Err(E::Refused { .. })));
        for status in [401, 403, 404] {
            assert_eq!(read(status, "", Some("a")), Err(E::Gone), "RFC 7592 section 2.1");
        }
        assert!(matches!(read(503, "", Some("a")), Err(E::Unavailable(_))));
    }
}

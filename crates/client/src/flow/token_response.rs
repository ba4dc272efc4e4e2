use keystile_protocol::ErrorCode;
use keystile_protocol::messages::TokenResponse;
use serde::Deserialize;

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The server said no (RFC 6749 section 5.2).
    #[error("the token endpoint refused: {word}")]
    Refused {
        /// The standard's code, if it is one.
        error: Option<ErrorCode>,
        /// Code and description as they came, without control characters and cut short: for the
        /// log, never for a page.
        word: String,
    },
    /// An answer without a standard's error that says "later" (429 or 503): the request took no
    /// effect.
    #[error("the token endpoint is busy: status {0}")]
    Busy(u16),
    /// No answer, or one of a server that broke. Whether the request took effect is not known.
    #[error("the token endpoint gave no answer: {0}")]
    Unavailable(String),
    /// An answer that breaks the standard.
    #[error("the token response is malformed: {0}")]
    Malformed(&'static str),
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Reads the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2).
pub fn read_token_response(status: u16, body: &[u8]) -> Result<TokenResponse, TokenError> {
    let response = read_response(status, body)?;
    if response.token_type.eq_ignore_ascii_case("Bearer") {
        Ok(response)
    } else {
        Err(TokenError::Malformed("token_type is not Bearer (RFC 6749 section 7.1)"))
    }
}

/// The same for a request that came with a DPoP proof: a token that is bound to nothing is not
/// taken for one that is (RFC 9449 section 5).
pub fn read_bound_token_response(status: u16, body: &[u8]) -> Result<TokenResponse, TokenError> {
    let response = read_response(status, body)?;
    if response.token_type.eq_ignore_ascii_case("DPoP") {
        Ok(response)
    } else {
        Err(TokenError::Malformed("token_type is not DPoP, though a proof was sent (RFC 9449)"))
    }
}

/// Reads the answer of a revocation endpoint (RFC 7009 section 2.2).
pub fn read_revocation_response(status: u16, body: &[u8]) -> Result<(), TokenError> {
    if (200..300).contains(&status) { Ok(()) } else { Err(read_refusal(status, body)) }
}

/// An error answer (RFC 6749 section 5.2).
pub(super) fn read_refusal(status: u16, body: &[u8]) -> TokenError {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => TokenError::Refused {
            error: error_code(&body.error),
            word: for_log(&format!("{}: {}", body.error, body.error_description)),
        },
        Err(_) if status == 429 || status == 503 => TokenError::Busy(status),
        Err(_) if status >= 500 => TokenError::Unavailable(format!("status {status}")),
        Err(_) => TokenError::Malformed("an error without a JSON body (RFC 6749 section 5.2)"),
    }
}

fn read_response(status: u16, body: &[u8]) -> Result<TokenResponse, TokenError> {
    if !(200..300).contains(&status) {
        return Err(read_refusal(status, body));
    }
    // serde's message could quote a token: it is dropped.
    let response: TokenResponse = serde_json::from_slice(body)
        .map_err(|_| TokenError::Malformed("not the JSON of RFC 6749 section 5.1"))?;
    let token = response.access_token.expose();
    if token.is_empty() || !token.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(TokenError::Malformed("the access token has characters of no token"));
    }
    Ok(response)
}

/// The standards' code of that name.
pub(super) fn error_code(word: &str) -> Option<ErrorCode> {
    serde_json::from_value(serde_json::Value::from(word)).ok()
}

/// A stranger's text, fit for one line of a log.
pub(super) fn for_log(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_rfc_6749_5_1() {
        let body = br#"{"access_token":"a","token_type":"bearer","expires_in":60,"other":1}"#;
        let response = read_token_response(200, body).expect("tokens");
        assert_eq!(response.access_token.expose(), "a");
        assert_eq!(response.expires_in, Some(60));
    }

    #[test]
    fn a_token_is_bound_where_a_proof_was_sent_and_nowhere_else_rfc_9449_5() {
        let body = |kind| format!(r#"{{"access_token":"a","token_type":"{kind}"}}"#).into_bytes();
        assert!(read_bound_token_response(200, &body("dpop")).is_ok());
        assert!(read_bound_token_response(200, &body("Bearer")).is_err());
        assert!(read_token_response(200, &body("DPoP")).is_err());
    }

    #[test]
    fn what_is_no_success() {
        for body in [
            &b"{}"[..],
            b"",
            b"<html>",
            br#"{"access_token":"a"}"#,
            br#"{"access_token":"a","token_type":"mac"}"#,
            br#"{"access_token":"","token_type":"Bearer"}"#,
            br#"{"access_token":"a\r\nX: y","token_type":"Bearer"}"#,
            b"[1]",
        ] {
            let error = read_token_response(200, body).expect_err("malformed");
            assert!(matches!(error, TokenError::Malformed(_)), "{error:?}");
        }
    }

    #[test]
    fn seed_3_10_errors_rfc_6749_5_2() {
        let cases: [(u16, &[u8], Option<ErrorCode>); 4] = [
            (400, br#"{"error":"invalid_grant"}"#, Some(ErrorCode::InvalidGrant)),
            (401, br#"{"error":"invalid_client"}"#, Some(ErrorCode::InvalidClient)),
            (
                503,
                br#"{"error":"temporarily_unavailable"}"#,
                Some(ErrorCode::TemporarilyUnavailable),
            ),
            (400, br#"{"error":"brand_new"}"#, None),
        ];
        for (status, body, expected) in cases {
            match read_token_response(status, body) {
                Err(TokenError::Refused { error, .. }) => assert_eq!(error, expected),
                other => panic!("{other:?}"),
            }
        }
        for status in [500, 502, 504] {
            let error = read_token_response(status, b"<html>").expect_err("no tokens");
            assert!(matches!(error, TokenError::Unavailable(_)), "{status}");
        }
        for status in [429, 503] {
            let error = read_token_response(status, b"<html>").expect_err("no tokens");
            assert_eq!(error, TokenError::Busy(status));
        }
        let error = read_token_response(404, b"<html>").expect_err("no tokens");
        assert!(matches!(error, TokenError::Malformed(_)));
    }

    #[test]
    fn a_description_cannot_forge_a_line_of_the_log() {
        let body = br#"{"error":"invalid_grant","error_description":"a\nERROR b\u001b[31m"}"#;
        let error = read_token_response(400, body).expect_err("refused").to_string();
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

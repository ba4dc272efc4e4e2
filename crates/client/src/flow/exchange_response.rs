use keystile_protocol::Scope;
use keystile_protocol::Secret;
use keystile_protocol::messages::TokenResponse;

use super::{TokenError, read_token_response};

/// What came of an exchange (RFC 8693 section 2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// The new token.
    pub token: Secret,
    /// What kind of token it is: an identifier of section 3.
    pub issued_token_type: String,
    /// Whether an API is called with it, as with any access token.
    pub is_access_token: bool,
    /// Its life from now, in seconds, if it was told.
    pub expires_in: Option<u64>,
    /// What it may do, if that differs from what was asked for.
    pub scope: Option<Scope>,
}

/// Reads the answer to an exchange. A token that is no access token says so by the type `N_A`.
pub fn read_exchange_response(status: u16, body: &[u8]) -> Result<Exchanged, TokenError> {
    let no_access_token = (200..300).contains(&status)
        && serde_json::from_slice::<TokenResponse>(body)
            .is_ok_and(|response| response.token_type.eq_ignore_ascii_case("N_A"));
    let response = if no_access_token {
        serde_json::from_slice(body).map_err(|_| TokenError::Malformed("not JSON"))?
    } else {
        read_token_response(status, body)?
    };
    let missing = TokenError::Malformed("there is no issued_token_type (RFC 8693 section 2.2.1)");
    Ok(Exchanged {
        token: response.access_token,
        issued_token_type: response.issued_token_type.ok_or(missing)?,
        is_access_token: !no_access_token,
        expires_in: response.expires_in,
        scope: response.scope,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_an_exchange_rfc_8693_2_2() {
        let read = |body: &str| read_exchange_response(200, body.as_bytes());
        let got = read(r#"{"access_token":"t","issued_token_type":"x","token_type":"bearer"}"#);
        assert!(got.is_ok_and(|got| got.is_access_token && got.token.expose() == "t"));
        let got = read(r#"{"access_token":"t","issued_token_type":"x","token_type":"N_A"}"#);
        assert!(got.is_ok_and(|got| !got.is_access_token));
        for bad in [
            r#"{"access_token":"t","token_type":"Bearer"}"#,
            r#"{"access_token":"t","issued_token_type":"x","token_type":"mac"}"#,
            r#"{"issued_token_type":"x","token_type":"N_A"}"#,
            "",
        ] {
            assert!(matches!(read(bad), Err(TokenError::Malformed(_))), "{bad}");
        }
        let refused = read_exchange_response(400, br#"{"error":"invalid_target"}"#);
        assert!(matches!(refused, Err(TokenError::Refused { .. })));
    }
}

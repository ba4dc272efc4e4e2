use keystile_protocol::messages::PushedResponse;
use keystile_protocol::params::with_query;
use keystile_protocol::{ClientId, Secret};

use super::token_response::read_refusal;
use super::{Credential, Parameters, TokenError, TokenRequest};

/// It travels in an address, and some servers keep the whole request in it, in bytes.
const REQUEST_URI_AT_MOST: usize = 6 * 1024;

/// The request that sends an authorization request ahead, past the browser (RFC 9126 section 2.1).
pub fn pushed_request(
    client_id: &ClientId,
    credential: &Credential,
    parameters: &Parameters,
) -> TokenRequest {
    // The client names itself once: by its credential or here.
    let named = credential.names_client();
    let form = parameters
        .iter()
        .filter(|(name, _)| !(named && name == "client_id"))
        .map(|(name, value)| (name.clone(), Secret::new(value)));
    TokenRequest::with_parameters(client_id, credential, form.collect())
}

/// Reads the answer to it (RFC 9126 sections 2.2 and 2.3).
pub fn read_pushed_response(status: u16, body: &[u8]) -> Result<PushedResponse, TokenError> {
    if !(200..300).contains(&status) {
        return Err(read_refusal(status, body));
    }
    let response: PushedResponse = serde_json::from_slice(body)
        .map_err(|_| TokenError::Malformed("not the JSON of RFC 9126 section 2.2"))?;
    let fits = |c: u8| matches!(c, b'!'..=b'~');
    let request_uri = &response.request_uri;
    if request_uri.is_empty()
        || request_uri.len() > REQUEST_URI_AT_MOST
        || !request_uri.bytes().all(fits)
    {
        return Err(TokenError::Malformed("its request_uri is none (RFC 9126 section 2.2)"));
    }
    Ok(response)
}

/// Where the browser is sent with a request that was pushed (RFC 9126 section 4).
pub fn pushed_url(endpoint: &str, client_id: &ClientId, request_uri: &str) -> String {
    with_query(endpoint, &[("client_id", client_id.as_str()), ("request_uri", request_uri)])
}

#[cfg(test)]
mod tests {
    use keystile_protocol::ErrorCode;

    use super::*;

    #[test]
    fn a_client_names_itself_once_rfc_6749_3_1() {
        let id = ClientId::new("app").expect("valid");
        let parameters: Parameters =
            vec![("client_id".into(), "app".into()), ("scope".into(), "openid".into())];
        for credential in [
            Credential::Basic("s".into()),
            Credential::Post("s".into()),
            Credential::Public,
            Credential::Certificate { self_signed: true },
        ] {
            let request = pushed_request(&id, &credential, &parameters);
            let named = request.parameters.iter().filter(|(name, _)| name == "client_id").count();
            assert_eq!(named, 1, "{credential:?}");
        }
    }

    #[test]
    fn the_answer_is_read_within_bounds_rfc_9126_2_2_and_2_3() {
        let body = br#"{"request_uri":"urn:ietf:params:oauth:request_uri:abc","expires_in":60}"#;
        assert_eq!(read_pushed_response(201, body).expect("good").expires_in, 60);
        let long = format!(
            r#"{{"request_uri":"{}","expires_in":60}}"#,
            "a".repeat(REQUEST_URI_AT_MOST + 1)
        );
        for body in ["", "{}", r#"{"request_uri":"","expires_in":1}"#, &long, "[]"] {
            let error = read_pushed_response(201, body.as_bytes()).expect_err("malformed");
            assert!(matches!(error, TokenError::Malformed(_)), "{body}");
        }
        let refused = read_pushed_response(400, br#"{"error":"invalid_request_object"}"#);
        let code = Some(ErrorCode::InvalidRequestObject);
        assert!(matches!(refused, Err(TokenError::Refused { error, .. }) if error == code));
        let away = read_pushed_response(503, b"<html>");
        assert_eq!(away, Err(TokenError::Busy(503)));
    }

    #[test]
    fn the_browser_carries_a_reference_alone_rfc_9126_4() {
        let id = ClientId::new("app").expect("valid");
        let url = pushed_url("https://login.example/authorize?a=b", &id, "urn:x&y");
        assert_eq!(
            url,
            "https://login.example/authorize?a=b&client_id=app&request_uri=urn%3Ax%26y"
        );
    }
}

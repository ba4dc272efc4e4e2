//! Pushed authorization requests (RFC 9126): which may be pushed, and which may arrive.

use std::time::Duration;

use keystile_protocol::{ClientId, ErrorCode, Params, ProtocolError, Timestamp};

use crate::policy::Policy;
use crate::records::Client;
use crate::rules::redirect::PageError;
use crate::sealed::{FORMAT, Origin, PushedRequest};

/// What our `request_uri` values begin with (RFC 9126 section 2.2).
pub const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// How long a pushed request can arrive. Its page lives on by itself.
pub const LIFETIME: Duration = Duration::from_secs(60);
/// Longest request that travels in its `request_uri`, form encoded, in bytes. A larger one waits in
/// the store.
pub const TRAVELS_AT_MOST: usize = 2048;
/// Longest request that is taken.
const AT_MOST: usize = 64 * 1024;

/// Parameters of the request to push that are about the client's authentication.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

fn refuse<T>(code: ErrorCode, words: &str) -> Result<T, ProtocolError> {
    Err(ProtocolError::new(code, words))
}

/// The authorization request in what an authenticated client pushed: without credentials, and
/// without `request_uri`, which "MUST NOT be provided" (section 2.1).
pub fn authorization_request(params: &Params, client: &ClientId) -> Result<Params, ProtocolError> {
    if params.has("request_uri") {
        return refuse(
            ErrorCode::InvalidRequest,
            "request_uri came in a pushed request; push the parameters themselves (RFC 9126 \
             section 2.1)",
        );
    }
    let kept = params.without(&CREDENTIALS);
    Ok(if kept.has("client_id") { kept } else { kept.with("client_id", client.as_str()) })
}

/// Whether a request is small enough to be taken.
pub fn fits(encoded: &str) -> Result<(), ProtocolError> {
    if encoded.len() <= AT_MOST {
        return Ok(());
    }
    let words = format!(
        "the request has {} bytes, at most {AT_MOST} can be pushed (RFC 9126 section 2.3)",
        encoded.len()
    );
    refuse(ErrorCode::InvalidRequest, &words)
}

/// The sealed part of a `request_uri` of ours, if the request has one.
pub fn sealed_part(params: &Params) -> Option<&str> {
    params.optional("request_uri").ok().flatten()?.strip_prefix(REQUEST_URI_PREFIX)
}

/// What a `request_uri` of ours stands for, if it is this client's. Neither whether it exists
/// for another client nor where that one's answers go is told (section 7.3).
pub fn of_client(
    opened: Option<PushedRequest>,
    client_id: &ClientId,
) -> Result<PushedRequest, PageError> {
    opened
        .filter(|pushed| pushed.format == FORMAT && pushed.client == *client_id)
        .ok_or_else(|| PageError::UnknownRequestUri { client_id: client_id.clone() })
}

/// Whether a request that came in its own way may go on: pushed where that is required (section
/// 5), and not later than its lifetime. `requested_at` is when it arrived or, from an old page,
/// became new again: a page of a request that arrived in time lives by itself.
pub fn may_go_on(
    origin: &Origin,
    client: &Client,
    policy: &Policy,
    requested_at: Timestamp,
) -> Result<(), ProtocolError> {
    match origin {
        Origin::Pushed { expires_at, .. } if requested_at >= *expires_at => refuse(
            ErrorCode::InvalidRequestUri,
            "the request_uri has expired; push the request anew (RFC 9126 section 4)",
        ),
        Origin::Pushed { .. } => Ok(()),
        _ if client.require_pushed_requests || policy.require_pushed_requests => refuse(
            ErrorCode::InvalidRequest,
            "the request was not pushed; send it to the pushed_authorization_request_endpoint \
             first (RFC 9126 section 5)",
        ),
        Origin::RequestObject(Some(end)) if requested_at >= *end => refuse(
            ErrorCode::InvalidRequestObject,
            "the request object has expired; make a new one (RFC 7519 section 4.1.4)",
        ),
        Origin::Plain | Origin::RequestObject(_) => Ok(()),
    }
}

/// "The request_uri value \[is\] used only once" (section 4): its grant says whether it was.
pub fn unused(grant_exists: bool) -> Result<(), ProtocolError> {
    if !grant_exists {
        return Ok(());
    }
    refuse(
        ErrorCode::InvalidRequestUri,
        "the request_uri was used before; push the request anew (RFC 9126 section 4)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::ids::GrantId;
    use crate::sealed::ParamsAt;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn params(text: &str) -> Params {
        Params::parse(text.as_bytes()).expect("few parameters")
    }

    fn pushed() -> PushedRequest {
        PushedRequest {
            format: FORMAT,
            client: fixtures::client_id("app"),
            params: ParamsAt::Here(String::new()),
            grant: GrantId::new(NOW, [1; 10]),
            expires_at: NOW.plus(LIFETIME),
        }
    }

    #[test]
    fn credentials_are_no_part_of_a_pushed_request_rfc_9126_2_1() {
        let app = fixtures::client_id("app");
        let request = |text: &str| {
            authorization_request(&params(text), &app)
                .map(|params| params.encode())
                .map_err(|error| error.error)
        };
        assert_eq!(request("scope=a&client_secret=x"), Ok("scope=a&client_id=app".into()));
        assert_eq!(
            request("client_id=app&client_assertion=x&client_assertion_type=y&resource=1"),
            Ok("client_id=app&resource=1".into())
        );
        assert_eq!(request("request_uri=urn:x"), Err(ErrorCode::InvalidRequest));
        assert_eq!(request("request_uri="), Err(ErrorCode::InvalidRequest));
        assert!(fits(&"x".repeat(AT_MOST)).is_ok() && fits(&"x".repeat(AT_MOST + 1)).is_err());
    }

    #[test]
    fn only_our_form_of_a_request_uri_is_opened_rfc_9126_2_2() {
        let ours = "request_uri=urn:ietf:params:oauth:request_uri:abc";
        assert_eq!(sealed_part(&params(ours)), Some("abc"));
        for other in ["", "request_uri=https://a.example/r", &format!("{ours}&{ours}")] {
            assert_eq!(sealed_part(&params(other)), None, "{other}");
        }
    }

    #[test]
    fn another_clients_request_uri_is_unknown_rfc_9126_7_3() {
        let (app, other) = (fixtures::client_id("app"), fixtures::client_id("other"));
        assert!(of_client(Some(pushed()), &app).is_ok());
        let unknown = Err(PageError::UnknownRequestUri { client_id: other.clone() });
        assert_eq!(of_client(Some(pushed()), &other), unknown);
        assert!(of_client(None, &app).is_err());
        assert!(of_client(Some(PushedRequest { format: 9, ..pushed() }), &app).is_err());
    }

    #[test]
    fn a_request_goes_on_while_it_may_rfc_9126_4_and_5() {
        use ErrorCode::{InvalidRequest, InvalidRequestObject, InvalidRequestUri};
        let (client, policy) = (fixtures::client(), fixtures::policy());
        let strict = Client { require_pushed_requests: true, ..client.clone() };
        let strict_policy = Policy { require_pushed_requests: true, ..policy.clone() };
        let by_par =
            Origin::Pushed { grant: GrantId::new(NOW, [1; 10]), expires_at: NOW.plus(LIFETIME) };
        let object = Origin::RequestObject(Some(NOW.plus(LIFETIME)));
        let endless = Origin::RequestObject(None);
        let (in_time, late) = (NOW.plus(Duration::from_millis(59_999)), NOW.plus(LIFETIME));
        let go = |origin: &Origin,
                  client: &Client,
                  policy: &Policy,
                  requested_at: Timestamp|
         -> Result<(), ErrorCode> {
            may_go_on(origin, client, policy, requested_at).map_err(|error| error.error)
        };
        assert_eq!(go(&by_par, &strict, &strict_policy, in_time), Ok(()));
        assert_eq!(go(&by_par, &client, &policy, late), Err(InvalidRequestUri));
        assert_eq!(go(&Origin::Plain, &client, &policy, late), Ok(()));
        assert_eq!(go(&Origin::Plain, &strict, &policy, NOW), Err(InvalidRequest));
        assert_eq!(go(&Origin::Plain, &client, &strict_policy, NOW), Err(InvalidRequest));
        assert_eq!(go(&object, &strict, &policy, NOW), Err(InvalidRequest));
        assert_eq!(go(&object, &client, &policy, in_time), Ok(()));
        assert_eq!(go(&object, &client, &policy, late), Err(InvalidRequestObject));
        assert_eq!(go(&endless, &client, &policy, late), Ok(()));
        assert_eq!(unused(true).map_err(|error| error.error), Err(InvalidRequestUri));
        assert_eq!(unused(false), Ok(()));
    }
}

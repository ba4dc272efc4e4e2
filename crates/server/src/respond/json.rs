//! JSON answers to clients and APIs.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{EndpointError, Fault};
use keystile_authority::incident::Incident;
use keystile_protocol::access_token::Scheme;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::{ErrorCode, ProtocolError, dpop};
use serde::Serialize;

use crate::face::SharedFace;
use crate::headers;

/// Seconds after which a client may try again when something was away.
const RETRY_AFTER: u64 = 2;

/// Bytes that an answer seldom exceeds: two tokens.
const USUAL_LENGTH: usize = 2048;

/// An answer that is not to be kept.
pub(crate) fn private(status: StatusCode, body: &impl Serialize) -> Response {
    let mut json = Vec::with_capacity(USUAL_LENGTH);
    if serde_json::to_writer(&mut json, body).is_err() {
        json.clear();
    }
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    headers::private_json(response.headers_mut());
    response
}

/// A signed or encrypted answer that is not to be kept.
pub(crate) fn private_jwt(token: String, media_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(token));
    headers::private_json(response.headers_mut());
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// An error of the token, revocation or introspection endpoint (RFC 6749 section 5.2).
/// `may_repeat`: whether the same request can be sent again where it is in doubt what became of it.
pub(crate) fn endpoint_error(
    face: &SharedFace,
    error: EndpointError,
    may_repeat: bool,
) -> Response {
    match error {
        EndpointError::Protocol(error) => {
            // Each device that waits for its user hears this every few seconds.
            if error.error == ErrorCode::AuthorizationPending {
                tracing::debug!(error = %error.error, "{}", error.error_description);
            } else {
                tracing::info!(error = %error.error, "{}", error.error_description);
            }
            protocol_error(face, &error)
        }
        EndpointError::Throttled(throttled) => {
            let error = ProtocolError::new(
                ErrorCode::TemporarilyUnavailable,
                "too many attempts from this network; wait before the next one",
            );
            let mut response = private(StatusCode::TOO_MANY_REQUESTS, &error);
            let seconds = HeaderValue::from(throttled.retry_after.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        EndpointError::Fault(cause) => fault(face, &cause, may_repeat),
    }
}

fn protocol_error(face: &SharedFace, error: &ProtocolError) -> Response {
    let invalid_client = error.error == ErrorCode::InvalidClient;
    let status = if invalid_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    let mut response = private(status, error);
    give_nonce(face, error.error, &mut response);
    if invalid_client {
        challenge(&mut response, format!("Basic realm=\"{}\"", face.authority.policy().issuer));
    }
    response
}

/// An error of an endpoint that takes access tokens (RFC 6750 section 3, RFC 9449 section 7.1), to
/// a token that came by that scheme. Both schemes are offered. Nothing is said about errors to a
/// request without a token.
pub(crate) fn token_error(
    face: &SharedFace,
    scheme: Scheme,
    error: Option<EndpointError>,
) -> Response {
    let algorithms = dpop::ALGORITHMS.map(Algorithm::as_str).join(" ");
    let bearer = format!("Bearer realm=\"{}\"", face.authority.policy().issuer);
    let proved = format!("DPoP algs=\"{algorithms}\"");
    match error {
        None => {
            let mut response = private(StatusCode::UNAUTHORIZED, &serde_json::json!({}));
            challenge(&mut response, bearer);
            challenge(&mut response, proved);
            response
        }
        Some(EndpointError::Protocol(error)) => {
            let status = match error.error {
                ErrorCode::InvalidRequest => StatusCode::BAD_REQUEST,
                ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
                _ => StatusCode::UNAUTHORIZED,
            };
            let mut response = private(status, &error);
            give_nonce(face, error.error, &mut response);
            let ProtocolError { error, error_description } = error;
            let words = format!("error=\"{error}\", error_description=\"{error_description}\"");
            if scheme == Scheme::Bearer {
                challenge(&mut response, format!("{bearer}, {words}"));
            }
            challenge(&mut response, format!("{proved}, {words}"));
            response
        }
        Some(other) => endpoint_error(face, other, true),
    }
}

/// The nonce that the next proof needs (RFC 9449 sections 8 and 9).
fn give_nonce(face: &SharedFace, error: ErrorCode, response: &mut Response) {
    if error == ErrorCode::UseDpopNonce
        && let Ok(nonce) = HeaderValue::try_from(face.authority.dpop_nonce())
    {
        response.headers_mut().insert("dpop-nonce", nonce);
    }
}

pub(crate) fn challenge(response: &mut Response, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().append(header::WWW_AUTHENTICATE, value);
    }
}

/// A fault of ours, under a reference number.
pub(crate) fn fault(face: &SharedFace, fault: &Fault, may_repeat: bool) -> Response {
    let incident = incident(face, fault);
    face.incidents.report_fault(&incident);
    let (status, words) = match fault {
        Fault::Unavailable(_) | Fault::InDoubt(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the server cannot answer right now")
        }
        Fault::Broken(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong at the server")
        }
    };
    let words = format!("{words} (reference {})", incident.reference);
    let mut response = private(status, &ProtocolError::new(fault.code(), words));
    let again = match fault {
        Fault::Unavailable(_) => true,
        Fault::InDoubt(_) => may_repeat,
        Fault::Broken(_) => false,
    };
    if again {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
    }
    response
}

/// The incident behind a fault.
pub(crate) fn incident(face: &SharedFace, fault: &Fault) -> Incident {
    Incident {
        reference: face.authority.reference(),
        at: face.authority.now(),
        error: fault.code().to_string(),
        summary: fault.to_string(),
        section: fault.code().section().to_owned(),
        client_id: None,
        received: None,
        expected: Vec::new(),
        hint: "This is the server's fault, not the app's: see its log.".to_owned(),
    }
}

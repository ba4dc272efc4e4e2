//! `/token`, `/par`, `/device_authorization`, `/backchannel-authentication`, `/revoke`,
//! `/introspect`: what clients call, with their credentials.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{ClientRequest, EndpointError, Fault, paths};
use keystile_authority::records::GrantType;
use keystile_protocol::{ClientCertificate, ErrorCode, ProtocolError};

use crate::face::SharedFace;
use crate::received::{DPOP, FormError, client_certificate, form, network};
use crate::respond::json;

pub(crate) async fn token(State(face): State<SharedFace>, request: Request) -> Response {
    let received = match Received::from(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    // "Try again" would be wrong for a code that may have been redeemed: the second time it would
    // revoke what the first one gave.
    let may_repeat = !received.is_redemption;
    match face.authority.token(&received.client_request(paths::TOKEN)).await {
        Ok(tokens) => json::private(StatusCode::OK, &tokens),
        Err(error) => json::endpoint_error(&face, error, may_repeat),
    }
}

/// RFC 9126.
pub(crate) async fn push(State(face): State<SharedFace>, request: Request) -> Response {
    let received = match Received::from(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    match face.authority.push(&received.client_request(paths::PAR)).await {
        Ok(pushed) => json::private(StatusCode::CREATED, &pushed),
        Err(error) => json::endpoint_error(&face, error, true),
    }
}

/// RFC 8628.
pub(crate) async fn authorize_device(State(face): State<SharedFace>, request: Request) -> Response {
    let received = match Received::from(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    let request = received.client_request(paths::DEVICE_AUTHORIZATION);
    match face.authority.device_authorization(&request).await {
        Ok(codes) => json::private(StatusCode::OK, &codes),
        Err(error) => json::endpoint_error(&face, error, true),
    }
}

/// OpenID Connect CIBA Core 1.0.
pub(crate) async fn ask_user(State(face): State<SharedFace>, request: Request) -> Response {
    let received = match Received::from(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    let request = received.client_request(paths::BACKCHANNEL_AUTHENTICATION);
    match face.authority.backchannel_authentication(&request).await {
        Ok(asked) => json::private(StatusCode::OK, &asked),
        Err(error) => json::endpoint_error(&face, error, true),
    }
}

pub(crate) async fn revoke(State(face): State<SharedFace>, request: Request) -> Response {
    let received = match Received::from(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    match face.authority.revoke(&received.client_request(paths::REVOKE)).await {
        Ok(()) => json::private(StatusCode::OK, &serde_json::json!({})),
        Err(error) => json::endpoint_error(&face, error, true),
    }
}

pub(crate) async fn introspect(State(face): State<SharedFace>, request: Request) -> Response {
    let received = match Received::from(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    let (request, authority) = (received.client_request(paths::INTROSPECT), &face.authority);
    let answered = if prefers_jwt(&received.headers) {
        let signed = authority.introspect_signed(&request).await;
        signed.map(|token| json::private_jwt(token, SIGNED_INTROSPECTION))
    } else {
        let plain = authority.introspect(&request).await;
        plain.map(|answer| json::private(StatusCode::OK, &answer))
    };
    answered.unwrap_or_else(|error| json::endpoint_error(&face, error, true))
}

/// The media type by which an API asks for a signed answer (RFC 9701 section 4).
const SIGNED_INTROSPECTION: &str = "application/token-introspection+jwt";

/// Whether the signed answer is asked for by its name, and not less than plain JSON.
fn prefers_jwt(headers: &HeaderMap) -> bool {
    let signed = quality(headers, SIGNED_INTROSPECTION);
    signed.is_some_and(|wanted| {
        wanted > 0.0 && quality(headers, "application/json").is_none_or(|plain| plain <= wanted)
    })
}

/// How much a media type is wanted, if it is named (RFC 9110 section 12.5.1).
fn quality(headers: &HeaderMap, media_type: &str) -> Option<f32> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next()?.eq_ignore_ascii_case(media_type);
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
        named.then(|| weight.unwrap_or(1.0))
    })
}

/// A request whose form could be read.
struct Received {
    headers: HeaderMap,
    params: keystile_protocol::Params,
    network: String,
    certificate: Option<ClientCertificate>,
    is_redemption: bool,
}

impl Received {
    async fn from(request: Request, face: &SharedFace) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let (network, certificate) = (network(face, &parts), client_certificate(face, &parts));
        let (headers, form) = form(parts, body, face).await;
        let params = form.map_err(|error| {
            if error == FormError::Busy {
                return json::fault(face, &Fault::Unavailable(error.to_string()), true);
            }
            let protocol = ProtocolError::new(ErrorCode::InvalidRequest, error.to_string());
            json::private(error.status(), &protocol)
        })?;
        let grant_type = params.optional("grant_type").ok().flatten();
        let is_redemption = grant_type.is_some_and(is_redemption);
        Ok(Self { headers, params, network, certificate, is_redemption })
    }

    fn client_request(&self, path: &'static str) -> ClientRequest<'_> {
        let authorization = self.headers.get_all(header::AUTHORIZATION).iter();
        ClientRequest {
            params: &self.params,
            authorization: authorization.map(HeaderValue::as_bytes).collect(),
            dpop: self.headers.get_all(DPOP).iter().map(HeaderValue::as_bytes).collect(),
            certificate: self.certificate.as_ref(),
            path,
            network: &self.network,
        }
    }
}

/// Whether what such a grant brings counts once.
fn is_redemption(grant_type: &str) -> bool {
    let once = [GrantType::AuthorizationCode, GrantType::DeviceCode, GrantType::Ciba];
    once.iter().any(|once| once.as_str() == grant_type)
}

/// For handlers that find their own errors.
pub(crate) fn invalid_request(words: &str) -> EndpointError {
    EndpointError::protocol(ErrorCode::InvalidRequest, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_answer_is_asked_for_by_its_name_rfc_9701_4() {
        let of = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            prefers_jwt(&headers)
        };
        for jwt in [
            "application/token-introspection+jwt",
            "Application/Token-Introspection+JWT ; q=0.5",
            "application/json;q=0.5, application/token-introspection+jwt",
            "*/*, application/token-introspection+jwt",
        ] {
            assert!(of(jwt), "{jwt}");
        }
        for plain in [
            "",
            "*/*",
            "application/*",
            "application/json",
            "application/jwt",
            "application/token-introspection+jwt;q=0",
            "application/json, application/token-introspection+jwt;q=0.9",
        ] {
            assert!(!of(plain), "{plain}");
        }
        assert!(!prefers_jwt(&HeaderMap::new()));
    }
}

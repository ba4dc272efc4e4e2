//! `/userinfo`: GET and POST, the token in the header or in a form (RFC 6750 section 2),
//! bound to a key, a certificate or nothing (RFC 9449 section 7, RFC 8705 section 3).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{EndpointError, Fault, PresentedToken, Userinfo};
use keystile_protocol::ClientCertificate;
use keystile_protocol::access_token::Scheme;

use super::client_endpoints::invalid_request;
use crate::face::SharedFace;
use crate::received::{DPOP, FormError, client_certificate, form};
use crate::respond::json;

pub(crate) async fn get(State(face): State<SharedFace>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if query.split('&').any(|pair| pair.starts_with("access_token=")) {
        let words = "a token in the query is refused (RFC 9700 section 4.3.2)";
        return json::token_error(&face, Scheme::Bearer, Some(invalid_request(words)));
    }
    let (parts, _) = request.into_parts();
    let certificate = client_certificate(&face, &parts);
    let token = in_header(&parts.headers);
    answer(&face, "GET", &parts.headers, certificate, token).await
}

pub(crate) async fn post(State(face): State<SharedFace>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let certificate = client_certificate(&face, &parts);
    let (headers, form) = form(parts, body, &face).await;
    let in_form = match &form {
        Ok(params) => params.optional("access_token").map_err(EndpointError::from),
        Err(FormError::Busy) => {
            Err(EndpointError::Fault(Fault::Unavailable(FormError::Busy.to_string())))
        }
        Err(error) => Err(invalid_request(&error.to_string())),
    };
    let token = match (in_header(&headers), in_form) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(Some(_)), Ok(Some(_))) => {
            Err(invalid_request("the token came twice (RFC 6750 section 2)"))
        }
        (Ok(header), Ok(form)) => Ok(header.or(form.map(|token| (Scheme::Bearer, token)))),
    };
    answer(&face, "POST", &headers, certificate, token).await
}

async fn answer(
    face: &SharedFace,
    method: &'static str,
    headers: &HeaderMap,
    certificate: Option<ClientCertificate>,
    token: Result<Option<(Scheme, &str)>, EndpointError>,
) -> Response {
    let (scheme, token) = match token {
        Ok(Some(token)) => token,
        Ok(None) => return json::token_error(face, Scheme::Bearer, None),
        Err(error) => return json::token_error(face, Scheme::Bearer, Some(error)),
    };
    let dpop = headers.get_all(DPOP).iter().map(HeaderValue::as_bytes).collect();
    let certificate = certificate.as_ref();
    let presented = PresentedToken { token, scheme, dpop, certificate, method };
    match face.authority.userinfo(presented).await {
        Ok(Userinfo::Plain(claims)) => json::private(StatusCode::OK, &claims),
        Ok(Userinfo::Jwt(token)) => json::private_jwt(token, "application/jwt"),
        Err(error) => json::token_error(face, scheme, Some(error)),
    }
}

fn in_header(headers: &HeaderMap) -> Result<Option<(Scheme, &str)>, EndpointError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(invalid_request("more than one Authorization header came"));
    }
    let text = value.to_str().map_err(|_| invalid_request("Authorization is not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some((Scheme::Bearer, token.trim())))
        }
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => {
            Ok(Some((Scheme::Dpop, token.trim())))
        }
        _ => Err(invalid_request(
            "Authorization is neither 'Bearer' nor 'DPoP' and a token (RFC 6750, RFC 9449)",
        )),
    }
}

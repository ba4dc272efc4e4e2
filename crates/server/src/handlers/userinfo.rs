//! `/userinfo`: GET and POST, the token in the header or in a form (RFC 6750 section 2).

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{Bearer, EndpointError, Userinfo};

use super::client_endpoints::invalid_request;
use crate::face::SharedFace;
use crate::received::Form;
use crate::respond::json;

pub(crate) async fn get(State(face): State<SharedFace>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if query.split('&').any(|pair| pair.starts_with("access_token=")) {
        let words = "a token in the query is refused (RFC 9700 section 4.3.2)";
        return json::bearer_error(&face, Some(invalid_request(words)));
    }
    let token = in_header(request.headers()).map(|token| token.map(str::to_owned));
    answer(&face, token).await
}

pub(crate) async fn post(State(face): State<SharedFace>, request: Request) -> Response {
    let in_header = in_header(request.headers()).map(|token| token.map(str::to_owned));
    let Ok(form) = Form::from_request(request, &face).await;
    let in_form = match &form.0 {
        Ok(params) => params.optional("access_token").map_err(EndpointError::from),
        Err(error) => Err(invalid_request(&error.to_string())),
    };
    let token = match (in_header, in_form) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(Some(_)), Ok(Some(_))) => {
            Err(invalid_request("the token came twice (RFC 6750 section 2)"))
        }
        (Ok(header), Ok(form)) => Ok(header.or_else(|| form.map(str::to_owned))),
    };
    answer(&face, token).await
}

async fn answer(face: &SharedFace, token: Result<Option<String>, EndpointError>) -> Response {
    let token = match token {
        Ok(Some(token)) => token,
        Ok(None) => return json::bearer_error(face, None),
        Err(error) => return json::bearer_error(face, Some(error)),
    };
    match face.authority.userinfo(Bearer(&token)).await {
        Ok(Userinfo::Plain(claims)) => json::private(StatusCode::OK, &claims),
        Ok(Userinfo::Signed(token)) => json::private_jwt(token),
        Err(error) => json::bearer_error(face, Some(error)),
    }
}

fn in_header(headers: &HeaderMap) -> Result<Option<&str>, EndpointError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(invalid_request("more than one Authorization header came"));
    }
    let text = value.to_str().map_err(|_| invalid_request("Authorization is not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(invalid_request("Authorization is not 'Bearer' and a token (RFC 6750)")),
    }
}

//! `/register` (RFC 7591) and what is below it (RFC 7592). While registration is off, there is
//! neither.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{
    EndpointError, Fault, RegistrationAnswer, RegistrationRequest,
};
use keystile_protocol::{ErrorCode, ProtocolError};

use super::errors;
use crate::face::SharedFace;
use crate::headers;
use crate::received::{self, FormError, FromBrowser, network};
use crate::respond::json;

pub(crate) async fn register(State(face): State<SharedFace>, request: Request) -> Response {
    let received = match Received::with_body(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    match face.authority.register_client(&received.request()).await {
        Ok(answer) => {
            let client_id = answer.members["client_id"].as_str().unwrap_or_default();
            let network = &received.network;
            tracing::info!(client_id, network, "a client registered itself");
            done(StatusCode::CREATED, client_id, &answer)
        }
        Err(error) => refusal(&face, error),
    }
}

pub(crate) async fn read(
    State(face): State<SharedFace>,
    Path(client_id): Path<String>,
    request: Request,
) -> Response {
    let received = match Received::without_body(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    match face.authority.read_registration(&client_id, &received.request()).await {
        Ok(answer) => json::private(StatusCode::OK, &answer),
        Err(error) => refusal(&face, error),
    }
}

pub(crate) async fn change(
    State(face): State<SharedFace>,
    Path(client_id): Path<String>,
    request: Request,
) -> Response {
    let received = match Received::with_body(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    match face.authority.change_registration(&client_id, &received.request()).await {
        Ok(answer) => {
            tracing::info!(client_id, "a client changed its registration");
            done(StatusCode::OK, &client_id, &answer)
        }
        Err(error) => refusal(&face, error),
    }
}

fn done(status: StatusCode, client_id: &str, answer: &RegistrationAnswer) -> Response {
    if let Some(problem) = &answer.no_logo {
        tracing::info!(client_id, %problem, "its logo is not shown");
    }
    json::private(status, &answer.members)
}

pub(crate) async fn remove(
    State(face): State<SharedFace>,
    Path(client_id): Path<String>,
    request: Request,
) -> Response {
    let received = match Received::without_body(request, &face).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    match face.authority.remove_registration(&client_id, &received.request()).await {
        Ok(()) => {
            tracing::info!(client_id, "a client removed itself");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            headers::private(response.headers_mut());
            response
        }
        Err(error) => refusal(&face, error),
    }
}

/// "An error condition … HTTP status code 400" (RFC 7591 section 3.2.2); a token that is wrong or
/// missing 401, and one that does not help 403 (RFC 7592 section 2.1, RFC 6750 section 3.1).
fn refusal(face: &SharedFace, error: EndpointError) -> Response {
    let EndpointError::Protocol(error) = error else {
        return json::endpoint_error(face, error, true);
    };
    tracing::info!(error = %error.error, "{}", error.error_description);
    let status = match error.error {
        ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::AccessDenied => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut response = json::private(status, &error);
    let ProtocolError { error, error_description } = error;
    if status == StatusCode::UNAUTHORIZED {
        let realm = &face.authority.policy().issuer;
        let words = format!("error=\"{error}\", error_description=\"{error_description}\"");
        json::challenge(&mut response, format!("Bearer realm=\"{realm}\", {words}"));
    }
    response
}

/// A request whose body could be read.
struct Received {
    headers: HeaderMap,
    body: Bytes,
    network: String,
}

impl Received {
    async fn without_body(request: Request, face: &SharedFace) -> Result<Self, Response> {
        let (mut parts, _) = request.into_parts();
        if !face.authority.registers() {
            let Ok(from) = FromBrowser::from_request_parts(&mut parts, face).await;
            return Err(errors::not_found(State(SharedFace::clone(face)), from).await);
        }
        let network = network(face, &parts);
        Ok(Self { headers: parts.headers, body: Bytes::new(), network })
    }

    async fn with_body(request: Request, face: &SharedFace) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let head = Request::from_parts(parts.clone(), Body::empty());
        let received = Self::without_body(head, face).await?;
        let wrong = |status: StatusCode, words: &str| {
            json::private(status, &ProtocolError::new(ErrorCode::InvalidClientMetadata, words))
        };
        if !received::is_of_type(&received.headers, "application/json") {
            return Err(wrong(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is not application/json (RFC 7591 section 3.1)",
            ));
        }
        match received::body(Request::from_parts(parts, body), face).await {
            Ok(body) => Ok(Self { body, ..received }),
            Err(FormError::Busy) => {
                Err(json::fault(face, &Fault::Unavailable(FormError::Busy.to_string()), true))
            }
            Err(error) => Err(wrong(error.status(), &error.to_string())),
        }
    }

    fn request(&self) -> RegistrationRequest<'_> {
        let authorization = self.headers.get_all(header::AUTHORIZATION).iter();
        RegistrationRequest {
            authorization: authorization.map(HeaderValue::as_bytes).collect(),
            body: &self.body,
            network: &self.network,
        }
    }
}

//! Addresses and methods that there are not, and what the standards' errors mean.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use keystile_protocol::{ErrorCode, ProtocolError};

use crate::face::SharedFace;
use crate::pages::{ErrorHelp, Problem, ProblemKind};
use crate::received::FromBrowser;
use crate::respond::{self, json};

pub(crate) async fn not_found(State(face): State<SharedFace>, from: FromBrowser) -> Response {
    problem(&face, &from, ProblemKind::NotFound, StatusCode::NOT_FOUND)
}

pub(crate) async fn page_method_not_allowed(
    State(face): State<SharedFace>,
    from: FromBrowser,
) -> Response {
    problem(&face, &from, ProblemKind::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED)
}

pub(crate) async fn json_method_not_allowed() -> Response {
    let error = ProtocolError::new(
        ErrorCode::InvalidRequest,
        "this endpoint does not take this HTTP method; the token endpoint takes POST (RFC 6749 \
         section 3.2)",
    );
    json::private(StatusCode::METHOD_NOT_ALLOWED, &error)
}

fn problem(
    face: &SharedFace,
    from: &FromBrowser,
    kind: ProblemKind,
    status: StatusCode,
) -> Response {
    let language = respond::language(face, from, None);
    let reference = face.authority.reference().to_string();
    let page = Problem { kind, reference, developer: None };
    respond::page_with(face, language, status, face.pages.problem(language, &page))
}

/// Where `error_uri` leads.
pub(crate) async fn help(
    State(face): State<SharedFace>,
    Path(code): Path<String>,
    from: FromBrowser,
) -> Response {
    let Some((code, meaning)) = MEANINGS.iter().find(|(known, _)| known.as_str() == code) else {
        return not_found(State(face), from).await;
    };
    let language = respond::language(&face, &from, None);
    let page = ErrorHelp {
        code: code.to_string(),
        meaning: (*meaning).to_owned(),
        section: code.section().to_owned(),
    };
    respond::page(&face, language, face.pages.error_help(language, &page))
}

const MEANINGS: [(ErrorCode, &str); 14] = [
    (
        ErrorCode::InvalidRequest,
        "A parameter is missing, repeated or malformed; error_description says which. PKCE with \
         S256 is required of every client that is not registered otherwise.",
    ),
    (
        ErrorCode::UnauthorizedClient,
        "The client is not registered for this grant type. Compare grant_types of 'keystile client \
         show'.",
    ),
    (
        ErrorCode::AccessDenied,
        "The user did not allow it, or went back. Tell the user politely and offer to try again.",
    ),
    (ErrorCode::UnsupportedResponseType, "Only response_type=code exists here (OAuth 2.1)."),
    (
        ErrorCode::InvalidScope,
        "A scope is unknown, malformed, or not one that the client is registered for.",
    ),
    (
        ErrorCode::ServerError,
        "Something went wrong at the server. The reference in error_description is that of its log \
         line.",
    ),
    (
        ErrorCode::TemporarilyUnavailable,
        "The server cannot answer right now: its store is away or it is full. Try again shortly.",
    ),
    (
        ErrorCode::InvalidTarget,
        "A resource is not an API of this server, or the token would be for several APIs.",
    ),
    (
        ErrorCode::InvalidAuthorizationDetails,
        "A type of authorization details is unknown or not one that the client is registered for, \
         or one of its fields is unknown, missing or not as the type has it; error_description says \
         which.",
    ),
    (
        ErrorCode::LoginRequired,
        "The user has to sign in and prompt=none forbids to ask. Send the user again without it.",
    ),
    (
        ErrorCode::ConsentRequired,
        "The user has to be asked and prompt=none forbids it. Send the user again without it.",
    ),
    (
        ErrorCode::InteractionRequired,
        "The user has to do something and prompt=none forbids it. Send the user again without it.",
    ),
    (ErrorCode::RequestNotSupported, "Request objects are not supported; send plain parameters."),
    (
        ErrorCode::RequestUriNotSupported,
        "Request objects by reference are not supported; send plain parameters.",
    ),
];

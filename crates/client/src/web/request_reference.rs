//! Requests that the server fetches from the app (RFC 9101 section 5.2, OpenID Connect Core 1.0
//! section 6.2).
//!
//! Nothing is kept for a browser that may never come: the address has the request in it, sealed, and
//! every process of the app can write its object.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use keystile_protocol::Timestamp;
use keystile_protocol::seal::{Sealable, Sealed};
use serde::{Deserialize, Serialize};

use crate::client::{Client, Inner};
use crate::flow::{Parameters, request_object};

/// The server comes while the browser waits.
const LIFETIME: Duration = Duration::from_mins(5);
/// RFC 9101 section 10.8.1.
const MEDIA_TYPE: &str = "application/oauth-authz-req+jwt";

/// A request, but what is the same for all: an address should be short (OpenID Connect Core 1.0
/// section 6.2).
#[derive(Debug, Serialize, Deserialize)]
struct Referred {
    parameters: Parameters,
    at: Timestamp,
}

impl Sealable for Referred {
    const PURPOSE: &'static str = "client-request-1";
}

/// Where the server fetches this request; nothing where requests are not fetched.
pub(super) fn address(inner: &Inner, parameters: &Parameters) -> Option<String> {
    let path = inner.paths.requests.as_ref()?;
    let same = always(inner);
    let parameters = parameters.iter().filter(|it| !same.contains(it)).cloned().collect();
    let sealed = inner.sealed(&Referred { parameters, at: inner.now() });
    Some(format!("{}{path}/{}", inner.app.origin, sealed.as_str()))
}

/// `GET` of such an address, by the server.
pub(super) async fn fetch(State(client): State<Client>, Path(sealed): Path<String>) -> Response {
    let inner = client.inner();
    let opened = inner.sessions.seals().open(&Sealed::<Referred>::from_text(sealed), 0);
    let referred = opened.ok().filter(|it| inner.now().since(it.at) <= LIFETIME);
    let Some(referred) = referred else { return StatusCode::NOT_FOUND.into_response() };
    let differs = |name: &str| referred.parameters.iter().any(|(other, _)| other == name);
    let mut parameters = always(inner);
    parameters.retain(|(name, value)| !value.is_empty() && !differs(name));
    parameters.extend(referred.parameters);
    let app = &inner.app;
    let key = app.signing_key.as_ref().filter(|_| app.features.signed_requests);
    match request_object(&parameters, key, &app.client_id, &app.issuer, inner.now()) {
        Ok(object) => {
            // What it says of the login, an ID token repeats.
            inner.taints.public(&object);
            let headers = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
            (headers, object).into_response()
        }
        Err(problem) => {
            tracing::error!(%problem, "a request could not be signed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn always(inner: &Inner) -> Parameters {
    let app = &inner.app;
    let pairs = [
        ("response_type", "code"),
        ("client_id", app.client_id.as_str()),
        ("redirect_uri", &app.redirect_uri),
        ("scope", app.scope.as_str()),
        ("code_challenge_method", "S256"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

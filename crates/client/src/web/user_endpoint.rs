//! Who is signed in, for a front end that runs in the browser.

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

use super::same_origin::Proof;
use super::told::Told;
use crate::client::Client;
use crate::session::SessionRecord;

/// Claims that are about a token and not about the user.
const ABOUT_A_TOKEN: [&str; 12] = [
    "at_hash", "aud", "azp", "c_hash", "exp", "iat", "iss", "jti", "nbf", "nonce", "s_hash", "sid",
];

pub(crate) fn user_endpoint<S: Clone + Send + Sync + 'static>(client: &Client) -> MethodRouter<S> {
    let client = client.clone();
    get(move |request: Request| async move { answer(&client, request).await.into_response() })
}

async fn answer(client: &Client, request: Request) -> Result<Response, Told> {
    let (mut parts, _) = request.into_parts();
    client.is_own_script(&parts, Proof::Header)?;
    let session = client.session_of_script(&mut parts).await?;
    let inner = client.inner();
    let left = session.expires_at().since(inner.now()).as_secs();
    let mut response = Json(json!({
        "claims": claims(&session.record),
        "session_ends_in": left,
        "login": inner.paths.login,
        "logout": inner.paths.logout,
    }))
    .into_response();
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

fn claims(record: &SessionRecord) -> Map<String, Value> {
    let subject = record.subject.iter().map(|subject| ("sub".to_owned(), json!(subject)));
    let about = |name: &String| !ABOUT_A_TOKEN.contains(&name.as_str());
    let claims = record.claims.iter().filter(|(name, _)| about(name));
    claims.map(|(name, value)| (name.clone(), value.clone())).chain(subject).collect()
}

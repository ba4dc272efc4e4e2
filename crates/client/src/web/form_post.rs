//! Responses that the browser posts (OAuth 2.0 Form Post Response Mode).
//!
//! The post comes from another site, and `SameSite=Lax` keeps the login's cookie out of it: good,
//! and it cannot be finished there. So what was posted goes sealed into an address of our own, where
//! the browser comes with its cookies. Nobody reads a code out of that address.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use keystile_protocol::params::with_query;
use keystile_protocol::seal::{Sealable, Sealed};
use keystile_protocol::{Params, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::pages;
use crate::client::{Client, Inner};

/// The parameter that it comes in.
const POSTED: &str = "posted";
/// The browser comes at once.
const LIFETIME: Duration = Duration::from_mins(1);
/// A longer answer is none, in bytes: it becomes a part of an address.
pub(super) const AT_MOST: usize = 6 * 1024;

/// What was posted, on its way through the browser.
#[derive(Debug, Serialize, Deserialize)]
struct Posted {
    form: Secret,
    at: Timestamp,
}

impl Sealable for Posted {
    const PURPOSE: &'static str = "client-posted-1";
}

/// `POST` to the redirect URI.
pub(super) async fn receive(State(client): State<Client>, form: Bytes) -> Response {
    let inner = client.inner();
    let form = Secret::new(String::from_utf8_lossy(&form));
    let posted = Posted { form, at: inner.now() };
    let sealed = inner.sealed(&posted);
    pages::redirect(&with_query(&inner.paths.callback, &[(POSTED, sealed.as_str())]))
}

/// What was posted, where that is what came; the parameters as they are otherwise. Where posts are
/// asked for, nothing else is taken.
pub(super) fn opened(inner: &Inner, params: Params) -> Params {
    if !inner.app.features.form_post {
        return params;
    }
    let sealed = params.optional(POSTED).ok().flatten().map(Sealed::<Posted>::from_text);
    let posted = sealed.and_then(|sealed| inner.sessions.seals().open(&sealed, 0).ok());
    let posted = posted.filter(|posted| inner.now().since(posted.at) <= LIFETIME);
    posted.and_then(|it| Params::parse(it.form.expose().as_bytes()).ok()).unwrap_or_default()
}

//! No token was ever in this browser: a search through everything that was sent to it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use keystile_client::User;
use keystile_client::leak_proof::RUN;
use minijinja::context;
use serde::Serialize;

use super::App;
use super::gallery::person;
use super::pages::to_value;
use super::watch::{Proof, Record, cookie};

/// Rows of the table of responses that are shown; all are searched.
const SHOWN_AT_MOST: usize = 60;

#[derive(Serialize)]
struct SecretRow {
    kind: &'static str,
    mark: String,
    length: usize,
    found: usize,
}

#[derive(Serialize)]
struct ResponseRow {
    what: String,
    status: u16,
    head_bytes: usize,
    body_bytes: usize,
    found: usize,
}

/// `GET /proof`.
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    headers: HeaderMap,
    user: Option<User>,
) -> Response {
    // The browser's own handle was sent to it: the search has to find that one.
    let control = cookie(&headers, &app.cookie).map(|handle| record.runs_of(&handle));
    let Proof { responses, gone, dropped, mut secrets } = record.search();
    secrets.sort_by_key(|(known, _)| known.kind);
    let secrets: Vec<SecretRow> = secrets
        .iter()
        .map(|(known, found)| SecretRow {
            kind: known.kind,
            mark: app.masker.mask(&known.value),
            length: known.value.len(),
            found: *found,
        })
        .collect();
    let total: usize = secrets.iter().map(|secret| secret.found).sum::<usize>();
    let total = total + gone.found + dropped.found;
    let bytes: usize = responses.iter().map(|r| r.head_bytes + r.body_bytes).sum();
    let (count, rows) = (responses.len() + gone.responses, responses.into_iter().rev());
    let rows: Vec<ResponseRow> = rows
        .take(SHOWN_AT_MOST)
        .map(|r| ResponseRow {
            what: r.what,
            status: r.status,
            head_bytes: r.head_bytes,
            body_bytes: r.body_bytes,
            found: r.found,
        })
        .collect();
    let context = context! {
        person => user.as_ref().map(person),
        total, count, run => RUN, bytes => bytes + gone.bytes,
        gone => context! { responses => gone.responses, bytes => gone.bytes },
        control, dropped => dropped.secrets,
        hidden => (count - gone.responses).saturating_sub(rows.len()),
        secrets => to_value(secrets),
        responses => to_value(rows),
    };
    app.pages.render(StatusCode::OK, "proof.html", &context)
}

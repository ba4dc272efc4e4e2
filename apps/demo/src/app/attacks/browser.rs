//! The panel's routes.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use keystile_client::User;

use super::by_redirect::{self, Returned};
use super::wire::{Play, Silent};
use super::{Attack, Attempt, Outcome, direct};
use crate::app::App;
use crate::app::pages::{self, Trouble};
use crate::app::watch::Record;

/// More of a query is not looked at, in bytes.
const QUERY_AT_MOST: usize = 8 * 1024;

/// `POST /break/{id}`: plays the attack, or sends the browser on its way.
pub(crate) async fn play(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    Path(id): Path<String>,
) -> Response {
    let Some(attack) = Attack::named(&id) else { return Trouble::not_found().page(&app) };
    let played = if attack.by_redirect {
        send_off(attack, &app, &record).await
    } else {
        play_direct(attack, &app, &record).await
    };
    played.unwrap_or_else(|silent| Trouble::away(&silent.to_string()).page(&app))
}

async fn send_off(attack: &Attack, app: &App, record: &Record) -> Result<Response, Silent> {
    let endpoints = app.wire.endpoints(&app.settings.issuer).await?;
    let Some((url, attempt)) = by_redirect::begin(attack, app, record, endpoints) else {
        return Ok(Trouble::not_found().page(app));
    };
    record.begin(attempt);
    Ok(Redirect::to(url.as_str()).into_response())
}

async fn play_direct(attack: &Attack, app: &App, record: &Record) -> Result<Response, Silent> {
    let mut play = Play::new(app, record);
    let mut outcome = direct::play(attack, &mut play).await?;
    outcome.messages = play.messages;
    record.keep_outcome(outcome);
    Ok(to_result(attack.id))
}

/// `GET /break/callback`: the browser is back.
pub(crate) async fn callback(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.filter(|query| query.len() <= QUERY_AT_MOST).unwrap_or_default();
    let returned: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let state = returned.iter().find(|(name, _)| name == "state").map(|(_, value)| value);
    let Some(attempt) = state.and_then(|state| record.take_attempt(state)) else {
        return Trouble::nothing_under_way().page(&app);
    };
    finish(&attempt, &returned, &app, &record).await
}

async fn finish(
    attempt: &Attempt,
    returned: &[(String, String)],
    app: &App,
    record: &Record,
) -> Response {
    let mut play = Play::new(app, record);
    let finished = by_redirect::finish(attempt, &Returned(returned), &mut play).await;
    let mut outcome =
        finished.unwrap_or_else(|silent| Outcome::open(attempt.id, format!("{silent}.")));
    outcome.messages = play.messages;
    record.keep_outcome(outcome);
    to_result(attempt.id)
}

fn to_result(id: &str) -> Response {
    Redirect::to(&format!("/break/{id}")).into_response()
}

/// `GET /break/{id}`: what the parties said.
pub(crate) async fn result(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    Path(id): Path<String>,
    user: Option<User>,
) -> Response {
    let Some(attack) = Attack::named(&id) else { return Trouble::not_found().page(&app) };
    match record.outcome(attack.id) {
        Some(outcome) => pages::attack(&app, user.as_ref(), attack, &outcome),
        None => Redirect::to("/inspector#break").into_response(),
    }
}

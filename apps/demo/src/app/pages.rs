//! Templates, and what every page has.

mod trouble;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, header};
use keystile_client::User;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;

use super::App;
use super::attacks::{ATTACKS, Attack, Outcome};
use super::gallery::person;
use super::watch::{Message, Record, lay_out};
use crate::settings::DemoError;
pub(crate) use trouble::Trouble;

const TEMPLATES: [(&str, &str); 8] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("front.html", include_str!("../../templates/front.html")),
    ("photos.html", include_str!("../../templates/photos.html")),
    ("inspector.html", include_str!("../../templates/inspector.html")),
    ("panels.html", include_str!("../../templates/panels.html")),
    ("attack.html", include_str!("../../templates/attack.html")),
    ("proof.html", include_str!("../../templates/proof.html")),
    ("trouble.html", include_str!("../../templates/trouble.html")),
];

/// The parsed templates.
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    pub(crate) fn new() -> Result<Self, DemoError> {
        let mut environment = Environment::new();
        environment
            .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        Ok(Self(environment))
    }

    /// The page; a fault of a template is logged and not shown.
    pub(crate) fn render(&self, status: StatusCode, name: &str, context: &Value) -> Response {
        match self.0.get_template(name).and_then(|template| template.render(context)) {
            Ok(page) => (status, Html(page)).into_response(),
            Err(error) => {
                tracing::error!("{name}: {error:#}");
                (StatusCode::INTERNAL_SERVER_ERROR, "This page is broken.\n").into_response()
            }
        }
    }
}

/// A value for a template.
pub(crate) fn to_value(value: impl Serialize) -> Value {
    Value::from(Serde(value))
}

/// A row of the break-it panel.
#[derive(Serialize)]
struct Button {
    #[serde(flatten)]
    attack: &'static Attack,
    played: bool,
    held: bool,
}

/// What flow inspector and break-it panel show, for a browser.
pub(crate) fn panels(record: &Record) -> Value {
    let (messages, forgotten) = record.messages();
    let played = record.played();
    let buttons: Vec<Button> = ATTACKS
        .iter()
        .map(|attack| {
            let result = played.iter().find(|(id, _)| *id == attack.id);
            let held = result.is_some_and(|(_, held)| *held);
            Button { attack, played: result.is_some(), held }
        })
        .collect();
    let arrows = to_value(lay_out(&messages));
    context! { arrows, forgotten, buttons => to_value(buttons) }
}

/// The result of an attack.
pub(crate) fn attack(
    app: &App,
    user: Option<&User>,
    attack: &Attack,
    outcome: &Outcome,
) -> Response {
    let messages: &[Message] = &outcome.messages;
    let context = context! {
        person => user.map(person),
        attack => to_value(attack),
        outcome => to_value(outcome),
        arrows => to_value(lay_out(messages)),
    };
    app.pages.render(StatusCode::OK, "attack.html", &context)
}

/// `GET /assets/style.css`.
pub(crate) async fn style() -> impl IntoResponse {
    asset("text/css", include_str!("../../assets/style.css"))
}

/// `GET /assets/icon.svg`.
pub(crate) async fn icon() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("../../assets/icon.svg"))
}

/// `GET /assets/hero.svg`.
pub(crate) async fn hero() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("../../assets/hero.svg"))
}

fn asset(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "max-age=300")], text)
}

/// Whatever else is asked for.
pub(crate) async fn not_found(State(app): State<Arc<App>>) -> Response {
    Trouble::not_found().page(&app)
}

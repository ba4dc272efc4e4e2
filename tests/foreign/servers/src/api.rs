//! The API.

use axum::routing::get;
use axum::{Json, Router};
use keystile_resource::{Guard, Token};
use serde_json::{Value, json};

use crate::Result;
use crate::settings::Settings;

/// Starts it.
pub(crate) async fn serve(settings: &Settings) -> Result<()> {
    let guard = Guard::builder(settings.trusted(), &settings.api).build()?;
    let elsewhere = Guard::builder(settings.trusted(), "https://elsewhere.example").build()?;
    let asking = Guard::builder(settings.asked(), &settings.api).build()?;
    let app = Router::new()
        .route("/photos", get(photos).layer(guard.require("photos:read")))
        .route("/orders", get(photos).layer(guard.require("photos:order")))
        .route("/elsewhere", get(photos).layer(elsewhere))
        .route("/asked", get(photos).layer(asking));
    super::apps::listen(&settings.api, app).await
}

async fn photos(token: Token) -> Json<Value> {
    Json(json!({ "owner": token.subject(), "by_way_of": token.client_id() }))
}

//! An API guarded by one layer.
//!
//! ```sh
//! ISSUER=https://login.example API=http://localhost:4002 cargo run --example api
//! ```

use std::env::var;

use axum::routing::{get, post};
use axum::{Json, Router};
use keystile_resource::{Guard, Token};
use serde_json::{Value, json};

async fn photos(token: Token) -> Json<Value> {
    Json(json!({ "owner": token.subject(), "photos": ["the sea", "a cat"] }))
}

async fn order(token: Token) -> Json<Value> {
    Json(json!({ "ordered": 1, "by_way_of": token.client_id() }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Who issues tokens, and what this API is called there: its own address.
    let (issuer, api) = (var("ISSUER")?, var("API")?);
    let guard = Guard::builder(issuer, &api).build()?;
    // Clients that know nothing but the address are told where to get a token.
    let (guard, metadata) = guard.announced("photos:read photos:order")?;

    let app = Router::new()
        .route("/photos", get(photos).layer(guard.require("photos:read")))
        .route("/orders", post(order).layer(guard.require("photos:order")))
        .layer(guard)
        .merge(metadata)
        .route("/health", get(|| async { "well" }));

    let address = api.trim_start_matches("http://").trim_start_matches("https://");
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

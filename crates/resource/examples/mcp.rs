//! A server for the Model Context Protocol with one tool, protected by one line.
//!
//! ```sh
//! ISSUER=https://login.example ADDRESS=http://localhost:4003 cargo run --example mcp
//! ```

use std::env::var;

use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use keystile_resource::{Guard, Token};
use serde_json::{Value, json};

/// One JSON-RPC message in, and its answer out: as much of the protocol as one tool needs.
async fn answer(token: Token, Json(message): Json<Value>) -> Response {
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "greeter", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": [{
            "name": "greet",
            "description": "Greets whoever calls it",
            "inputSchema": { "type": "object" },
        }] }),
        Some("tools/call") if message["params"]["name"] == "greet" => {
            let text = format!("Hello, {}.", token.subject());
            json!({ "content": [{ "type": "text", "text": text }] })
        }
        // A notification has no answer.
        _ if message["id"].is_null() => return StatusCode::ACCEPTED.into_response(),
        _ => {
            let error = json!({ "code": -32601, "message": "there is no such method" });
            return Json(json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }))
                .into_response();
        }
    };
    Json(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })).into_response()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (issuer, address) = (var("ISSUER")?, var("ADDRESS")?);
    let tools = Router::new().route("/mcp", post(answer));
    // The one line: who issues tokens, what this server is called, which scope its tools need.
    let app =
        Guard::builder(issuer, format!("{address}/mcp")).build()?.protect(tools, "tools:run")?;

    let address = address.trim_start_matches("http://").trim_start_matches("https://");
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

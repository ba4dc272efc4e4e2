//! What the Model Context Protocol's authorization asks of a server: a client that knows nothing but
//! the address of an API gets a token for it (RFC 9728, 8414, 7591, 7636, 8707).

use axum::Router;
use axum::routing::get;
use keystile_protocol::Issuer;
use keystile_resource::{Guard, Token};
use reqwest::Response;
use serde_json::{Value, json};

use crate::harness::{Browser, Keystile, PASSWORD, free_port, new_directory};

/// An API below a path, which announces itself.
pub(super) async fn api(issuer: &str, port: u16) -> String {
    let url = format!("http://localhost:{port}/mcp");
    let guard = Guard::builder(issuer, &url).build().unwrap();
    let (guard, metadata) = guard.announced("tools:run").unwrap();
    let run = |token: Token| async move { format!("run for {}", token.subject()) };
    let app: Router =
        Router::new().route("/mcp", get(run)).layer(guard.require("tools:run")).merge(metadata);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

async fn json_at(url: &str) -> Value {
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 200, "{url}");
    response.json().await.unwrap()
}

fn metadata_url(refused: &Response) -> String {
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let (_, rest) = challenge.split_once("resource_metadata=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// An authorization server below a path, with one API.
pub(super) async fn server(port: u16, audience: &str) -> Keystile {
    let directory = new_directory();
    let config = format!(
        r#"
issuer = "http://localhost:{port}/tenant"
listen = "127.0.0.1:{port}"
[store]
url = "sqlite://data.db"
[password_hash]
memory_kib = 256
iterations = 1
[registration]
mode = "open"
scopes = "tools:run"
[[scopes]]
name = "tools:run"
title = "run tools"
[[apis]]
audience = "{audience}"
scopes = "tools:run"
[[apis]]
audience = "https://other.example"
[[users]]
username = "alice"
password = "{PASSWORD}"
"#
    );
    std::fs::write(directory.join("keystile.toml"), config).unwrap();
    Keystile::start_in(directory, port).await
}

#[tokio::test]
async fn from_a_401_of_an_api_to_a_token_for_it() {
    let (port, api_port) = (free_port(), free_port());
    let server = server(port, &format!("http://localhost:{api_port}/mcp")).await;
    let api = api(&server.url("/tenant"), api_port).await;

    // Who issues tokens for this API? (RFC 9728 section 5)
    let refused = reqwest::get(&api).await.unwrap();
    let resource = json_at(&metadata_url(&refused)).await;
    assert_eq!(resource["resource"], api, "RFC 9728 section 3.3");
    let issuer = resource["authorization_servers"][0].as_str().unwrap();

    // What can it do? (RFC 8414 section 3.1: the path comes after the well-known part.)
    let issuer_metadata = Issuer::try_from(issuer).unwrap().oauth_metadata_url();
    assert!(issuer_metadata.ends_with("/.well-known/oauth-authorization-server/tenant"));
    let metadata = json_at(&issuer_metadata).await;
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    let endpoint = |name: &str| metadata[name].as_str().unwrap().to_owned();

    // A client of its own (RFC 7591), as such clients say it: without an application_type.
    let said = json!({
        "client_name": "Tool Runner", "redirect_uris": ["http://127.0.0.1:33418/callback"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "none", "scope": resource["scopes_supported"][0],
    });
    let http = reqwest::Client::new();
    let client = http.post(endpoint("registration_endpoint")).json(&said).send().await.unwrap();
    assert_eq!(client.status(), 201);
    let client: Value = client.json().await.unwrap();
    assert_eq!(client["scope"], "tools:run");
    let client_id = client["client_id"].as_str().unwrap();

    // The code grant with PKCE, for this API (RFC 8707), on another port (RFC 8252 section 7.3).
    let verifier = keystile_protocol::CodeVerifier::from_random([7; 32]);
    let challenge = verifier.challenge().to_string();
    let redirect_uri = "http://127.0.0.1:50999/callback";
    let request = |resource: &str| {
        let pairs = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("scope", "tools:run"),
            ("state", "s"),
            ("resource", resource),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        keystile_protocol::params::with_query(&endpoint("authorization_endpoint"), &pairs)
    };
    let mut browser = Browser::new();
    let unknown = browser.open(request("https://nowhere.example")).await;
    assert_eq!(unknown.query("error").as_deref(), Some("invalid_target"));
    let page = browser.open(request(&api)).await;
    assert!(page.text().contains("Tool Runner") && page.text().contains("127.0.0.1"));
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.is_consent() && page.text().contains("run tools"), "{}", page.text());
    let page = browser.press(&page, "consent-allow", &[]).await;
    assert_eq!(page.query("iss").as_deref(), Some(issuer));
    let code = page.query("code").expect("a code");
    let redeem = |resource: String| {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.expose()),
            ("resource", &resource),
        ];
        crate::harness::form(http.post(endpoint("token_endpoint")), &pairs).send()
    };
    let other = redeem("https://other.example".to_owned()).await.unwrap();
    assert_eq!(other.status(), 400);
    assert_eq!(other.json::<Value>().await.unwrap()["error"], "invalid_target");
    let tokens: Value = redeem(api.clone()).await.unwrap().json().await.unwrap();
    let token = tokens["access_token"].as_str().expect("a token");

    let answer = http.get(&api).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().starts_with("run for "));
}

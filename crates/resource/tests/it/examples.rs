//! The examples, as a user starts them.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::issuer::Issuer;

/// An example that runs; it ends with the test.
struct Example {
    child: Child,
    url: String,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `cargo test` builds the examples beside the tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    let program = target.join("examples").join(name);
    assert!(program.exists(), "build it: cargo build --package keystile-resource --examples");
    program
}

impl Example {
    async fn start(name: &str, issuer: &Issuer, address: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", port.local_addr().expect("bound"));
        drop(port);
        let child = Command::new(program(name))
            .env("ISSUER", &issuer.url)
            .env(address, &url)
            .spawn()
            .expect("it starts");
        let example = Self { child, url };
        for _ in 0..500 {
            if reqwest::get(&example.url).await.is_ok() {
                return example;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} does not answer");
    }
}

async fn json_of(response: Response) -> Value {
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn an_api_guarded_by_one_layer() {
    let issuer = Issuer::start().await;
    let api = Example::start("api", &issuer, "API").await;
    let http = Client::new();
    let at = |path: &str| format!("{}{path}", api.url);
    let token = issuer.token(&[("aud", json!(api.url)), ("scope", json!("photos:read"))]);
    let health = http.get(at("/health")).send().await.expect("an answer");
    assert_eq!(health.status(), 200);
    let without = http.get(at("/photos")).send().await.expect("an answer");
    assert_eq!(without.status(), 401);
    let photos = http.get(at("/photos")).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(photos.status(), 200);
    assert_eq!(json_of(photos).await["owner"], "alice");
    let order = http.post(at("/orders")).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(order.status(), 403);
    let metadata = http.get(at("/.well-known/oauth-protected-resource")).send().await;
    assert_eq!(json_of(metadata.expect("an answer")).await["resource"], api.url);
}

#[tokio::test]
async fn an_mcp_server_protected_by_one_line() {
    let issuer = Issuer::start().await;
    let server = Example::start("mcp", &issuer, "ADDRESS").await;
    let http = Client::new();
    let url = format!("{}/mcp", server.url);
    let call = |id: Option<u32>, method: &str, params: Value| {
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let Some(id) = id {
            message["id"] = json!(id);
        }
        http.post(&url).json(&message)
    };
    let refused = call(Some(1), "initialize", json!({})).send().await.expect("an answer");
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().expect("text").to_owned();
    assert!(challenge.contains(r#"scope="tools:run""#), "{challenge}");
    let (_, metadata) = challenge.split_once("resource_metadata=\"").expect("metadata");
    let metadata = metadata.split('"').next().expect("one");
    let metadata = json_of(http.get(metadata).send().await.expect("an answer")).await;
    assert_eq!(metadata["authorization_servers"], json!([issuer.url]));
    assert_eq!(metadata["resource"], url);

    let token = issuer.token(&[("aud", json!(url)), ("scope", json!("tools:run"))]);
    let ask = async |id, method, params| {
        call(id, method, params).bearer_auth(&token).send().await.expect("an answer")
    };
    let hello = json_of(ask(Some(1), "initialize", json!({})).await).await;
    assert_eq!(hello["result"]["serverInfo"]["name"], "greeter");
    assert_eq!(ask(None, "notifications/initialized", json!({})).await.status(), 202);
    let tools = json_of(ask(Some(2), "tools/list", json!({})).await).await;
    assert_eq!(tools["result"]["tools"][0]["name"], "greet");
    let greeting = json_of(ask(Some(3), "tools/call", json!({ "name": "greet" })).await).await;
    assert_eq!(greeting["result"]["content"][0]["text"], "Hello, alice.");
    let unknown = json_of(ask(Some(4), "resources/list", json!({})).await).await;
    assert_eq!(unknown["error"]["code"], -32601);
}

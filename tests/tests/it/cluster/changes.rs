//! What changes on one node, of clients and keys, the other works with within two seconds.

use serde_json::{Value, json};

use super::{offline, wait_until};
use crate::harness::{App, Browser, Cluster, Keystile, Plan};

/// Runs the command line at a node and reads its JSON.
fn command(node: &Keystile, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--json", "--config", "keystile.toml"]);
    let output = node.command(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

async fn machine_token(app: &App) -> String {
    match app.token(&[("grant_type", "client_credentials")]).await {
        Ok(tokens) => tokens.text("token_type").to_owned(),
        Err(error) => error.error,
    }
}

#[tokio::test]
async fn a_client_of_one_node_works_at_the_other_and_is_gone_there_when_it_is_removed() {
    let cluster = Cluster::start().await;
    let mut app = cluster.app();
    app.client_id = "made".to_owned();
    for node in [0, 1] {
        cluster.only(node);
        assert_eq!(machine_token(&app).await, "invalid_client", "nobody knows it yet");
    }
    let add = ["client", "add", "made", "--grant-type", "client_credentials"];
    let made = command(&cluster.nodes[0], &[&add[..], &["--scope", "photos:read"]].concat());
    app.secret = made["client_secret"].as_str().map(str::to_owned);
    for node in [0, 1] {
        cluster.only(node);
        assert_eq!(machine_token(&app).await, "Bearer", "at once: nothing is remembered of it");
    }
    command(&cluster.nodes[1], &["client", "remove", "made"]);
    for node in [0, 1] {
        cluster.only(node);
        let gone = async || machine_token(&app).await == "invalid_client";
        wait_until("the client is gone", gone).await;
    }
}

#[tokio::test]
async fn a_secret_rotated_at_one_node_works_at_the_other_at_once() {
    let cluster = Cluster::start().await;
    let add = ["client", "add", "made", "--grant-type", "client_credentials"];
    let made = command(&cluster.nodes[0], &[&add[..], &["--scope", "photos:read"]].concat());
    let mut app = cluster.app();
    app.client_id = "made".to_owned();
    app.secret = made["client_secret"].as_str().map(str::to_owned);
    let old = app.clone();
    for node in [0, 1] {
        cluster.only(node);
        assert_eq!(machine_token(&app).await, "Bearer", "now both remember it");
    }
    let rotated =
        command(&cluster.nodes[0], &["client", "rotate-secret", "made", "--overlap", "0"]);
    app.secret = rotated["client_secret"].as_str().map(str::to_owned);
    for node in [0, 1] {
        cluster.only(node);
        assert_eq!(machine_token(&app).await, "Bearer");
        let refused = async || machine_token(&old).await == "invalid_client";
        wait_until("the old secret is refused", refused).await;
    }
}

#[tokio::test]
async fn a_client_that_registers_itself_at_one_node_signs_users_in_at_the_other_rfc_7591() {
    let more = "[registration]\nmode = \"open\"\nscopes = \"photos:read\"\n";
    let cluster = Cluster::start_with(Plan { more, ..Plan::default() }).await;
    cluster.only(0);
    let said = json!({
        "redirect_uris": ["https://dynamic.example/callback"], "client_name": "Dynamic App",
        "id_token_signed_response_alg": "ES256",
    });
    let request = reqwest::Client::new().post(cluster.url("/register"));
    let request = request.header("content-type", "application/json").body(said.to_string());
    let client: Value = request.send().await.unwrap().json().await.unwrap();
    let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str());
    let app = App::new(&cluster.url(""), id, secret, "https://dynamic.example/callback");
    cluster.only(1);
    let tokens = app.with_scope("openid").tokens(&mut Browser::new()).await;
    assert!(tokens.json["id_token"].is_string());
}

#[tokio::test]
async fn a_user_of_one_node_signs_in_at_the_other_and_is_gone_there_when_removed() {
    let cluster = Cluster::start().await;
    let app = offline(&cluster);
    let carol = command(&cluster.nodes[1], &["user", "add", "carol"]);
    cluster.only(0);
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let page = browser.sign_in(&page, "carol", carol["password"].as_str().unwrap()).await;
    let page = browser.press(&page, "consent-allow", &[]).await;
    cluster.only(1);
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    command(&cluster.nodes[0], &["user", "remove", "carol"]);
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401);
    assert_eq!(app.refresh(tokens.refresh_token()).await.unwrap_err().error, "invalid_grant");
}

async fn published(node: &Keystile) -> Vec<String> {
    let keys: Value = reqwest::get(node.url("/jwks")).await.unwrap().json().await.unwrap();
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_made_at_one_node_is_published_by_the_other_and_tokens_are_good_at_both() {
    let cluster = Cluster::start().await;
    let app = offline(&cluster);
    let mut browser = Browser::new();
    let old = app.tokens(&mut browser).await;
    let before = published(&cluster.nodes[0]).await;
    command(&cluster.nodes[0], &["key", "rotate", "--algorithm", "ES256"]);
    for node in &cluster.nodes {
        let more = async || published(node).await.len() > before.len();
        wait_until("the new key is published", more).await;
    }
    let one = published(&cluster.nodes[0]).await;
    assert_eq!(one, published(&cluster.nodes[1]).await);
    assert!(before.iter().all(|kid| one.contains(kid)), "the old one stays published");
    for signed_by in [0, 1] {
        cluster.only(signed_by);
        let new = app.tokens(&mut browser).await;
        for node in [0, 1] {
            cluster.only(node);
            assert_eq!(app.userinfo(new.access_token()).await.0, 200);
            assert_eq!(app.userinfo(old.access_token()).await.0, 200);
        }
    }
}

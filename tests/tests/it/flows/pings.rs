//! Clients are told that their user has answered (OpenID Connect CIBA Core 1.0 section 10.2).

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    App, Asked, Browser, Keystile, Listener, SHOPS, Told, allow_newest, requests,
};

const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255-._~+/==";
const SECRET: &str = "the secret of the bank, forty characters long";

async fn start(listener: &Listener) -> Keystile {
    let bank = format!(
        r#"
[[clients]]
client_id = "bank"
client_secret = "{SECRET}"
client_name = "Bank"
grant_types = ["urn:openid:params:grant-type:ciba"]
backchannel_token_delivery_mode = "ping"
backchannel_client_notification_endpoint = "{}"
scope = "openid"
id_token_signed_response_alg = "ES256"

[outbound]
allow_loopback = true
"#,
        listener.url
    );
    Keystile::start_with(&format!("{SHOPS}\n{bank}")).await
}

fn bank(server: &Keystile) -> App {
    App::new(&server.issuer, "bank", Some(SECRET), "")
}

async fn begin(server: &Keystile, token: &str) -> Asked {
    Asked::begin(bank(server), &[("client_notification_token", token)]).await
}

fn check(told: &Told, asked: &Asked, token: &str) {
    let head = told.head.to_ascii_lowercase();
    assert!(told.head.starts_with("POST /told HTTP/1.1\r\n"), "{}", told.head);
    assert!(head.contains("content-type: application/json\r\n"), "{}", told.head);
    let bearer = format!("authorization: Bearer {token}");
    assert!(told.head.lines().any(|line| line == bearer), "{}", told.head);
    let body: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(body, json!({ "auth_req_id": asked.auth_req_id() }));
}

#[tokio::test]
async fn a_yes_and_a_no_are_both_told_with_the_clients_token_ciba_10_2() {
    let listener = Listener::start(&[]).await;
    let server = start(&listener).await;
    let long = "t".repeat(1024);
    let asked = [begin(&server, TOKEN).await, begin(&server, &long).await];
    assert_eq!(asked[0].refused().await, "authorization_pending", "it may poll too");
    let mut browser = Browser::new();
    let page = requests(&server, &mut browser, "alice").await;
    assert!(listener.so_far().is_empty());
    browser.press(&page, "request-2-allow", &[]).await;
    check(&listener.heard(1).await[0], &asked[0], TOKEN);
    browser.press(&page, "request-1-deny", &[]).await;
    check(&listener.heard(2).await[1], &asked[1], &long);
    assert!(asked[0].poll().await.is_ok());
    assert_eq!(asked[1].refused().await, "access_denied");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(listener.so_far().len(), 2, "told once");
    let said = server.log();
    assert!(said.contains("a ping") && !said.contains(TOKEN), "{said}");
    assert!(!said.contains(asked[0].auth_req_id()));
    let database = std::fs::read(server.database()).unwrap();
    for secret in [TOKEN, asked[0].auth_req_id()] {
        let found = database.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "at rest it is sealed");
    }
}

#[tokio::test]
async fn a_request_that_ends_without_a_word_is_told_too() {
    let listener = Listener::start(&[]).await;
    let server = start(&listener).await;
    let more = [("client_notification_token", TOKEN), ("requested_expiry", "1")];
    let asked = Asked::begin(bank(&server), &more).await;
    check(&listener.heard(1).await[0], &asked, TOKEN);
    assert_eq!(asked.refused().await, "expired_token");
}

#[tokio::test]
async fn any_answer_ends_it_and_no_redirect_is_followed_ciba_10_2() {
    let listener = Listener::start(&[401, 403, 301]).await;
    let server = start(&listener).await;
    let mut browser = Browser::new();
    for told in 1..=3 {
        let asked = begin(&server, TOKEN).await;
        allow_newest(&server, &mut browser).await;
        check(&listener.heard(told).await[told - 1], &asked, TOKEN);
        assert!(asked.poll().await.is_ok());
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(listener.so_far().len(), 3);
}

#[tokio::test]
async fn a_client_that_cannot_listen_is_told_again_by_whoever_runs_then() {
    let listener = Listener::start(&[503]).await;
    let server = start(&listener).await;
    let asked = begin(&server, TOKEN).await;
    let mut browser = Browser::new();
    allow_newest(&server, &mut browser).await;
    listener.heard(1).await;
    let server = server.restart().await;
    check(&listener.heard(2).await[1], &asked, TOKEN);
    assert!(asked.poll().await.is_ok());
    drop(server);
}

#[tokio::test]
async fn a_token_for_pings_is_needed_and_is_one_ciba_7_1() {
    let listener = Listener::start(&[]).await;
    let server = start(&listener).await;
    let bank = bank(&server);
    let base = [("scope", "openid"), ("login_hint", "alice")];
    let error = Asked::ask(&bank, &base).await.unwrap_err();
    assert_eq!(error.error, "invalid_request", "missing");
    for bad in ["a b", "a\r\nX: y", "", &"t".repeat(1025)] {
        let pairs = [&base[..], &[("client_notification_token", bad)]].concat();
        assert_eq!(Asked::ask(&bank, &pairs).await.unwrap_err().error, "invalid_request", "{bad}");
    }
    // Who polls is told nothing, whatever it sends.
    Asked::begin(Asked::shop(&server), &[("client_notification_token", TOKEN)]).await;
    allow_newest(&server, &mut Browser::new()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(listener.so_far().is_empty());
}

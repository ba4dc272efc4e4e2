//! What is too large to travel waits in the store: pushed requests and codes (RFC 9126).

use keystile_protocol::Params;
use serde_json::{Value, json};

use crate::harness::{App, Browser, Keystile, PASSWORD, large_payment};

/// A payment of several kilobytes, pushed: the answer and its status.
async fn push(app: &App) -> (reqwest::StatusCode, Value, String) {
    let mut pairs = app.request();
    // A public client names itself in the call already.
    pairs.retain(|(name, _)| name != "client_id");
    pairs.push(("authorization_details".to_owned(), json!([large_payment()]).to_string()));
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = app.call("/par", &pairs).send().await.unwrap();
    let retry_after = answer.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
    (answer.status(), answer.json().await.unwrap(), retry_after.unwrap_or_default())
}

/// Where the browser goes with it.
async fn pushed(app: &App) -> String {
    let (status, answer, _) = push(app).await;
    assert_eq!(status, 201, "{answer}");
    let request_uri = answer["request_uri"].as_str().unwrap();
    format!("{}/authorize?client_id={}&request_uri={request_uri}", app.issuer, app.client_id)
}

fn error(page: &crate::harness::Page) -> String {
    page.query("error").unwrap_or_else(|| panic!("no error at {}", page.url))
}

#[tokio::test]
async fn a_large_request_goes_through_short_addresses_to_tokens_finding_37() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let address = pushed(&app).await;
    assert!(address.len() < 500, "{}", address.len());
    let mut browser = Browser::new();
    let page = browser.open(&address).await;
    assert!(page.is_sign_in() && page.url.as_str().len() < 500, "{}", page.url.as_str().len());
    let reloaded = browser.open(page.url.as_str()).await;
    let wrong = browser.sign_in(&reloaded, "alice", "not the password").await;
    let consent = browser.sign_in(&wrong, "alice", PASSWORD).await;
    assert!(consent.is_consent() && consent.url.as_str().len() < 500);
    assert!(consent.text().contains("Document \u{b7} 40 \u{b7} Name No. 39"), "all of it");
    let sealed = consent.field("consent").unwrap();
    assert!(sealed.len() < 1000, "the page's seal has a reference and not the request");
    let back = browser.press(&consent, "consent-allow", &[]).await;
    let code = back.query("code").expect("a code");
    assert!(code.len() <= 1024 && back.url.as_str().len() < 3500, "{}", code.len());

    let tokens = app.redeem(&code).await.unwrap();
    assert_eq!(tokens.json["authorization_details"], json!([large_payment()]));
    let active = app.introspect(tokens.access_token()).await;
    assert_eq!(active["active"], true, "our own endpoints read so long a token");
    let again = browser.open(&address).await;
    assert_eq!(error(&again), "invalid_request_uri", "RFC 9126 section 4");
    assert_eq!(again.query("state").as_deref(), Some("the state & more"));
    assert_eq!(app.redeem(&code).await.unwrap_err().error, "invalid_grant");
    let revoked = app.introspect(tokens.access_token()).await;
    assert_eq!(revoked["active"], false, "a code that is used twice (RFC 6749 section 4.1.2)");
}

#[tokio::test]
async fn what_lies_in_the_store_is_no_code() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let page = app.callback_by(&mut Browser::new(), "alice", &pushed(&app).await).await;
    let code = page.query("code").expect("a code");
    let mut stored = std::fs::read(server.database()).unwrap();
    stored.extend(std::fs::read(server.directory.join("data.db-wal")).unwrap_or_default());
    let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("No. 39") && !holds(&code) && !holds(&code[20..]));
}

#[tokio::test]
async fn of_two_approvals_of_a_large_request_one_gives_the_grant_finding_22() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let address = pushed(&app).await;
    let mut browser = Browser::new();
    let first = app.callback_by(&mut browser, "alice", &address).await.query("code").unwrap();
    let second = app.callback_by(&mut browser, "alice", &address).await.query("code").unwrap();
    assert!(app.redeem(&first).await.is_ok());
    assert_eq!(app.redeem(&second).await.unwrap_err().error, "invalid_grant");
}

#[tokio::test]
async fn the_room_is_bounded_for_each_client_and_each_network_of_strangers_finding_13() {
    let limits = "[limits]\nparked_per_client = 2\nparked = 8\n";
    let server = Keystile::start_for_payments(limits).await;
    let (shop, house, phone) =
        (server.payer(), server.payer_named("house"), server.payer_named("phone"));
    for _ in 0..2 {
        pushed(&shop).await;
    }
    let (status, answer, retry_after) = push(&shop).await;
    assert_eq!((status.as_u16(), &answer["error"]), (503, &json!("temporarily_unavailable")));
    assert!(retry_after.parse::<u32>().is_ok_and(|seconds| seconds > 0), "{retry_after}");
    pushed(&house).await;
    pushed(&phone).await;
    assert_eq!(push(&phone).await.0, 503, "half of the room is for clients that prove themselves");
    pushed(&house).await;
    assert_eq!(push(&house).await.0, 503);
    let small = shop.call("/par", &[("response_type", "code"), ("scope", "openid")]);
    assert_ne!(small.send().await.unwrap().status(), 503, "what travels needs no room");
}

#[tokio::test]
async fn a_request_that_is_kept_no_longer_is_said_so_on_a_page() {
    let mut server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let address = pushed(&app).await;
    let sign_in = Browser::new().open(&address).await;
    server.stop();
    for name in ["data.db", "data.db-wal", "data.db-shm"] {
        let _ = std::fs::remove_file(server.directory.join(name));
    }
    let server = server.restart().await;
    for address in [address.as_str(), sign_in.url.as_str()] {
        let page = Browser::new().open(address).await;
        assert_eq!(page.status, 400, "{}", page.text());
        assert!(page.title().contains("open for too long"), "{}", page.title());
        assert!(page.url.as_str().starts_with(&server.issuer));
    }
}

#[tokio::test]
async fn another_clients_large_request_is_unknown_rfc_9126_7_3() {
    let server = Keystile::start_for_payments("").await;
    let address = pushed(&server.payer()).await.replace("client_id=payer", "client_id=house");
    let page = Browser::new().open(address).await;
    assert_eq!(page.status, 400);
    assert!(page.url.as_str().starts_with(&server.issuer), "{}", page.url);
}

#[tokio::test]
async fn what_is_larger_than_large_is_refused() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer().with_scope("openid");
    // Sent as it is; form encoded by the book it has three times as many bytes.
    let body = app.request().into_iter().collect::<Params>().encode();
    let body = format!("{body}&x={}", "\"".repeat(40_000));
    let answer = app.call("/par", &[]).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let answer: Value = answer.json().await.unwrap();
    assert!(answer["error_description"].as_str().unwrap().contains("at most 65536"), "{answer}");
    let long = "x".repeat(11_000);
    let page = Browser::new().open(app.authorize_url_with(&[("more", Some(&long))])).await;
    assert_eq!(error(&page), "invalid_request", "no page could carry it");
    assert!(page.query("error_description").unwrap().contains("push it"));
}

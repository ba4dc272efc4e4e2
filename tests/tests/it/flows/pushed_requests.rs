//! Pushed authorization requests (RFC 9126).

use serde_json::Value;

use crate::harness::{App, Browser, Keystile, Page};

/// Pushes parameters as the app and says what came back.
async fn push(app: &App, pairs: &[(String, String)]) -> (u16, Value) {
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let response = app.call("/par", &pairs).send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The app's own request; a public client and one with its secret in the body name themselves.
fn request(app: &App) -> Vec<(String, String)> {
    let mut pairs = app.request();
    pairs.retain(|(name, _)| name != "client_id");
    pairs
}

fn with(app: &App, name: &str, value: &str) -> Vec<(String, String)> {
    let mut pairs = request(app);
    pairs.retain(|(key, _)| key != name);
    pairs.push((name.to_owned(), value.to_owned()));
    pairs
}

/// Where the browser goes with a request that was pushed.
async fn pushed(app: &App) -> String {
    let (status, answer) = push(app, &request(app)).await;
    assert_eq!(status, 201, "{answer}");
    address(app, answer["request_uri"].as_str().unwrap())
}

fn address(app: &App, request_uri: &str) -> String {
    format!("{}/authorize?client_id={}&request_uri={request_uri}", app.issuer, app.client_id)
}

fn error(page: &Page) -> String {
    page.query("error").unwrap_or_else(|| panic!("no error at {}", page.url))
}

#[tokio::test]
async fn a_pushed_request_goes_through_login_and_consent_to_tokens_rfc_9126_4() {
    let server = Keystile::start().await;
    let app = server.app();
    let (status, answer) = push(&app, &request(&app)).await;
    assert_eq!((status, &answer["expires_in"]), (201, &60.into()), "{answer}");
    let request_uri = answer["request_uri"].as_str().unwrap();
    assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{request_uri}");
    assert!(!request_uri.contains("photos"), "nobody on the way reads it");

    let address = address(&app, request_uri) + "&scope=openid&state=another&prompt=none";
    let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
    assert_eq!(page.query("state").as_deref(), Some("the state & more"));
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    assert_eq!(tokens.json["scope"], app.scope, "what stands beside request_uri counts nothing");
}

#[tokio::test]
async fn every_kind_of_client_may_push_rfc_9126_2_1() {
    // One of them has its ID tokens signed with the RSA key, which the first start makes.
    let server = Keystile::start().await.with_all_keys().await;
    for app in [server.other_app(), server.native_app()] {
        let page = app.callback_by(&mut Browser::new(), "alice", &pushed(&app).await).await;
        assert!(app.redeem(&page.query("code").expect("a code")).await.is_ok());
    }
}

#[tokio::test]
async fn a_request_uri_can_be_reloaded_until_it_was_used_and_not_after_rfc_9126_4() {
    let server = Keystile::start().await;
    let app = server.app();
    let address = pushed(&app).await;
    let mut browser = Browser::new();
    let sign_in = browser.open(&address).await;
    assert!(sign_in.is_sign_in() && browser.open(&address).await.is_sign_in(), "a reload");
    let page = app.callback_by(&mut browser, "alice", &address).await;
    assert!(app.redeem(&page.query("code").expect("a code")).await.is_ok());

    let again = browser.open(&address).await;
    assert!(again.url.as_str().starts_with(&app.redirect_uri), "{}", again.url);
    assert_eq!(error(&again), "invalid_request_uri");
    assert_eq!(again.query("state").as_deref(), Some("the state & more"));
    let late = browser.sign_in(&sign_in, "alice", crate::harness::PASSWORD).await;
    assert_eq!(error(&late), "invalid_request_uri", "a page of it that was left open");
}

#[tokio::test]
async fn a_second_approval_is_refused_and_revokes_nothing_finding_22() {
    let server = Keystile::start().await;
    let app = server.app();
    let address = pushed(&app).await;
    let mut browser = Browser::new();
    let first = app.callback_by(&mut browser, "alice", &address).await.query("code").unwrap();
    let second = app.callback_by(&mut browser, "alice", &address).await.query("code").unwrap();
    let tokens = app.redeem(&first).await.unwrap();
    assert_eq!(app.redeem(&second).await.unwrap_err().error, "invalid_grant");
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200, "the first one lives on");
    assert_eq!(app.redeem(&first).await.unwrap_err().error, "invalid_grant");
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401, "the same code twice revokes");
}

#[tokio::test]
async fn another_clients_or_a_made_up_request_uri_is_told_to_the_person_rfc_9126_7_3() {
    let server = Keystile::start().await;
    let (app, other) = (server.app(), server.other_app());
    let (_, answer) = push(&app, &request(&app)).await;
    let request_uri = answer["request_uri"].as_str().unwrap();
    let nobody = App::new(&server.issuer, "nobody", None, "https://app.example/callback");
    let made_up = "urn:ietf:params:oauth:request_uri:AQEAAAAA";
    let addresses = [
        address(&other, request_uri),
        address(&nobody, request_uri),
        address(&app, made_up),
        address(&app, &format!("{request_uri}A")),
        format!("{}/authorize?request_uri={request_uri}", server.issuer),
    ];
    for address in addresses {
        let page = Browser::new().open(&address).await;
        assert!(page.url.as_str().starts_with(&server.issuer), "{}", page.url);
        assert_eq!(page.status, 400, "{address}");
        assert!(page.location().is_none());
    }
    let by_reference = Browser::new()
        .open(app.authorize_url_with(&[("request_uri", Some("https://app.example/object"))]))
        .await;
    assert_eq!(error(&by_reference), "invalid_request_uri");
}

#[tokio::test]
async fn the_rules_of_the_authorization_endpoint_answer_as_json_rfc_9126_2_3() {
    let server = Keystile::start().await;
    let app = server.app();
    let cases = [
        (with(&app, "request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"),
        (with(&app, "redirect_uri", "https://evil.example/"), "invalid_request"),
        (with(&app, "client_id", "other"), "invalid_request"),
        (with(&app, "scope", "mail:everything"), "invalid_scope"),
        (with(&app, "response_type", "token"), "unsupported_response_type"),
        (with(&app, "response_mode", "fragment"), "invalid_request"),
        (with(&app, "code_challenge_method", "plain"), "invalid_request"),
        (with(&app, "resource", "https://nowhere.example"), "invalid_target"),
        (with(&app, "request", "not.a.jwt"), "invalid_request_object"),
        (with(&app, "claims", &"x".repeat(3000)), "invalid_request"),
    ];
    for (pairs, expected) in cases {
        let (status, answer) = push(&app, &pairs).await;
        assert_eq!((status, answer["error"].as_str()), (400, Some(expected)), "{answer}");
    }
    let mut thief = app.clone();
    thief.secret = Some("a guess of the secret, forty characters ok".to_owned());
    let (status, answer) = push(&thief, &request(&app)).await;
    assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));
    assert_eq!(reqwest::get(server.url("/par")).await.unwrap().status(), 405);
}

#[tokio::test]
async fn a_client_or_a_server_can_require_it_rfc_9126_5_and_6() {
    let strict = "[[clients]]\nclient_id = \"strict\"\nclient_secret = \"the secret of the app, \
                  forty characters long\"\nredirect_uris = [\"https://app.example/callback\"]\n\
                  require_pushed_authorization_requests = true\n";
    let server = Keystile::start_with(strict).await;
    let mut app = server.app().with_scope("openid");
    app.client_id = "strict".to_owned();
    let refused = Browser::new().open(app.authorize_url()).await;
    assert_eq!(error(&refused), "invalid_request");
    assert!(refused.query("error_description").unwrap().contains("RFC 9126"));
    let page = app.callback_by(&mut Browser::new(), "alice", &pushed(&app).await).await;
    assert!(page.query("code").is_some());
    let page = Browser::new().open(server.app().authorize_url()).await;
    assert!(page.is_sign_in(), "the others need not");
}

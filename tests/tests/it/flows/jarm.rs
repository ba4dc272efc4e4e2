//! Authorization responses as JWTs (JARM).

use std::time::{SystemTime, UNIX_EPOCH};

use keystile_protocol::jose::Algorithm;
use serde_json::Value;

use crate::harness::{App, Browser, Keystile, published, verified};

/// A server whose RSA key, which the first start makes in the background, is there.
async fn started(more: &str) -> Keystile {
    let server = Keystile::start_with(more).await;
    published(&server).await;
    server
}

fn is_fresh(claims: &Value) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let exp = claims["exp"].as_u64().unwrap();
    exp > now && exp <= now + 600
}

fn address(app: &App, mode: &str, others: &[(&str, Option<&str>)]) -> String {
    app.authorize_url_with(&[&[("response_mode", Some(mode))], others].concat())
}

#[tokio::test]
async fn a_code_comes_in_a_signed_jwt_jarm_2_1_and_2_3() {
    let server = started("").await;
    let app = server.app();
    let mut browser = Browser::new();
    for mode in ["jwt", "query.jwt"] {
        let page = app.callback_by(&mut browser, "alice", &address(&app, mode, &[])).await;
        let names: Vec<_> = page.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["response"], "nothing beside it");
        let response = page.query("response").unwrap();
        let claims = verified(&server, &response, Algorithm::RS256).await;
        assert_eq!(claims["iss"], server.issuer);
        assert_eq!(claims["aud"], "app");
        assert_eq!(claims["state"], "the state & more");
        assert!(is_fresh(&claims), "{claims}");
        assert!(app.redeem(claims["code"].as_str().unwrap()).await.is_ok());
    }
}

#[tokio::test]
async fn an_error_comes_in_a_signed_jwt_too_jarm_2_1() {
    let server = started("").await;
    let app = server.app();
    let cases = [("prompt", "none", "login_required"), ("scope", "nonsense", "invalid_scope")];
    for (name, value, expected) in cases {
        let address = address(&app, "jwt", &[(name, Some(value))]);
        let page = Browser::new().open(address).await;
        assert_eq!(page.query("error"), None);
        let response = page.query("response").expect("a response");
        let claims = verified(&server, &response, Algorithm::RS256).await;
        assert_eq!(claims["error"], expected);
        assert_eq!(claims["state"], "the state & more");
        assert_eq!(claims["iss"], server.issuer);
    }
}

#[tokio::test]
async fn a_form_carries_the_jwt_jarm_2_3_3() {
    let server = started("").await;
    let app = server.app();
    let mut browser = Browser::new();
    app.callback(&mut browser).await;
    let page = browser.open(address(&app, "form_post.jwt", &[])).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.field("code"), None);
    let claims = verified(&server, &page.field("response").unwrap(), Algorithm::RS256).await;
    assert!(app.redeem(claims["code"].as_str().unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_client_says_how_its_answers_are_signed_jarm_3() {
    let client = "[[clients]]\nclient_id = \"signed\"\nclient_secret = \"the secret of the app, \
                  forty characters long\"\nredirect_uris = [\"https://app.example/callback\"]\n\
                  authorization_signed_response_alg = \"PS256\"\n";
    let server = started(client).await;
    let mut app = server.app().with_scope("openid");
    app.client_id = "signed".to_owned();
    let page = app.callback_by(&mut Browser::new(), "alice", &address(&app, "jwt", &[])).await;
    let claims = verified(&server, &page.query("response").unwrap(), Algorithm::PS256).await;
    assert!(claims["code"].is_string());

    let metadata = reqwest::get(server.url("/.well-known/openid-configuration")).await.unwrap();
    let metadata: Value = metadata.json().await.unwrap();
    let has = |name: &str, value: &str| metadata[name].as_array().unwrap().contains(&value.into());
    assert!(has("authorization_signing_alg_values_supported", "PS256"));
    assert!(has("response_modes_supported", "query.jwt"));
    assert!(has("request_object_signing_alg_values_supported", "RS256"));
    assert!(!has("request_object_signing_alg_values_supported", "none"));
    assert_eq!(metadata["request_parameter_supported"], true);
    assert_eq!(metadata["request_uri_parameter_supported"], true);
    assert_eq!(metadata["require_request_uri_registration"], true);
    assert_eq!(metadata["pushed_authorization_request_endpoint"], server.url("/par"));
    assert_eq!(metadata["require_pushed_authorization_requests"], false);
}

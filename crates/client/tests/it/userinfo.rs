//! What the userinfo endpoint tells, at the login and afterwards (OpenID Connect Core 1.0 section 5.3).

use http::StatusCode;
use keystile_client::protocol::jose::{Algorithm, SigningKey};
use serde_json::json;

use crate::bench::Setup;

#[tokio::test]
async fn signed_claims_are_the_issuers_and_nothing_else_is_taken_where_they_are_registered() {
    let setup = Setup::with(|b| b.userinfo(true).userinfo_algorithms([Algorithm::ES256])).await;
    let refused = async |why: &str| {
        let answer = setup.sign_in(&mut setup.browser(), "/login").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{why}");
    };
    refused("plain").await;
    setup.server.facts().signs_userinfo = true;
    refused("aud is x").await;
    let url = setup.server.url.clone();
    let claims = json!({
        "iss": url, "aud": "photo-printer", "sub": "user-1", "email": "ann@example.org",
    });
    setup.server.facts().userinfo = claims;
    let mut browser = setup.signed_in().await;
    assert!(browser.get("/me").await.body.contains("|ann@example.org|"));
    setup.server.facts().userinfo["sub"] = json!("another");
    refused("sub").await;
    setup.server.facts().userinfo["sub"] = json!("user-1");
    setup.server.facts().key = SigningKey::generate(Algorithm::ES256).expect("a key").key;
    refused("an unknown key").await;
}

#[tokio::test]
async fn signed_claims_are_taken_where_nothing_is_said() {
    let setup = Setup::with(|b| b.userinfo(true)).await;
    setup.server.facts().signs_userinfo = true;
    setup.server.facts().userinfo = json!({"sub": "user-1", "email": "signed@example.org"});
    let mut browser = setup.signed_in().await;
    assert!(browser.get("/me").await.body.contains("|signed@example.org|"));
}

#[tokio::test]
async fn an_app_may_ask_again_later_with_a_token_that_is_good_then() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    assert_eq!(browser.get("/userinfo").await.body, r#"{"email":"ann@example.org"}"#);
    setup.wait(295);
    setup.server.facts().userinfo["email"] = json!("new@example.org");
    assert_eq!(browser.get("/userinfo").await.body, r#"{"email":"new@example.org"}"#);
    assert_eq!(setup.server.hits("refresh"), 1);
    setup.server.facts().userinfo["sub"] = json!("another");
    assert_eq!(browser.get("/userinfo").await.status, StatusCode::BAD_GATEWAY);
}

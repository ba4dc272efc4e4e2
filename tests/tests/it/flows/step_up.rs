//! What an API learns of the user's authentication, and how an app gets a better one (RFC 9470).

use serde_json::Value;

use crate::harness::{Browser, Keystile, PASSWORD, now};

#[tokio::test]
async fn tokens_and_introspection_say_how_and_when_the_user_was_authenticated_rfc_9470_6() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access photos:read");
    let tokens = app.tokens(&mut Browser::new()).await;
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    let acr = &metadata["acr_values_supported"][0];
    let refreshed = app.refresh(tokens.refresh_token()).await.unwrap();
    let auth_time = tokens.claims("id_token")["auth_time"].clone();
    for tokens in [&tokens, &refreshed] {
        let claims = tokens.claims("access_token");
        assert_eq!((&claims["acr"], &claims["auth_time"]), (acr, &auth_time));
        let seen = app.introspect(tokens.access_token()).await;
        assert_eq!((&seen["acr"], &seen["auth_time"]), (acr, &auth_time));
    }
    let mut machine = server.app();
    machine.client_id = "machine".into();
    let own = machine.token(&[("grant_type", "client_credentials")]).await.unwrap();
    let seen = machine.introspect(own.access_token()).await;
    assert_eq!((seen.get("acr"), seen.get("auth_time")), (None, None), "there is no user");
}

#[tokio::test]
async fn an_app_that_asks_for_what_an_api_wants_gets_it_or_hears_why_not_rfc_9470_5() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.tokens(&mut browser).await;
    // The API wants an authentication of just now: the user signs in again.
    let page = browser.open(app.authorize_url_with(&[("max_age", Some("0"))])).await;
    assert!(page.is_sign_in());
    let began = now();
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    let tokens = app.redeem(&page.query("code").unwrap()).await.unwrap();
    assert!(tokens.claims("access_token")["auth_time"].as_u64().unwrap() + 1 >= began);
    // What cannot be reached is said, instead of a token that the API would refuse again.
    let ask = |acr_values: &str| app.authorize_url_with(&[("acr_values", Some(acr_values))]);
    let page = browser.open(ask("phr gold")).await;
    assert_eq!(page.query("error").as_deref(), Some("unmet_authentication_requirements"));
    assert_eq!(page.query("state").as_deref(), Some("the state & more"));
    let page = browser.open(ask("phr urn:keystile:password")).await;
    assert!(page.query("code").is_some(), "{}", page.url);
    // For an ID token alone they are a wish (OpenID Connect Core 1.0 section 3.1.2.1).
    let plain = app.with_scope("openid");
    let url = plain.authorize_url_with(&[("acr_values", Some("phr gold"))]);
    assert!(plain.callback_by(&mut browser, "alice", &url).await.query("code").is_some());
}

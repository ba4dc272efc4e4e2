//! What a route asks of the user's authentication (RFC 9470).

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::issuer::{API, Issuer, now};

/// Status, challenge and body of a request to `/pay`, which wants gold within five minutes.
async fn pay(issuer: &Issuer, path: &str, changes: &[(&str, Value)]) -> (u16, String, String) {
    let guard = issuer.guard();
    let gold = guard.require("photos:order").require_acr(&["gold", "platinum"]);
    let fresh =
        gold.require_max_age(Duration::from_mins(10)).require_max_age(Duration::from_mins(5));
    let app = Router::new()
        .route("/pay", get(|| async { "paid" }).layer(fresh.clone()))
        .layer(guard)
        .route("/alone", get(|| async { "paid" }).layer(fresh));
    let request = Request::get(path)
        .header("authorization", format!("Bearer {}", issuer.token(changes)))
        .body(Body::empty());
    let response = app.oneshot(request.expect("a request")).await.expect("infallible");
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().expect("text")).to_owned();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.expect("small");
    (status, challenge, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_route_says_which_authentication_it_needs_rfc_9470_section_3() {
    let issuer = Issuer::start().await;
    let gold = ("acr", json!("gold"));
    let fresh = ("auth_time", json!(now() - 10));
    for path in ["/pay", "/alone"] {
        let (status, ..) = pay(&issuer, path, &[gold.clone(), fresh.clone()]).await;
        assert_eq!(status, 200, "{path}");
        for (changes, words) in [
            (vec![fresh.clone()], "a different authentication level is required"),
            (vec![("acr", json!("silver")), fresh.clone()], "a different authentication level"),
            (vec![gold.clone()], "more recent authentication is required"),
            (vec![gold.clone(), ("auth_time", json!(now() - 400))], "more recent authentication"),
        ] {
            let (status, challenge, body) = pay(&issuer, path, &changes).await;
            assert_eq!(status, 401, "{changes:?}");
            let begins =
                format!(r#"Bearer realm="{API}", error="insufficient_user_authentication", "#);
            assert!(challenge.starts_with(&begins), "{challenge}");
            assert!(challenge.contains(words), "{challenge}");
            assert!(
                challenge.ends_with(r#"acr_values="gold platinum", max_age="300""#),
                "{challenge}"
            );
            let body: Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!(body["error"], "insufficient_user_authentication");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_or_not_allowed_is_told_that_first() {
    let issuer = Issuer::start().await;
    let (status, challenge, _) = pay(&issuer, "/pay", &[("scope", json!("photos:read"))]).await;
    assert!(status == 403 && challenge.contains("insufficient_scope"), "{challenge}");
    let (status, challenge, _) = pay(&issuer, "/pay", &[("exp", json!(now() - 100))]).await;
    assert!(status == 401 && challenge.contains("invalid_token"), "{challenge}");
}

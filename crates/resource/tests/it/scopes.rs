//! What a route asks for.

use axum::body::Body;
use axum::extract::Request;
use keystile_resource::Guard;
use serde_json::json;

use crate::issuer::{API, Api, Issuer};

#[tokio::test]
async fn a_route_asks_for_its_scopes_rfc_6750_section_3_1() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    let token = issuer.token(&[("scope", json!("openid photos:order"))]);
    assert_eq!(api.get("/me", &token).await.status, 200);
    for path in ["/photos", "/alone"] {
        let answer = api.get(path, &token).await;
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.header("www-authenticate"),
            format!(
                r#"Bearer realm="{API}", error="insufficient_scope", error_description="the token does not allow 'photos:read'", scope="photos:read""#
            )
        );
        assert_eq!(answer.json()["error"], "insufficient_scope");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn several_scopes_are_all_needed_and_all_named() {
    let issuer = Issuer::start().await;
    let order = |scope: &str| {
        let token = issuer.token(&[("scope", json!(scope))]);
        let request = Request::post("/orders").header("authorization", format!("Bearer {token}"));
        request.body(Body::empty()).expect("a request")
    };
    let api = issuer.api();
    assert_eq!(api.send(order("photos:order photos:read")).await.status, 200);
    for too_little in ["photos:order", "photos:read", "", "photos:order photos:reader"] {
        let answer = api.send(order(too_little)).await;
        assert_eq!(answer.status, 403, "{too_little}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.ends_with(r#"scope="photos:read photos:order""#), "{challenge}");
    }
}

#[tokio::test]
async fn a_guard_on_a_route_alone_verifies_too() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    assert_eq!(api.get("/alone", &issuer.token(&[])).await.status, 200);
    assert_eq!(api.get("/alone", "nonsense").await.status, 401);
    let open = Request::get("/open").body(Body::empty()).expect("a request");
    assert_eq!(api.send(open).await.status, 200);
}

#[tokio::test]
async fn what_one_guard_let_through_another_still_checks() {
    let issuer = Issuer::start().await;
    let other = Guard::builder(&issuer.url, "https://other.example").build().expect("good");
    let app = axum::Router::new()
        .route("/", axum::routing::get(|| async { "in" }).layer(other.require("photos:read")))
        .layer(issuer.guard());
    let request =
        Request::get("/").header("authorization", format!("Bearer {}", issuer.token(&[])));
    let request = request.body(Body::empty()).expect("a request");
    let response = tower::ServiceExt::oneshot(app, request).await.expect("infallible");
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn a_handler_without_a_guard_lets_nobody_in() {
    let issuer = Issuer::start().await;
    let api: Api = issuer.api();
    assert_eq!(api.get("/forgotten", &issuer.token(&[])).await.status, 500);
}

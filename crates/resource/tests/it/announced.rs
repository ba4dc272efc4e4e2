//! An API that says who issues tokens for it (RFC 9728).

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use keystile_resource::{Announcement, BuildError, Guard};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::issuer::Issuer;

const RESOURCE: &str = "https://api.example/v1";
const METADATA: &str = "/.well-known/oauth-protected-resource/v1";

struct Answer {
    status: u16,
    challenge: String,
    body: Vec<u8>,
}

async fn send(app: &Router, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("infallible");
    let (head, body) = response.into_parts();
    let challenge = head.headers.get("www-authenticate").map(|value| value.to_str().expect("text"));
    Answer {
        status: head.status.as_u16(),
        challenge: challenge.unwrap_or_default().to_owned(),
        body: axum::body::to_bytes(body, 1 << 20).await.expect("a small body").to_vec(),
    }
}

#[tokio::test]
async fn rfc_9728_3_and_5_1_a_challenge_leads_to_the_metadata() {
    let issuer = Issuer::start().await;
    let guard = Guard::builder(&issuer.url, RESOURCE).build().expect("good");
    let (guard, metadata) = guard.announced("photos:read photos:order").expect("a URL");
    let in_it = get(|| async { "in" });
    let app: Router = Router::new()
        .route("/v1", in_it.clone())
        .route("/v1/photos", in_it.layer(guard.require("photos:read")))
        .layer(guard)
        .merge(metadata);
    let named = format!(r#"resource_metadata="https://api.example{METADATA}""#);
    let without = send(&app, "/v1", None).await;
    assert_eq!(without.status, 401);
    assert_eq!(without.challenge, format!(r#"Bearer realm="{RESOURCE}", {named}"#));
    let wrong = send(&app, "/v1", Some("Bearer nonsense")).await;
    assert!(wrong.challenge.contains("invalid_token") && wrong.challenge.ends_with(&named));
    let token = |scope: &str| {
        format!("Bearer {}", issuer.token(&[("aud", json!(RESOURCE)), ("scope", json!(scope))]))
    };
    let little = send(&app, "/v1/photos", Some(&token("openid"))).await;
    assert_eq!(little.status, 403);
    assert!(little.challenge.ends_with(&format!(r#"scope="photos:read", {named}"#)));
    assert_eq!(send(&app, "/v1/photos", Some(&token("photos:read"))).await.status, 200);

    let document = send(&app, METADATA, None).await;
    assert_eq!(document.status, 200);
    let document: Value = serde_json::from_slice(&document.body).expect("JSON");
    assert_eq!(
        document,
        json!({
            "resource": RESOURCE,
            "authorization_servers": [issuer.url],
            "scopes_supported": ["photos:read", "photos:order"],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "PS256"],
        })
    );
}

#[tokio::test]
async fn rfc_9728_2_an_api_says_more_of_itself_and_names_all_its_issuers() {
    let guard = Guard::builder("https://login.example", RESOURCE).trust("https://other.example");
    let said = Announcement::from("payments")
        .name("The bank")
        .documentation("https://docs.example")
        .details(&["payment_initiation"]);
    let (_, metadata) = guard.build().expect("good").announced(said).expect("a URL");
    let document = send(&metadata, METADATA, None).await;
    let document: Value = serde_json::from_slice(&document.body).expect("JSON");
    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": ["https://login.example", "https://other.example"],
        "scopes_supported": ["payments"],
        "bearer_methods_supported": ["header"],
        "resource_name": "The bank",
        "resource_documentation": "https://docs.example",
        "authorization_details_types_supported": ["payment_initiation"],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "PS256"],
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn one_line_protects_all_routes_and_says_which_scope_they_need() {
    let issuer = Issuer::start().await;
    let tools: Router = Router::new().route("/v1", get(|| async { "in" }));
    let guard = Guard::builder(&issuer.url, RESOURCE).build().expect("good");
    let app = guard.protect(tools, "tools:run").expect("a URL");
    let without = send(&app, "/v1", None).await;
    assert_eq!(without.status, 401);
    assert!(without.challenge.contains(r#"scope="tools:run""#), "{}", without.challenge);
    assert!(without.challenge.contains("resource_metadata="), "{}", without.challenge);
    let token = |scope: &str| {
        format!("Bearer {}", issuer.token(&[("aud", json!(RESOURCE)), ("scope", json!(scope))]))
    };
    assert_eq!(send(&app, "/v1", Some(&token("photos:read"))).await.status, 403);
    assert_eq!(send(&app, "/v1", Some(&token("tools:run"))).await.status, 200);
    assert_eq!(send(&app, METADATA, None).await.status, 200);
}

#[tokio::test]
async fn only_what_has_an_address_is_announced() {
    let announced = |audience: &str, scopes: &str| {
        let guard = Guard::builder("https://login.example", audience).build().expect("good");
        guard.announced::<()>(scopes).map(drop)
    };
    assert!(announced("https://api.example", "").is_ok());
    assert!(matches!(announced("photos", "a"), Err(BuildError::NotAUrl(_))));
    assert!(matches!(announced("http://api.example", "a"), Err(BuildError::NotAUrl(_))));
    assert!(matches!(announced("https://api.example", "a\"b"), Err(BuildError::Scopes(_))));
}

//! ID tokens that a login must not believe (OpenID Connect Core 1.0 section 3.1.3.7). The rules have
//! a table beside them; this is that the login asks them.

use http::StatusCode;
use keystile_client::protocol::jose::{Algorithm, SigningKey};
use serde_json::json;

use crate::bench::Setup;

async fn refused(setup: &Setup, why: &str) {
    let mut browser = setup.browser();
    let answer = setup.sign_in(&mut browser, "/login").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{why}");
    assert!(!browser.cookies.contains_key("app"), "{why}");
    assert_eq!(browser.get("/").await.body, "hello stranger", "{why}");
}

#[tokio::test]
async fn wrong_claims_sign_nobody_in() {
    let setup = Setup::new().await;
    for claims in [
        json!({"iss": "https://evil.example"}),
        json!({"aud": "somebody-else"}),
        json!({"aud": ["photo-printer", "somebody-else"]}),
        json!({"azp": "somebody-else"}),
        json!({"exp": 1_000_000_000}),
        json!({"iat": 1_000_000_000}),
        json!({"iat": 9_000_000_000_i64, "exp": 9_000_000_300_i64}),
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"sub": ""}),
        json!({"sub": null}),
        json!({"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}),
    ] {
        setup.server.facts().id_token = claims.clone();
        refused(&setup, &claims.to_string()).await;
    }
    setup.server.facts().id_token = json!({});
    setup.signed_in().await;
}

#[tokio::test]
async fn a_key_that_is_not_published_signs_nobody_in() {
    let setup = Setup::new().await;
    setup.server.facts().key = SigningKey::generate(Algorithm::ES256).expect("a key").key;
    refused(&setup, "unknown key").await;
}

#[tokio::test]
async fn an_algorithm_that_was_not_registered_signs_nobody_in() {
    let setup = Setup::with(|builder| builder.id_token_algorithms([Algorithm::RS256])).await;
    refused(&setup, "ES256").await;
}

#[tokio::test]
async fn an_old_authentication_does_not_satisfy_max_age_rule_13() {
    let setup = Setup::with(|b| b.max_age(std::time::Duration::from_mins(5))).await;
    setup.server.facts().id_token = json!({"auth_time": 1_000_000_000});
    refused(&setup, "old").await;
    setup.server.facts().id_token = json!({"auth_time": null});
    refused(&setup, "missing").await;
}

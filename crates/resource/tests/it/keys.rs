//! How the issuer's keys are fetched, kept and renewed.

use keystile_resource::{Algorithm, Guard};
use serde_json::json;

use crate::issuer::{API, Api, Issuer, new_key};

#[tokio::test]
async fn keys_are_fetched_once_for_many_requests() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    assert_eq!(issuer.fetches(), 0, "nothing before the first request");
    let requests: Vec<_> = (0..50).map(|_| ask(&api, issuer.token(&[]))).collect();
    for request in requests {
        assert_eq!(request.await.expect("no panic"), 200);
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_new_key_costs_one_fetch() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    assert_eq!(api.get("/me", &issuer.token(&[])).await.status, 200);
    let new = new_key(Algorithm::ES256);
    issuer.publish(&[&issuer.key, &new]);
    let token = new.sign("at+jwt", &issuer.claims()).expect("signed");
    let requests: Vec<_> = (0..20).map(|_| ask(&api, token.clone())).collect();
    for request in requests {
        assert_eq!(request.await.expect("no panic"), 200);
    }
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(api.get("/me", &issuer.token(&[])).await.status, 200, "the old one is still there");
}

#[tokio::test]
async fn a_hundred_unknown_keys_cause_no_storm() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    assert_eq!(api.get("/me", &issuer.token(&[])).await.status, 200);
    let forge = || new_key(Algorithm::ES256).sign("at+jwt", &issuer.claims()).expect("signed");
    let requests: Vec<_> = (0..100).map(|_| ask(&api, forge())).collect();
    for request in requests {
        assert_eq!(request.await.expect("no panic"), 401);
    }
    assert_eq!(issuer.fetches(), 2, "the first one, and one for all of them");
}

#[tokio::test]
async fn keys_go_on_serving_while_the_issuer_is_away() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    assert_eq!(api.get("/me", &issuer.token(&[])).await.status, 200);
    issuer.away(true);
    let unknown = new_key(Algorithm::ES256).sign("at+jwt", &issuer.claims()).expect("signed");
    assert_eq!(api.get("/me", &unknown).await.status, 401);
    assert_eq!(api.get("/me", &issuer.token(&[])).await.status, 200);
}

#[tokio::test]
async fn without_keys_nothing_is_let_through_and_it_recovers() {
    let issuer = Issuer::start().await;
    let api = issuer.api();
    issuer.away(true);
    for _ in 0..3 {
        let answer = api.get("/me", &issuer.token(&[])).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(answer.header("www-authenticate"), "");
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
    issuer.away(false);
    tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
    assert_eq!(api.get("/me", &issuer.token(&[])).await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_nobody_answers_for_means_503() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let guard = Guard::builder(url, API).build().expect("builds while the issuer is away");
    let api = Api::behind(&guard);
    let token = new_key(Algorithm::ES256).sign("at+jwt", &json!({})).expect("signed");
    assert_eq!(api.get("/me", &token).await.status, 503);
    assert_eq!(api.get("/me", "nonsense").await.status, 401, "no key would help");
}

#[tokio::test]
async fn metadata_are_also_found_by_openid_discovery_section_4() {
    let issuer = Issuer::start_at("/.well-known/openid-configuration").await;
    assert_eq!(issuer.api().get("/me", &issuer.token(&[])).await.status, 200);
}

#[tokio::test]
async fn metadata_of_another_issuer_are_refused_rfc_8414_section_3_3() {
    let issuer = Issuer::start().await;
    let cases = [
        json!({"issuer": "https://other.example", "jwks_uri": format!("{}/jwks", issuer.url)}),
        json!({"issuer": format!("{}/", issuer.url), "jwks_uri": format!("{}/jwks", issuer.url)}),
        json!({"issuer": issuer.url}),
        json!({"issuer": issuer.url, "jwks_uri": "file:///etc/passwd"}),
    ];
    for metadata in cases {
        issuer.say(metadata.clone());
        let answer = issuer.api().get("/me", &issuer.token(&[])).await;
        assert_eq!(answer.status, 503, "{metadata}");
    }
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test]
async fn an_issuer_without_keys_means_503_and_oversize_documents_are_refused() {
    let issuer = Issuer::start().await;
    issuer.publish(&[]);
    assert_eq!(issuer.api().get("/me", &issuer.token(&[])).await.status, 503);
    issuer.publish(&[&issuer.key]);
    issuer.say(json!({
        "issuer": issuer.url, "jwks_uri": format!("{}/jwks", issuer.url),
        "padding": "x".repeat(300_000),
    }));
    assert_eq!(issuer.api().get("/me", &issuer.token(&[])).await.status, 503);
}

fn ask(api: &Api, token: String) -> tokio::task::JoinHandle<u16> {
    let api = api.clone();
    tokio::spawn(async move { api.get("/me", &token).await.status })
}

#[tokio::test]
async fn a_token_without_a_kid_is_verified_by_each_key_that_fits() {
    let issuer = Issuer::start().await;
    let other = new_key(Algorithm::EdDSA);
    issuer.publish(&[&other, &issuer.key]);
    let unnamed = issuer.key.sign_with_jwk("at+jwt", &issuer.claims()).expect("signed");
    assert_eq!(issuer.api().get("/me", &unnamed).await.status, 200);
    let strange = new_key(Algorithm::ES256);
    let strange = strange.sign_with_jwk("at+jwt", &issuer.claims()).expect("signed");
    assert_eq!(issuer.api().get("/me", &strange).await.status, 401, "its own key is no proof");
}

//! What the server says of itself is true.

use serde_json::Value;

use crate::harness::{Browser, Keystile};

async fn json(url: String) -> Value {
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn both_well_known_documents_are_there_and_alike_rfc_8414() {
    let server = Keystile::start().await;
    let openid = json(server.url("/.well-known/openid-configuration")).await;
    let oauth = json(server.url("/.well-known/oauth-authorization-server")).await;
    assert_eq!(openid, oauth);
    assert_eq!(openid["issuer"], server.issuer);
    assert_eq!(openid["code_challenge_methods_supported"], serde_json::json!(["S256"]));
    assert_eq!(openid["authorization_response_iss_parameter_supported"], true);
    for (name, endpoint) in openid.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let status = reqwest::get(endpoint.as_str().unwrap()).await.unwrap().status();
            assert_ne!(status, 404, "{name}");
        }
    }
}

#[tokio::test]
async fn the_key_set_has_a_key_for_each_algorithm_and_nothing_private() {
    let server = Keystile::start().await.with_all_keys().await;
    let metadata = json(server.url("/.well-known/openid-configuration")).await;
    let keys = json(server.url("/jwks")).await;
    let keys = keys["keys"].as_array().unwrap();
    for algorithm in metadata["id_token_signing_alg_values_supported"].as_array().unwrap() {
        assert!(keys.iter().any(|key| key["alg"] == *algorithm), "{algorithm}");
    }
    let mut names: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), keys.len());
    let for_encryption = keys.iter().filter(|key| key["use"] == "enc");
    assert_eq!(for_encryption.count(), 2, "one of each type");
    for key in keys {
        assert!(key["use"] == "sig" || key["use"] == "enc");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}

#[tokio::test]
async fn userinfo_says_what_the_scopes_open_and_no_more() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid email");
    let tokens = app.tokens(&mut Browser::new()).await;
    let (_, claims) = app.userinfo(tokens.access_token()).await;
    let names: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["email", "email_verified", "sub"]);
    let id_token = tokens.claims("id_token");
    assert!(id_token.get("email").is_none(), "the profile belongs to userinfo");
}

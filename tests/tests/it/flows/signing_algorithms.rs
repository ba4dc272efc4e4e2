//! `[keys] algorithms`: what the server signs with, where the operator leaves some out.

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{Browser, Keystile, header, verified};

const WITHOUT_PS256: &str = "[keys]\nalgorithms = [\"RS256\", \"EdDSA\", \"ES256\"]\n";
const OPEN: &str = "[registration]\nmode = \"open\"\n";
const FILE: [&str; 2] = ["--config", "keystile.toml"];

async fn json(url: String) -> Value {
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

async fn count(server: &Keystile, algorithm: &str) -> usize {
    let keys = json(server.url("/jwks")).await;
    keys["keys"].as_array().unwrap().iter().filter(|key| key["alg"] == algorithm).count()
}

fn refused(server: &Keystile, command: &[&str]) -> String {
    let output = server.command(&[command, &FILE].concat());
    assert!(!output.status.success(), "{command:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn an_algorithm_that_is_off_has_no_key_no_place_in_metadata_and_no_clients() {
    let server =
        Keystile::start_with(&format!("{OPEN}{WITHOUT_PS256}")).await.with_all_keys().await;
    let metadata = json(server.url("/.well-known/openid-configuration")).await;
    for ours in ["id_token", "userinfo", "introspection", "authorization"] {
        let listed = &metadata[format!("{ours}_signing_alg_values_supported")];
        assert_eq!(*listed, json!(["ES256", "EdDSA", "RS256"]), "{ours}");
    }
    for theirs in ["request_object_signing_alg", "token_endpoint_auth_signing_alg"] {
        let listed = metadata[format!("{theirs}_values_supported")].as_array().unwrap();
        assert!(listed.contains(&json!("PS256")), "{theirs}");
    }
    assert_eq!(count(&server, "PS256").await, 0);
    assert_eq!(count(&server, "EdDSA").await, 1);

    let said = json!({
        "redirect_uris": ["https://dynamic.example/callback"],
        "userinfo_signed_response_alg": "PS256",
    });
    let request = reqwest::Client::new().post(server.url("/register"));
    let request = request.header("content-type", "application/json").body(said.to_string());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let error: Value = answer.json().await.unwrap();
    assert_eq!(error["error"], "invalid_client_metadata");
    let words = error["error_description"].as_str().unwrap();
    assert!(words.contains("userinfo_signed_response_alg: PS256 is switched off"), "{words}");

    let add = ["client", "add", "made", "--redirect-uri", "https://made.example/"];
    let words = refused(&server, &[&add[..], &["--id-token-alg", "PS256"]].concat());
    assert!(words.contains("PS256 is switched off"), "{words}");
    let words = refused(&server, &["key", "rotate", "--algorithm", "PS256"]);
    assert!(words.contains("PS256 is switched off"), "{words}");
    let made = server.command(&[&["key", "rotate", "--json"][..], &FILE].concat());
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let made: Vec<_> = made.as_array().unwrap().iter().map(|key| &key["alg"]).collect();
    assert_eq!(made, ["ES256", "EdDSA", "RS256"]);
}

#[tokio::test]
async fn a_client_whose_algorithm_was_switched_off_is_told_and_its_tokens_verify_still() {
    let server = Keystile::start().await.with_all_keys().await;
    let add = ["client", "add", "made", "--redirect-uri", "https://made.example/", "--json"];
    let made = server.command(&[&add[..], &["--id-token-alg", "PS256"], &FILE].concat());
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let mut app = server.app().with_scope("openid offline_access");
    app.client_id = "made".into();
    app.secret = made["client_secret"].as_str().map(str::to_owned);
    app.redirect_uri = "https://made.example/".into();
    let mut browser = Browser::new();
    let before = app.tokens(&mut browser).await;
    assert_eq!(header(before.text("id_token"))["alg"], "PS256");

    let path = server.directory.join("keystile.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{config}\n{WITHOUT_PS256}")).unwrap();
    let server = server.restart().await;
    assert_eq!(count(&server, "PS256").await, 1);
    let claims = verified(&server, before.text("id_token"), Algorithm::PS256).await;
    assert_eq!(claims["aud"], "made");
    assert_eq!(app.userinfo(before.access_token()).await.0, 200);

    let page = browser.open(app.authorize_url()).await;
    assert_eq!(page.query("error").as_deref(), Some("unauthorized_client"), "{}", page.url);
    let words = page.query("error_description").unwrap();
    assert!(words.contains("id_token_signed_response_alg: PS256 is switched off"), "{words}");
    let error = app.refresh(before.refresh_token()).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "unauthorized_client"));
    assert!(error.description.contains("PS256 is switched off"), "{}", error.description);
    assert_eq!(app.revoke(before.refresh_token()).await, 200, "what is there can be ended");

    let other = server.app().tokens(&mut Browser::new()).await;
    assert_eq!(header(other.text("id_token"))["alg"], "ES256");
}

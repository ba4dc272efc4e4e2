//! The setting (rows 0.1 to 0.3).

use crate::harness::{Browser, Keystile};

#[tokio::test]
async fn seed_0_1_the_authorization_server_shows_a_browser_no_token_and_no_secret() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid profile offline_access photos:read");
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    for name in ["access_token", "id_token", "refresh_token"] {
        assert!(!browser.has_seen(tokens.text(name)), "{name} was sent to the browser");
    }
    assert!(!browser.has_seen(app.verifier.expose()), "the code verifier");
    assert!(!browser.has_seen(app.secret.as_deref().unwrap()), "the client secret");
}

#[tokio::test]
async fn seed_0_2_the_app_calls_with_its_token_server_to_server_and_refreshes_it() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access photos:read");
    let tokens = app.tokens(&mut Browser::new()).await;
    let refreshed = app.refresh(tokens.refresh_token()).await.unwrap();
    assert_ne!(refreshed.access_token(), tokens.access_token());
    assert_eq!(refreshed.refresh_token(), tokens.refresh_token(), "a confidential client's stays");
    let claims = refreshed.claims("access_token");
    assert_eq!(claims["aud"], "https://photos.example");
    assert_eq!(claims["scope"], app.scope);
}

#[tokio::test]
async fn seed_0_3_a_secret_is_shown_once_kept_as_a_digest_and_rotated_with_an_overlap() {
    let server = Keystile::start().await;
    let old = server.app();
    let secret = old.secret.clone().unwrap();
    let database = std::fs::read(server.database()).unwrap();
    let wal = std::fs::read(server.directory.join("data.db-wal")).unwrap_or_default();
    for stored in [database, wal] {
        assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    assert!(!server.log().contains(&secret));

    let command = |words: &[&str]| {
        let output = server.command(&[words, &["--json", "--config", "keystile.toml"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let secret_in = |json: &str| {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        json["client_secret"].as_str().expect("shown once").to_owned()
    };
    let grant = ["--grant-type", "client_credentials", "--scope", "photos:read"];
    let mut old = old;
    old.client_id = "made".into();
    old.secret = Some(secret_in(&command(&[&["client", "add", "made"][..], &grant].concat())));
    let mut new = old.clone();
    new.secret = Some(secret_in(&command(&["client", "rotate-secret", "made"])));
    let credentials = [("grant_type", "client_credentials")];
    assert!(new.token(&credentials).await.is_ok(), "the new one");
    assert!(old.token(&credentials).await.is_ok(), "the old one, for a while");
    let shown = command(&["client", "show", "made"]);
    assert!(!shown.contains(new.secret.as_deref().unwrap()), "{shown}");
}

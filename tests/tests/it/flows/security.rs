//! Rows 5.1 and 5.2.

use crate::harness::{Browser, Keystile};

#[tokio::test]
async fn seed_5_1_a_public_client_uses_pkce_instead_of_a_secret() {
    let server = Keystile::start().await;
    let app = server.native_app().with_scope("openid offline_access photos:read");
    let mut browser = Browser::new();
    let without =
        app.authorize_url_with(&[("code_challenge", None), ("code_challenge_method", None)]);
    let page = browser.open(without).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
    let code = app.code(&mut browser).await;
    let wrong = app.redeem_with(&code, &[("code_verifier", Some(&"w".repeat(43)))]).await;
    assert_eq!(wrong.unwrap_err().error, "invalid_grant");
    let tokens = app.redeem(&code).await.unwrap();
    // Its refresh token rotates (RFC 9700 section 4.14.2).
    let next = app.refresh(tokens.refresh_token()).await.unwrap();
    assert_ne!(next.refresh_token(), tokens.refresh_token());
}

#[tokio::test]
async fn seed_5_1_a_native_apps_loopback_redirect_may_have_any_port_rfc_8252() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    for redirect_uri in ["http://127.0.0.1:61234/callback", "com.example.app:/callback"] {
        let mut app = server.native_app();
        app.redirect_uri = redirect_uri.into();
        let page = browser.get(app.authorize_url_with(&[("prompt", Some("none"))])).await;
        let target = page.location().unwrap();
        assert!(target.as_str().starts_with(redirect_uri), "{target}");
    }
    let mut app = server.native_app();
    app.redirect_uri = "http://127.0.0.1:61234/other".into();
    assert_eq!(browser.get(app.authorize_url()).await.status, 400);
}

#[tokio::test]
async fn seed_5_2_only_https_redirect_urls_can_be_registered() {
    let server = Keystile::start().await;
    let add = |issuer: &str, uri: &str, more: &[&str]| {
        let directory = crate::harness::new_directory();
        let config = format!("issuer = \"{issuer}\"\n[store]\nurl = \"sqlite://data.db\"\n");
        std::fs::write(directory.join("keystile.toml"), config).unwrap();
        let mut arguments =
            vec!["client", "add", "new", "--redirect-uri", uri, "--config", "keystile.toml"];
        arguments.extend(more);
        let output = crate::harness::command_in(&directory, &arguments);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (live, development) = ("https://login.example", server.issuer.as_str());
    assert!(add(live, "https://app.example/cb", &[]).0);
    for uri in
        ["http://app.example/cb", "http://localhost:1/cb", "com.example.app:/cb", "javascript:x"]
    {
        let (added, words) = add(live, uri, &[]);
        assert!(!added && words.contains(uri), "{uri}: {words}");
    }
    assert!(add(live, "http://127.0.0.1/cb", &["--native"]).0);
    assert!(add(live, "com.example.app:/cb", &["--native"]).0);
    assert!(!add(live, "http://app.example/cb", &["--native"]).0);
    assert!(add(development, "http://localhost:1/cb", &[]).0);
    assert!(!add(development, "http://app.example/cb", &[]).0);
}

//! Signing out.

use crate::harness::{Browser, Keystile};

#[tokio::test]
async fn signing_out_asks_first_and_then_ends_the_session() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let page = browser.open(server.url("/logout")).await;
    assert!(page.has("logout-confirm"), "{}", page.text());
    let stayed = browser.press(&page, "logout-cancel", &[]).await;
    assert!(!stayed.is_sign_in());
    assert!(browser.open(app.authorize_url()).await.query("code").is_some(), "still signed in");
    let done = browser.press(&page, "logout-confirm", &[]).await;
    assert!(done.text().contains("signed out"), "{}", done.text());
    assert!(browser.open(app.authorize_url()).await.is_sign_in());
}

#[tokio::test]
async fn an_app_that_shows_its_id_token_signs_out_without_a_question() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let hint = tokens.text("id_token");
    let url = format!(
        "{}?id_token_hint={hint}&post_logout_redirect_uri=https://app.example/bye&state=s%26t",
        server.url("/logout")
    );
    let page = browser.open(&url).await;
    assert_eq!(page.url.as_str(), "https://app.example/bye?state=s%26t");
    assert!(browser.open(app.authorize_url()).await.is_sign_in());
    // Of a session that has ended it is no error.
    assert!(browser.open(&url).await.url.as_str().starts_with("https://app.example/bye"));
}

#[tokio::test]
async fn a_wrong_logout_request_is_told_to_the_person_and_signs_nobody_out() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let hint = tokens.text("id_token");
    for query in [
        "post_logout_redirect_uri=https://app.example/bye".to_owned(),
        "client_id=app&post_logout_redirect_uri=https://evil.example/".to_owned(),
        "client_id=nobody".to_owned(),
        "id_token_hint=nonsense".to_owned(),
        format!("id_token_hint={}x", &hint[..hint.len() - 1]),
        format!("client_id=other&id_token_hint={hint}"),
        "state=a&state=b".to_owned(),
    ] {
        let page = browser.get(server.url(&format!("/logout?{query}"))).await;
        assert_eq!(page.status, 400, "{query}");
        assert!(
            page.location().is_none() && page.text().contains("cannot be completed"),
            "{query}"
        );
    }
    assert!(browser.open(app.authorize_url()).await.query("code").is_some(), "still signed in");
}

#[tokio::test]
async fn another_sites_form_signs_nobody_out() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut attacker = Browser::new();
    app.callback_by(&mut attacker, "bob", &app.authorize_url()).await;
    let form = attacker.open(server.url("/logout")).await;
    let mut victim = Browser::new();
    app.code(&mut victim).await;
    let page = victim.press(&form, "logout-confirm", &[]).await;
    assert!(page.has("logout-confirm"), "asked again: {}", page.text());
    assert!(victim.open(app.authorize_url()).await.query("code").is_some(), "still signed in");
}

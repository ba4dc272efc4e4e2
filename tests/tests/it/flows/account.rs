//! The user's own page.

use crate::harness::{Browser, Keystile, PASSWORD};

async fn act(
    browser: &mut Browser,
    server: &Keystile,
    fields: &[(&str, &str)],
) -> crate::harness::Page {
    let page = browser.open(server.url("/account")).await;
    let token = page.field("token").expect("signed in");
    let mut all = vec![("token", token.as_str())];
    all.extend(fields);
    browser.post(server.url("/account"), &all).await
}

#[tokio::test]
async fn the_account_page_asks_for_a_sign_in_and_shows_apps_and_sessions() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let page = browser.open(server.url("/account")).await;
    assert!(page.is_sign_in());
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(
        page.url.path() == "/account" && page.text().contains("Alice Example"),
        "{}",
        page.text()
    );
    server.app().code(&mut browser).await;
    let page = browser.open(server.url("/account")).await;
    assert!(page.text().contains("Photo App") && page.text().contains("see your photos"));
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions_and_grants_and_survives_the_configuration() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access");
    let mut thief = Browser::new();
    let stolen = app.tokens(&mut thief).await;
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let change = |current, new| {
        [("action", "change-password"), ("current_password", current), ("new_password", new)]
    };
    act(&mut browser, &server, &change("wrong", "a new password")).await;
    act(&mut browser, &server, &change(PASSWORD, "short")).await;
    assert_eq!(app.userinfo(stolen.access_token()).await.0, 200, "nothing has changed yet");
    act(&mut browser, &server, &change(PASSWORD, "a new password")).await;
    assert_eq!(app.userinfo(stolen.access_token()).await.0, 401);
    assert!(thief.open(app.authorize_url()).await.is_sign_in());
    assert!(!browser.open(app.authorize_url()).await.is_sign_in(), "this browser stays");
    // The configuration does not bring the old password back.
    let server = server.restart().await;
    let mut fresh = Browser::new();
    let page = fresh.open(server.app().authorize_url()).await;
    assert!(fresh.sign_in(&page, "alice", PASSWORD).await.is_sign_in());
    assert!(!fresh.sign_in(&page, "alice", "a new password").await.is_sign_in());
}

#[tokio::test]
async fn sign_out_everywhere_ends_everything() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access");
    let mut phone = Browser::new();
    let tokens = app.tokens(&mut phone).await;
    let mut laptop = Browser::new();
    app.code(&mut laptop).await;
    act(&mut laptop, &server, &[("action", "sign-out-everywhere")]).await;
    assert!(phone.open(app.authorize_url()).await.is_sign_in());
    assert!(laptop.open(app.authorize_url()).await.is_sign_in());
    assert_eq!(app.refresh(tokens.refresh_token()).await.unwrap_err().error, "invalid_grant");
}

#[tokio::test]
async fn another_sites_form_changes_nothing() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let mut attacker = Browser::new();
    app.callback_by(&mut attacker, "bob", &app.authorize_url()).await;
    let token = attacker.open(server.url("/account")).await.field("token").unwrap();
    for token in ["", "nonsense", token.as_str()] {
        let fields = [("token", token), ("action", "withdraw"), ("client_id", "app")];
        browser.post(server.url("/account"), &fields).await;
    }
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
}

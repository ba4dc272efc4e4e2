//! The authorization server's own pages in a real browser.

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

use super::driver::{Chromium, Setup};
use crate::harness::{Keystile, PASSWORD, payment_with};

/// The app of the configuration is not there; its redirect ends at an address that does not load.
async fn wait_for_callback(browser: &Chromium) -> String {
    for _ in 0..100 {
        let url = browser.client.current_url().await.unwrap().to_string();
        if url.starts_with("https://app.example/callback") {
            return url;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no callback: {}", browser.client.current_url().await.unwrap());
}

#[tokio::test]
async fn signing_in_and_consenting_by_keyboard_alone_ends_at_the_app_despite_the_csp() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid profile photos:read photos:order");
    let browser = Chromium::start(Setup::default()).await;
    browser.client.goto(&app.authorize_url()).await.unwrap();
    browser.picture("sign-in").await;
    let focused = browser.client.active_element().await.unwrap();
    assert_eq!(focused.attr("id").await.unwrap().as_deref(), Some("username"));
    focused.send_keys("alice").await.unwrap();
    focused.send_keys(&char::from(Key::Tab).to_string()).await.unwrap();
    let password = browser.client.active_element().await.unwrap();
    assert_eq!(password.attr("id").await.unwrap().as_deref(), Some("password"));
    password.send_keys(PASSWORD).await.unwrap();
    password.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    let allow = browser.client.wait().for_element(Locator::Id("consent-allow")).await.unwrap();
    browser.picture("consent").await;
    assert!(browser.text().await.contains("see your photos"));
    allow.send_keys(&char::from(Key::Enter).to_string()).await.unwrap();
    let url = wait_for_callback(&browser).await;
    assert!(url.contains("code=") && url.contains("iss="), "{url}");
    browser.close().await;
}

#[tokio::test]
async fn everything_works_without_javascript_on_a_phone() {
    let server = Keystile::start().await;
    let setup = Setup { javascript: false, width: 390, height: 844 };
    let browser = Chromium::start(setup).await;
    browser.client.goto(&server.app().authorize_url()).await.unwrap();
    let find = |id: &'static str| browser.client.find(Locator::Id(id));
    find("username").await.unwrap().send_keys("alice").await.unwrap();
    find("password").await.unwrap().send_keys("wrong").await.unwrap();
    find("login-submit").await.unwrap().click().await.unwrap();
    browser.client.wait().for_element(Locator::Id("login-error")).await.unwrap();
    browser.picture("sign-in-rejected-phone").await;
    assert!(browser.text().await.contains("do not match"), "{}", browser.text().await);
    find("password").await.unwrap().send_keys(PASSWORD).await.unwrap();
    find("login-submit").await.unwrap().click().await.unwrap();
    let deny = browser.client.wait().for_element(Locator::Id("consent-deny")).await.unwrap();
    browser.picture("consent-phone").await;
    deny.click().await.unwrap();
    assert!(wait_for_callback(&browser).await.contains("error=access_denied"));
    browser.close().await;
}

#[tokio::test]
async fn a_payment_is_read_and_allowed_on_a_phone_without_a_sideways_scroll() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer().with_scope("openid photos:read");
    let details = json!([
        payment_with(json!({
            "creditorName": "\u{5d1}\u{5d9}\u{5ea} \u{5d4}\u{5d3}\u{5e4}\u{5d5}\u{5e1} <b>& Sons</b>",
            "creditorAccount": { "iban": "DE02100100109307118603" },
            "remittance": "x".repeat(400),
            "urgent": true,
        })),
        { "type": "mailbox", "identifier": "INBOX" },
    ]);
    let url = app.authorize_url_with(&[("authorization_details", Some(&details.to_string()))]);
    let browser = Chromium::start(Setup { width: 390, height: 1600, ..Setup::default() }).await;
    browser.client.goto(&url).await.unwrap();
    let find = |id: &'static str| browser.client.find(Locator::Id(id));
    find("username").await.unwrap().send_keys("alice").await.unwrap();
    find("password").await.unwrap().send_keys(PASSWORD).await.unwrap();
    find("login-submit").await.unwrap().click().await.unwrap();
    let allow = browser.client.wait().for_element(Locator::Id("consent-allow")).await.unwrap();
    browser.picture("consent-payment-phone").await;
    let wider = "return document.documentElement.scrollWidth > window.innerWidth";
    assert_eq!(browser.client.execute(wider, Vec::new()).await.unwrap(), json!(false));
    assert!(browser.text().await.contains("<b>& Sons</b>"), "{}", browser.text().await);
    allow.click().await.unwrap();
    assert!(wait_for_callback(&browser).await.contains("code="));
    browser.close().await;
}

#[tokio::test]
async fn error_and_account_pages_can_be_read() {
    let server = Keystile::start().await;
    let app = server.app();
    let browser = Chromium::start(Setup::default()).await;
    let wrong = app.authorize_url_with(&[("redirect_uri", Some("https://app.example/Callback"))]);
    browser.client.goto(&wrong).await.unwrap();
    browser.picture("bad-redirect-uri").await;
    assert!(browser.text().await.contains("The way back to the app is wrong"));
    browser.client.goto(&server.url("/account")).await.unwrap();
    let find = |id: &'static str| browser.client.find(Locator::Id(id));
    find("username").await.unwrap().send_keys("alice").await.unwrap();
    find("password").await.unwrap().send_keys(PASSWORD).await.unwrap();
    find("login-submit").await.unwrap().click().await.unwrap();
    browser.client.wait().for_element(Locator::Css("[name=new_password]")).await.unwrap();
    browser.picture("account").await;
    assert!(browser.text().await.contains("Alice Example"));
    browser.close().await;
}

//! The page with the requests that wait, in a real browser.

use fantoccini::Locator;
use fantoccini::key::Key;

use super::driver::{Chromium, Setup};
use crate::harness::{Asked, Keystile, PASSWORD, SHOPS};

/// Fills in the sign-in page.
async fn sign_in(browser: &Chromium) {
    let username = browser.client.wait().for_element(Locator::Id("username")).await.unwrap();
    username.send_keys("alice").await.unwrap();
    let password = browser.client.find(Locator::Id("password")).await.unwrap();
    password.send_keys(PASSWORD).await.unwrap();
    let submit = browser.client.find(Locator::Id("login-submit")).await.unwrap();
    submit.click().await.unwrap();
}

#[tokio::test]
async fn a_request_appears_by_itself_and_the_enter_key_allows_nothing() {
    let server = Keystile::start_with(SHOPS).await;
    let browser = Chromium::start(Setup::default()).await;
    browser.client.goto(&server.url("/requests")).await.unwrap();
    sign_in(&browser).await;
    browser.client.wait().for_element(Locator::Id("requests-switch")).await.unwrap();
    assert!(browser.text().await.contains("Nothing waits for you"));
    browser.picture("no-requests").await;
    let scope = ("scope", "openid profile offline_access photos:read photos:order");
    let asked = Asked::begin(Asked::shop(&server), &[scope]).await;
    let allow = browser.client.wait().for_element(Locator::Id("request-1-allow")).await.unwrap();
    browser.picture("request").await;
    let enter = char::from(Key::Enter).to_string();
    let body = browser.client.find(Locator::Css("body")).await.unwrap();
    body.send_keys(&enter).await.unwrap();
    assert!(browser.text().await.contains("W4SCT"));
    assert_eq!(asked.refused().await, "authorization_pending");
    allow.send_keys(&enter).await.unwrap();
    browser.client.wait().for_element(Locator::Css("p[role=status]")).await.unwrap();
    browser.picture("request-allowed").await;
    assert!(browser.text().await.contains("You allowed it. Corner Shop goes on by itself."));
    assert!(asked.poll().await.is_ok());
    browser.client.goto(&server.url("/account")).await.unwrap();
    browser.picture("account-no-requests").await;
    browser.close().await;
}

#[tokio::test]
async fn requests_are_answered_without_javascript_on_a_phone() {
    let server = Keystile::start_with(SHOPS).await;
    let scope = ("scope", "openid profile photos:read photos:order");
    let shop = Asked::begin(Asked::shop(&server), &[scope]).await;
    let message = ("binding_message", "Pay 10.50 € to Café Zürich, table 7");
    let more = [message, ("scope", "openid photos:read")];
    let kiosk = Asked::begin(Asked::kiosk(&server), &more).await;
    let browser = Chromium::start(Setup { javascript: false, width: 390, height: 1500 }).await;
    browser.client.goto(&server.url("/account")).await.unwrap();
    sign_in(&browser).await;
    let link = browser.client.wait().for_element(Locator::Id("requests")).await.unwrap();
    browser.picture("account-requests-phone").await;
    link.click().await.unwrap();
    let deny = browser.client.wait().for_element(Locator::Id("request-2-deny")).await.unwrap();
    browser.picture("requests-phone").await;
    deny.click().await.unwrap();
    browser.client.wait().for_element(Locator::Css("p[role=status]")).await.unwrap();
    browser.picture("request-denied-phone").await;
    assert!(browser.text().await.contains("You did not allow it. Corner Shop"));
    assert_eq!(shop.refused().await, "access_denied");
    assert_eq!(kiosk.refused().await, "authorization_pending");
    browser.close().await;
}

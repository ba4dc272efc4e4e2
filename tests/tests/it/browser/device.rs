//! The pages of the device grant in a real browser.

use fantoccini::Locator;
use fantoccini::key::Key;

use super::driver::{Chromium, Setup};
use crate::harness::{DEVICES, Device, Keystile, PASSWORD};

#[tokio::test]
async fn a_device_is_connected_by_keyboard_alone_and_the_enter_key_allows_nothing() {
    let server = Keystile::start_with(DEVICES).await;
    let device = Device::begin(Device::tv(&server), "openid profile photos:read").await;
    let browser = Chromium::start(Setup::default()).await;
    let enter = char::from(Key::Enter).to_string();
    browser.client.goto(&server.url("/device")).await.unwrap();
    browser.picture("user-code").await;
    let field = browser.client.active_element().await.unwrap();
    assert_eq!(field.attr("id").await.unwrap().as_deref(), Some("user-code"));
    field.send_keys("bcdf ghjk").await.unwrap();
    field.send_keys(&enter).await.unwrap();
    browser.client.wait().for_element(Locator::Id("user-code-error")).await.unwrap();
    browser.picture("user-code-not-good").await;
    let field = browser.client.active_element().await.unwrap();
    field.clear().await.unwrap();
    field.send_keys(&device.user_code().to_lowercase()).await.unwrap();
    field.send_keys(&enter).await.unwrap();
    let username = browser.client.wait().for_element(Locator::Id("username")).await.unwrap();
    browser.picture("device-sign-in").await;
    username.send_keys("alice").await.unwrap();
    username.send_keys(&char::from(Key::Tab).to_string()).await.unwrap();
    let password = browser.client.active_element().await.unwrap();
    password.send_keys(PASSWORD).await.unwrap();
    password.send_keys(&enter).await.unwrap();
    let allow = browser.client.wait().for_element(Locator::Id("device-allow")).await.unwrap();
    browser.picture("device").await;
    let body = browser.client.find(Locator::Css("body")).await.unwrap();
    body.send_keys(&enter).await.unwrap();
    assert!(browser.text().await.contains(device.user_code()));
    assert_eq!(device.refused().await, "authorization_pending");
    allow.send_keys(&enter).await.unwrap();
    browser.client.wait().for_element(Locator::Css("p[role=status]")).await.unwrap();
    browser.picture("device-allowed").await;
    assert!(browser.text().await.contains("Your device may go on"));
    assert!(device.poll().await.is_ok());
    browser.close().await;
}

#[tokio::test]
async fn a_device_is_refused_without_javascript_on_a_phone_that_scanned_its_picture() {
    let server = Keystile::start_with(DEVICES).await;
    let scope = "openid profile photos:read photos:order offline_access";
    let device = Device::begin(Device::tv(&server), scope).await;
    let setup = Setup { javascript: false, width: 390, height: 844 };
    let browser = Chromium::start(setup).await;
    browser.client.goto(device.text("verification_uri_qr")).await.unwrap();
    browser.picture("device-qr").await;
    browser.client.goto(device.text("verification_uri_complete")).await.unwrap();
    browser.picture("user-code-phone").await;
    let find = |id: &'static str| browser.client.find(Locator::Id(id));
    find("user-code-submit").await.unwrap().click().await.unwrap();
    browser.client.wait().for_element(Locator::Id("username")).await.unwrap();
    find("username").await.unwrap().send_keys("alice").await.unwrap();
    find("password").await.unwrap().send_keys(PASSWORD).await.unwrap();
    find("login-submit").await.unwrap().click().await.unwrap();
    let deny = browser.client.wait().for_element(Locator::Id("device-deny")).await.unwrap();
    browser.picture("device-phone").await;
    deny.click().await.unwrap();
    browser.client.wait().for_element(Locator::Css("p[role=status]")).await.unwrap();
    browser.picture("device-denied-phone").await;
    assert!(browser.text().await.contains("You did not allow it"));
    assert_eq!(device.refused().await, "access_denied");
    browser.close().await;
}

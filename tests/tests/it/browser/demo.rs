//! The demo, walked as a person would.

use fantoccini::Locator;

use super::driver::{Chromium, Setup};
use crate::harness::{Demo, PASSWORD};

async fn press(browser: &Chromium, id: &str) {
    let element = browser.client.wait().for_element(Locator::Id(id)).await.unwrap();
    element.click().await.unwrap();
}

async fn sign_in_and_allow(browser: &Chromium, demo: &Demo, pictures: &str) {
    browser.client.goto(&demo.app("/")).await.unwrap();
    browser.picture(&format!("{pictures}-front")).await;
    press(browser, "print").await;
    let username = browser.client.wait().for_element(Locator::Id("username")).await.unwrap();
    username.send_keys("alice").await.unwrap();
    let password = browser.client.find(Locator::Id("password")).await.unwrap();
    password.send_keys(PASSWORD).await.unwrap();
    browser.picture(&format!("{pictures}-sign-in")).await;
    press(browser, "login-submit").await;
    browser.client.wait().for_element(Locator::Id("consent-allow")).await.unwrap();
    browser.picture(&format!("{pictures}-consent")).await;
    press(browser, "consent-allow").await;
    browser.client.wait().for_element(Locator::Id("sign-out")).await.unwrap();
    browser.picture(&format!("{pictures}-photos")).await;
}

#[tokio::test]
async fn seed_2_1_the_demo_in_a_real_browser() {
    let demo = Demo::start().await;
    let browser = Chromium::start(Setup::default()).await;
    sign_in_and_allow(&browser, &demo, "demo").await;
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), demo.app("/photos"));
    assert!(browser.text().await.contains("Alice"));
    // The pictures came from the API, through the app.
    let pictures = browser.client.find_all(Locator::Css("img")).await.unwrap();
    assert!(pictures.len() > 3, "{} pictures", pictures.len());
    let widths = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)";
    assert_eq!(browser.client.execute(widths, vec![]).await.unwrap(), true);
    // The flow inspector shows the grant, each step, and no secret.
    let flow = browser.client.find(Locator::Id("flow")).await.unwrap();
    let html = flow.html(true).await.unwrap();
    for step in ["code_challenge", "code_verifier", "authorization", "access_token", "state"] {
        assert!(html.contains(step), "the inspector does not show {step}");
    }
    assert!(!browser.client.source().await.unwrap().contains("eyJ"), "a token in the page");
    press(&browser, "prove").await;
    browser.client.wait().for_element(Locator::Id("found")).await.unwrap();
    browser.picture("demo-proof").await;
    assert!(browser.text().await.contains("No token was ever in this browser"));
    browser.close().await;
}

#[tokio::test]
async fn seed_2_1_every_attack_of_the_break_it_panel_fails_as_its_row_says() {
    let demo = Demo::start().await;
    let browser = Chromium::start(Setup { javascript: false, width: 390, height: 844 }).await;
    sign_in_and_allow(&browser, &demo, "demo-phone").await;
    let attacks = [
        "stolen-code",
        "replayed-code",
        "wrong-verifier",
        "wrong-state",
        "wrong-redirect",
        "unknown-client",
        "missing-pkce",
        "unauthorized-client",
        "response-type",
        "unknown-scope",
        "no-token",
        "query-token",
        "id-token",
        "denied",
    ];
    for attack in attacks {
        browser.client.goto(&demo.app("/inspector")).await.unwrap();
        press(&browser, &format!("break-{attack}")).await;
        if attack == "denied" {
            press(&browser, "consent-deny").await;
        }
        let verdict = browser.client.wait().for_element(Locator::Id("verdict")).await.unwrap();
        let words = verdict.text().await.unwrap();
        let class = verdict.attr("class").await.unwrap().unwrap_or_default();
        assert!(class.contains("held"), "{attack}: {words}");
        browser.picture(&format!("break-{attack}")).await;
    }
    browser.close().await;
}

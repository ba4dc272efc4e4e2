//! The noticeboard of `examples/bff`: its script in a real browser.

use std::time::{Duration, Instant};

use fantoccini::Locator;
use fantoccini::elements::Element;

use super::driver::{Chromium, Setup};
use crate::harness::{Noticeboard, PASSWORD};

const SOON: Duration = Duration::from_secs(60);

/// The element, once a person can see it.
async fn seen(browser: &Chromium, css: &str) -> Element {
    let element = browser.client.wait().for_element(Locator::Css(css)).await.unwrap();
    let started = Instant::now();
    while !element.is_displayed().await.unwrap() {
        let source = browser.client.source().await.unwrap();
        assert!(started.elapsed() < SOON, "{css} is not to be seen: {source}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    element
}

async fn press(browser: &Chromium, css: &str) {
    seen(browser, css).await.click().await.unwrap();
}

async fn sign_in(board: &Noticeboard, setup: Setup, user: &str) -> Chromium {
    let browser = Chromium::start(setup).await;
    browser.client.goto(&board.app).await.unwrap();
    seen(&browser, "#sign-in").await;
    browser.picture(&format!("noticeboard-{user}-welcome")).await;
    press(&browser, "#sign-in").await;
    seen(&browser, "#username").await.send_keys(user).await.unwrap();
    seen(&browser, "#password").await.send_keys(PASSWORD).await.unwrap();
    press(&browser, "#login-submit").await;
    press(&browser, "input[value='notes:write']").await;
    press(&browser, "#consent-allow").await;
    seen(&browser, "#board").await;
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), format!("{}/", board.app));
    browser
}

async fn pin(browser: &Chromium, text: &str) {
    seen(browser, "#text").await.send_keys(text).await.unwrap();
    press(browser, "#pin").await;
}

async fn reads(browser: &Chromium, text: &str) {
    let started = Instant::now();
    while !browser.text().await.contains(text) {
        assert!(started.elapsed() < SOON, "'{text}' is not in {}", browser.text().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn everybody_sees_each_note_at_once_and_no_browser_keeps_a_token() {
    let board = Noticeboard::start().await;
    let alice = sign_in(&board, Setup::default(), "alice").await;
    reads(&alice, "Nothing is pinned yet").await;
    reads(&alice, "You are the only one here").await;
    let phone = Setup { width: 390, height: 844, ..Setup::default() };
    let bob = sign_in(&board, phone, "bob").await;
    for browser in [&alice, &bob] {
        reads(browser, "2 are looking").await;
    }
    for text in
        ["The lift is repaired on Monday", "<b>Cake</b> in the kitchen", "Who has a ladder?"]
    {
        pin(&alice, text).await;
        reads(&alice, text).await;
        reads(&bob, text).await;
    }
    pin(&bob, "I have one, ask at number 7").await;
    reads(&alice, "I have one").await;
    assert!(alice.text().await.contains("Somebody else"));
    for (browser, name) in [(&alice, "alice"), (&bob, "bob")] {
        browser.picture(&format!("noticeboard-{name}")).await;
        let kept = "return [localStorage.length, sessionStorage.length, document.cookie, \
                    document.documentElement.outerHTML.includes('eyJ')].join()";
        let kept = browser.client.execute(kept, vec![]).await.unwrap();
        assert_eq!(kept, "0,0,,false");
        let trouble = browser.client.find(Locator::Id("trouble")).await.unwrap();
        assert!(!trouble.is_displayed().await.unwrap(), "{:?}", trouble.text().await);
        let wide = "return document.documentElement.scrollWidth > window.innerWidth";
        assert_eq!(browser.client.execute(wide, vec![]).await.unwrap(), false, "sideways");
    }
    press(&bob, "#sign-out").await;
    press(&bob, "#logout-confirm").await;
    seen(&bob, "#sign-in").await;
    reads(&alice, "You are the only one here").await;
    bob.close().await;
    alice.close().await;
}

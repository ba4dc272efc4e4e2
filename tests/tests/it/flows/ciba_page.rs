//! The page with the requests that wait for the user (OpenID Connect CIBA Core 1.0 section 8): what
//! a person sees, and what nobody can make happen without one.

use std::time::Duration;

use crate::harness::{Asked, Browser, Keystile, PASSWORD, Page, SHOPS, allow_newest, requests};

async fn start() -> Keystile {
    Keystile::start_with(SHOPS).await
}

/// No word counted.
async fn still_waits(asked: &Asked) {
    let error = asked.refused().await;
    assert!(["authorization_pending", "slow_down"].contains(&error.as_str()), "{error}");
}

/// Where "not you?" leads.
fn switch(server: &Keystile, page: &Page) -> String {
    let rest = page.html.split("id=\"requests-switch\" href=\"").nth(1).expect("a link");
    server.url(&rest.split('"').next().unwrap().replace("&amp;", "&"))
}

fn is_question(page: &Page) -> bool {
    page.has("request-1-allow") && page.status == 200
}

#[tokio::test]
async fn a_person_sees_who_asks_for_what_the_newest_first() {
    let server = start().await;
    let mut browser = Browser::new();
    let page = browser.open(server.url("/requests")).await;
    assert!(page.is_sign_in(), "{}", page.text());
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.url.path() == "/requests" && page.text().contains("Nothing waits for you"));
    assert!(page.html.contains("http-equiv=\"refresh\" content=\"5;url=/requests\""));
    let account = browser.open(server.url("/account")).await;
    assert!(account.text().contains("Questions of apps that wait for your answer"));

    let scope = ("scope", "openid profile photos:read photos:order");
    let shop = Asked::begin(Asked::shop(&server), &[scope]).await;
    let account = browser.open(server.url("/account")).await;
    assert!(account.text().contains("An app waits for your answer"), "{}", account.text());
    Asked::begin(Asked::kiosk(&server), &[("binding_message", "No. 7")]).await;
    let account = browser.open(server.url("/account")).await;
    assert!(account.text().contains("2 apps wait for your answer"), "{}", account.text());
    assert!(account.html.contains("href=\"/requests\""));

    let page = browser.open(server.url("/requests")).await;
    let text = page.text();
    let places = ["Kiosk asks for access", "Corner Shop asks for access", "W4SCT"];
    let places = places.map(|words| text.find(words).unwrap_or_else(|| panic!("{words}: {text}")));
    assert!(places.is_sorted(), "{text}");
    for words in
        ["shop.example", "Shopkeepers Ltd", "see your photos", "alice", "The question ends"]
    {
        assert!(text.contains(words), "no {words} in {text}");
    }
    assert!(!page.html.contains("http-equiv"), "nothing changes while it is read");
    assert_eq!(page.boxes(), [("photos:order".to_owned(), false)]);
    let done = browser.press(&page, "request-2-allow", &[("scope", "photos:order")]).await;
    assert!(is_question(&done), "the other one still waits");
    assert!(done.text().contains("You allowed it. Corner Shop"), "{}", done.text());
    let got = shop.poll().await.unwrap();
    assert_eq!(got.text("scope"), "openid profile photos:read photos:order");
}

#[tokio::test]
async fn nobody_sees_or_answers_what_waits_for_another() {
    let server = start().await;
    let asked = Asked::begin(Asked::shop(&server), &[]).await;
    let (mut alice, mut bob) = (Browser::new(), Browser::new());
    let of_bob = requests(&server, &mut bob, "bob").await;
    assert!(of_bob.text().contains("Nothing waits for you"), "{}", of_bob.text());
    let page = requests(&server, &mut alice, "alice").await;
    assert!(is_question(&page));
    // Her page in his browser, and her browser with him signed in to it.
    let consent = page.field("consent").unwrap();
    let fields = [("consent", consent.as_str()), ("decision", "allow")];
    for path in ["/requests", "/consent"] {
        let answer = bob.post(server.url(path), &fields).await;
        assert!(!answer.text().contains("You allowed it"), "{}", answer.text());
    }
    let switched = alice.open(switch(&server, &page)).await;
    alice.sign_in(&switched, "bob", PASSWORD).await;
    let answer = alice.post(server.url("/requests"), &fields).await;
    assert!(!answer.text().contains("You allowed it"), "{}", answer.text());
    still_waits(&asked).await;
    // The name of the request opens nothing.
    for path in ["/requests", "/consent", "/device"] {
        let query = format!("{path}?request={}", asked.auth_req_id());
        bob.open(server.url(&query)).await;
        let fields = [
            ("auth_req_id", asked.auth_req_id()),
            ("consent", asked.auth_req_id()),
            ("decision", "allow"),
            ("action", "allow"),
        ];
        bob.post(server.url(path), &fields).await;
    }
    still_waits(&asked).await;
}

#[tokio::test]
async fn what_another_site_or_an_old_session_posts_counts_for_nothing() {
    let server = start().await;
    let asked = Asked::begin(Asked::shop(&server), &[]).await;
    let mut browser = Browser::new();
    let page = requests(&server, &mut browser, "alice").await;
    let consent = page.field("consent").unwrap();
    let fields = [("consent", consent.as_str()), ("decision", "allow")];
    let answer = browser.post_cross_site(server.url("/requests"), &fields).await;
    assert_eq!(answer.status, 303);
    still_waits(&asked).await;
    let out = browser.open(server.url("/logout")).await;
    browser.press(&out, "logout-confirm", &[]).await;
    let answer = browser.post(server.url("/requests"), &fields).await;
    assert!(answer.is_sign_in(), "{}", answer.text());
    let answer = browser.sign_in(&answer, "alice", PASSWORD).await;
    assert!(is_question(&answer), "it is asked anew");
    let again = browser.post(server.url("/requests"), &fields).await;
    assert!(is_question(&again), "the page was another session's");
    still_waits(&asked).await;
    for decision in ["", "maybe"] {
        let fields = [("consent", consent.as_str()), ("decision", decision)];
        browser.post(server.url("/requests"), &fields).await;
    }
    let broken = browser.post(server.url("/requests"), &[("consent", "nonsense")]).await;
    assert_eq!(broken.status, 400);
    still_waits(&asked).await;
}

#[tokio::test]
async fn only_somebody_who_signed_in_lately_allows() {
    let more = format!("{SHOPS}\n[lifetimes]\nfresh_sign_in = 2\n");
    let server = Keystile::start_with(&more).await;
    let mut browser = Browser::new();
    server.app().code(&mut browser).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let asked = Asked::begin(Asked::shop(&server), &[]).await;
    let page = browser.open(server.url("/requests")).await;
    assert!(page.is_sign_in(), "{}", page.text());
    assert_eq!(page.field("username").as_deref(), Some("alice"));
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(is_question(&page), "{}", page.text());
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let late = browser.press(&page, "request-1-allow", &[]).await;
    assert!(late.is_sign_in(), "{}", late.text());
    still_waits(&asked).await;
    let page = browser.sign_in(&late, "alice", PASSWORD).await;
    browser.press(&page, "request-1-allow", &[]).await;
    let got = asked.poll().await.unwrap();
    let auth_time = got.claims("id_token")["auth_time"].as_u64().unwrap();
    assert!(crate::harness::now() - auth_time < 5);
}

#[tokio::test]
async fn remembered_consent_and_trust_answer_nothing() {
    let server = start().await;
    let mut browser = Browser::new();
    let first = Asked::begin(Asked::shop(&server), &[]).await;
    allow_newest(&server, &mut browser).await;
    assert!(first.poll().await.is_ok());
    for app in [Asked::shop(&server), Asked::kiosk(&server)] {
        let asked = Asked::begin(app, &[]).await;
        let page = browser.open(server.url("/requests")).await;
        assert!(is_question(&page));
        still_waits(&asked).await;
        browser.press(&page, "request-1-deny", &[]).await;
        assert_eq!(asked.refused().await, "access_denied");
    }
}

#[tokio::test]
async fn a_button_may_be_pressed_twice_and_the_first_word_counts() {
    let server = start().await;
    let asked = Asked::begin(Asked::shop(&server), &[]).await;
    let mut browser = Browser::new();
    let page = requests(&server, &mut browser, "alice").await;
    for _ in 0..2 {
        let done = browser.press(&page, "request-1-allow", &[]).await;
        assert!(done.text().contains("You allowed it"), "{}", done.text());
    }
    let other = browser.press(&page, "request-1-deny", &[]).await;
    assert!(other.text().contains("Nothing was changed"), "{}", other.text());
    assert!(asked.poll().await.is_ok());
}

#[tokio::test]
async fn the_page_is_neither_framed_nor_in_another_app() {
    let server = start().await;
    let mut framed = Browser::new();
    requests(&server, &mut framed, "alice").await;
    Asked::begin(Asked::shop(&server), &[]).await;
    framed.headers.push(("sec-fetch-dest", "iframe".to_owned()));
    let page = framed.open(server.url("/requests")).await;
    assert!(!is_question(&page) && !page.html.contains("<form"), "{}", page.text());
    let method = framed.send(reqwest::Method::PUT, page.url.clone(), None, &[]).await;
    assert_eq!(method.status, 405);
}

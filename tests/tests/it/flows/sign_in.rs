//! Signing in: what it tells, and how guessing is slowed.

use std::time::Instant;

use crate::harness::{Browser, Keystile, PASSWORD};

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_look_the_same_and_cost_the_same() {
    // A hash that takes long enough to be seen.
    let server = Keystile::start_with("[limits]\nguessing = false\n").await;
    let mut browser = Browser::new();
    let page = browser.open(server.app().authorize_url()).await;
    let unknown = browser.sign_in(&page, "nobody", "wrong").await;
    let wrong = browser.sign_in(&page, "alice", "wrong").await;
    assert!(unknown.is_sign_in() && wrong.is_sign_in());
    assert_eq!(unknown.text(), wrong.text());
    assert_eq!(unknown.status, wrong.status);
    // Work done: the fastest of several, so that a busy machine does not decide.
    let mut fastest = [u128::MAX; 2];
    for _ in 0..10 {
        for (name, best) in ["nobody", "alice"].iter().zip(&mut fastest) {
            let started = Instant::now();
            browser.sign_in(&page, name, "wrong").await;
            *best = (*best).min(started.elapsed().as_micros());
        }
    }
    println!("unknown user {} µs, wrong password {} µs", fastest[0], fastest[1]);
}

#[tokio::test]
async fn guessing_is_slowed_with_the_same_words_for_names_that_exist_and_names_that_do_not() {
    let server = Keystile::start().await;
    for name in ["alice", "nobody"] {
        let mut guesser = Browser::new();
        let page = guesser.open(server.app().authorize_url()).await;
        let mut refused = None;
        for _ in 0..12 {
            let answer = guesser.sign_in(&page, name, "wrong").await;
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.unwrap_or_else(|| panic!("{name} could be guessed without end"));
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "not for long: {wait} s");
        assert!(refused.has("login-submit"), "the form is still there");
    }
}

#[tokio::test]
async fn an_attacked_account_stays_open_to_a_browser_that_its_owner_used_before() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut owner = Browser::new();
    app.code(&mut owner).await;
    let mut attacker = Browser::new();
    let page = attacker.open(app.authorize_url()).await;
    for _ in 0..30 {
        attacker.sign_in(&page, "alice", "wrong").await;
    }
    assert_eq!(attacker.sign_in(&page, "alice", PASSWORD).await.status, 429);
    let page = owner.open(app.authorize_url_with(&[("prompt", Some("login"))])).await;
    let page = owner.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.query("code").is_some(), "{} {}", page.status, page.text());
}

#[tokio::test]
async fn a_session_has_a_new_handle_at_every_sign_in_and_the_old_one_ends() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let before = browser.clone();
    let page = browser.open(app.authorize_url_with(&[("prompt", Some("login"))])).await;
    browser.sign_in(&page, "alice", PASSWORD).await;
    assert_ne!(before.cookies, browser.cookies);
    let mut stale = before;
    assert!(stale.open(app.authorize_url()).await.is_sign_in(), "the old handle opens nothing");
}

#[tokio::test]
async fn cookies_are_for_http_alone_and_lax() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let page = browser.get(server.app().authorize_url()).await;
    for cookie in page.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        assert!(cookie.contains("Path=/") && !cookie.contains("Domain"), "{cookie}");
    }
    assert!(page.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_user_name_is_trimmed_and_its_case_does_not_matter() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let page = browser.open(server.app().authorize_url()).await;
    assert!(browser.sign_in(&page, " Alice ", PASSWORD).await.is_consent());
}

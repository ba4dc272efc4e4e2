//! Row 3.10 of the mission: each way in which a login fails.

use axum::response::IntoResponse;
use http::{StatusCode, header};
use keystile_client::{Cause, LoginFailure};

use crate::bench::{Answer, Answering, Browser, Setup, query_of};

/// Starts a login and comes back with other parameters.
async fn come_back(setup: &Setup, browser: &mut Browser, path: &str, query: &str) -> Answer {
    let authorize = browser.get(path).await.location().to_owned();
    let state = query_of(&authorize)["state"].clone();
    let iss = url::form_urlencoded::byte_serialize(setup.server.url.as_bytes()).collect::<String>();
    let query = query.replace("STATE", &state).replace("ISS", &iss);
    browser.get(&format!("/callback?{query}")).await
}

fn is_a_page(answer: &Answer) {
    assert!(answer.body.contains("<h1>") && answer.body.contains("Reference "), "{}", answer.body);
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"));
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers[header::REFERRER_POLICY], "no-referrer");
    assert!(!answer.body.contains("<script") && !answer.body.contains("style="));
    assert!(answer.body.contains("href=\"/\""), "a way back");
}

#[tokio::test]
async fn seed_3_10_each_error_of_4_1_2_1_is_told_in_plain_words() {
    let setup = Setup::new().await;
    for (error, status, words) in [
        ("access_denied", 403, "You did not sign in"),
        ("invalid_request", 500, "a fault of this app"),
        ("unauthorized_client", 500, "a fault of this app"),
        ("unsupported_response_type", 500, "a fault of this app"),
        ("invalid_scope", 500, "a fault of this app"),
        ("server_error", 503, "try again"),
        ("temporarily_unavailable", 503, "try again"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", 502, "a fault of this app"),
    ] {
        let mut browser = setup.browser();
        let query = format!("error={error}&error_description=%3Cb%3Ewords&state=STATE&iss=ISS");
        let answer = come_back(&setup, &mut browser, "/login?return_to=/me", &query).await;
        assert_eq!(answer.status.as_u16(), status, "{error}");
        is_a_page(&answer);
        assert!(answer.body.contains(words), "{error}: {}", answer.body);
        assert!(
            !answer.body.contains("words") && !answer.body.contains("alert"),
            "{}",
            answer.body
        );
        assert!(answer.body.contains("href=\"/login?return_to=%2Fme\""), "tries again from there");
        assert_eq!(browser.logins(), 0);
    }
    assert_eq!(setup.server.hits("token"), 0);
}

#[tokio::test]
async fn seed_3_10_an_error_without_state_is_told_too() {
    let setup = Setup::new().await;
    for error in ["access_denied", "server_error", "invalid_request", "nonsense"] {
        let mut browser = setup.browser();
        let answer =
            come_back(&setup, &mut browser, "/login", &format!("error={error}&iss=ISS")).await;
        is_a_page(&answer);
        assert!(answer.body.contains("href=\"/login"), "{error}");
    }
}

#[tokio::test]
async fn seed_3_10_after_prompt_none_the_user_is_asked_once() {
    let setup = Setup::new().await;
    for error in ["login_required", "interaction_required", "consent_required"] {
        let mut browser = setup.browser();
        let query = format!("error={error}&state=STATE&iss=ISS");
        let path = "/login?prompt=none&return_to=/me";
        let again = come_back(&setup, &mut browser, path, &query).await;
        let authorize = again.location().to_owned();
        assert!(!query_of(&authorize).contains_key("prompt"), "asked aloud now");
        let landed = browser.get(&setup.server.approve(&authorize)).await;
        assert_eq!(landed.location(), "/me");
    }
    let mut browser = setup.browser();
    let query = "error=login_required&state=STATE&iss=ISS";
    let again = come_back(&setup, &mut browser, "/login", query).await.location().to_owned();
    let path = again.split_once("/authorize?").expect("the server").1;
    let state = query_of(&format!("http://x/?{path}"))["state"].clone();
    let iss = &setup.server.url;
    let answer =
        browser.get(&format!("/callback?error=login_required&state={state}&iss={iss}")).await;
    is_a_page(&answer);
}

#[tokio::test]
async fn a_wrong_state_starts_over_once_and_then_offers_a_link() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let answer = come_back(&setup, &mut browser, "/login", "code=x&state=0.other&iss=ISS").await;
    let state = query_of(answer.location())["state"].clone();
    assert!(state.starts_with("1."), "the second attempt");
    browser.cookies.clear();
    let iss = &setup.server.url;
    for state in [state.as_str(), "foreign", ""] {
        let answer = browser.get(&format!("/callback?code=x&state={state}&iss={iss}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{state}");
        is_a_page(&answer);
        assert!(answer.body.contains("Sign in again"));
    }
    assert_eq!(setup.server.hits("token"), 0, "no code was sent");
}

#[tokio::test]
async fn login_csrf_a_callback_of_another_browser_signs_nobody_in_rfc_6749_10_12() {
    let setup = Setup::new().await;
    let mut attacker = setup.browser();
    let authorize = attacker.get("/login").await.location().to_owned();
    let callback = setup.server.approve(&authorize);
    let mut victim = setup.browser();
    victim.get("/login").await;
    let answer = victim.get(&callback).await;
    assert!(answer.location().contains("/authorize?"), "the victim's own login");
    assert!(!victim.cookies.contains_key("app"));
    assert_eq!(setup.server.hits("token"), 0);
}

#[tokio::test]
async fn a_wrong_iss_is_a_mix_up_rfc_9207_2_4() {
    let setup = Setup::new().await;
    for iss in ["", "&iss=", "&iss=https://evil.example", "&iss=ISS/", "&iss=ISS&iss=ISS"] {
        let mut browser = setup.browser();
        let query = format!("code=x&state=STATE{iss}");
        let answer = come_back(&setup, &mut browser, "/login", &query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{iss}");
        is_a_page(&answer);
    }
    assert_eq!(setup.server.hits("token"), 0, "the code was sent to nobody");
}

#[tokio::test]
async fn without_a_promise_iss_may_be_missing_rfc_9207_3() {
    let setup = Setup::new().await;
    setup.server.facts().iss_promised = false;
    let mut browser = setup.browser();
    let authorize = browser.get("/login").await.location().to_owned();
    let callback = setup.server.approve(&authorize);
    let without = callback.split("&iss=").next().expect("a URL").to_owned();
    assert_eq!(browser.get(&without).await.location(), "/");
}

#[tokio::test]
async fn a_repeated_callback_leads_on_and_sends_no_code_twice() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let authorize = browser.get("/login?return_to=/me").await.location().to_owned();
    let mut before = browser.clone();
    let callback = setup.server.approve(&authorize);
    assert_eq!(browser.get(&callback).await.location(), "/me");
    assert_eq!(browser.get(&callback).await.location(), "/", "reload: the session exists");
    let again = before.get(&callback).await;
    assert!(again.location().contains("/authorize?"), "loaded twice at once: a login of its own");
    assert_eq!(setup.server.hits("token"), 1);
}

#[tokio::test]
async fn a_callback_after_fifteen_minutes_starts_over() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let authorize = browser.get("/login?return_to=/me").await.location().to_owned();
    setup.wait(16 * 60);
    let again = browser.get(&setup.server.approve(&authorize)).await.location().to_owned();
    assert_eq!(setup.server.hits("token"), 0);
    let landed = browser.get(&setup.server.approve(&again)).await;
    assert_eq!(landed.location(), "/me", "where they wanted to go is not forgotten");
}

#[tokio::test]
async fn a_lost_answer_to_the_code_is_a_new_request_and_never_the_code_again() {
    let setup = Setup::new().await;
    setup.server.facts().token = Answering::Lost;
    let mut browser = setup.browser();
    let answer = setup.sign_in(&mut browser, "/login?return_to=/me").await;
    let authorize = answer.location().to_owned();
    assert_eq!(setup.server.hits("token"), 1);
    setup.server.facts().token = Answering::Well;
    assert_eq!(browser.get(&setup.server.approve(&authorize)).await.location(), "/me");

    setup.server.facts().token = Answering::Lost;
    let mut browser = setup.browser();
    let authorize = setup.sign_in(&mut browser, "/login").await.location().to_owned();
    let answer = browser.get(&setup.server.approve(&authorize)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "once, and then it is told");
    is_a_page(&answer);
}

#[tokio::test]
async fn a_login_that_is_retried_still_asks_what_the_first_one_asked() {
    let setup = Setup::new().await;
    setup.server.facts().token = Answering::Lost;
    let mut browser = setup.browser();
    let answer = setup.sign_in(&mut browser, "/login?prompt=login&max_age=60").await;
    let query = query_of(answer.location());
    assert_eq!((&*query["prompt"], &*query["max_age"]), ("login", "60"));
}

#[tokio::test]
async fn seed_3_10_errors_of_the_token_endpoint() {
    for (status, error, retried, then) in [
        (400, "invalid_grant", true, 503),
        (503, "temporarily_unavailable", true, 503),
        (500, "server_error", true, 503),
        (401, "invalid_client", false, 500),
        (400, "unauthorized_client", false, 500),
        (400, "invalid_request", false, 500),
        (400, "unsupported_grant_type", false, 500),
        (400, "brand_new", false, 502),
    ] {
        let setup = Setup::new().await;
        setup.server.facts().token = Answering::Error(status, error);
        let mut browser = setup.browser();
        let mut answer = setup.sign_in(&mut browser, "/login").await;
        if retried {
            let authorize = answer.location().to_owned();
            answer = browser.get(&setup.server.approve(&authorize)).await;
        }
        assert_eq!(answer.status.as_u16(), then, "{error}");
        is_a_page(&answer);
        assert!(!answer.body.contains("of</b>"), "the server's words are not shown");
        assert!(!browser.cookies.contains_key("app"));
    }
}

#[tokio::test]
async fn cookies_that_do_not_stick_end_on_a_page_and_not_in_circles() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    browser.cookies.remove("app");
    let login = browser.get("/me").await.location().to_owned();
    let answer = browser.get(&login).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    is_a_page(&answer);
    assert!(browser.get(&login).await.location().contains("/authorize?"), "the link goes on");
}

#[tokio::test]
async fn the_app_can_show_failures_itself() {
    let page = |failure: &LoginFailure| {
        assert!(matches!(failure.cause, Cause::Authorization(_)));
        (StatusCode::IM_A_TEAPOT, failure.reference.clone()).into_response()
    };
    let setup = Setup::with(|builder| builder.on_failure(page)).await;
    let mut browser = setup.browser();
    let answer = come_back(&setup, &mut browser, "/login", "error=access_denied&iss=ISS").await;
    assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
    assert_eq!(answer.body.len(), 9);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn bad_input_to_every_route_is_answered() {
    let setup = Setup::new().await;
    let long = "a".repeat(7000);
    let many = "a=b&".repeat(200);
    for query in
        ["", "%FF=%FF", "state=%FF", "state=%00", "code", "=", &long, &many, "state=a&state=b"]
    {
        for path in ["/callback", "/login"] {
            let mut browser = setup.browser();
            browser.cookies.insert("app".into(), "x".repeat(3000));
            browser.cookies.insert("app.login.x".into(), "y".into());
            let answer = browser.get(&format!("{path}?{query}")).await;
            assert!(answer.status.as_u16() < 500, "{path}?{query}: {}", answer.status);
        }
    }
}

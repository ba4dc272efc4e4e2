//! The way in.

use http::{Method, StatusCode, header};
use keystile_client::Step;

use crate::bench::{APP, Setup, query_of};

#[tokio::test]
async fn seed_1_4_a_user_signs_in_and_lands_where_they_wanted_to_go() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    assert_eq!(browser.get("/").await.body, "hello stranger");
    let landed = setup.sign_in(&mut browser, "/me?tab=2").await;
    assert_eq!(landed.location(), "/me?tab=2");
    let me = browser.get("/me?tab=2").await;
    assert!(me.body.contains("|user-1|Ann <b>||"), "{}", me.body);
    assert_eq!(me.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(browser.get("/").await.body, "hello again");
    assert_eq!(browser.logins(), 0, "the login's cookie is gone");
    assert_eq!(setup.server.hits("token"), 1);
    assert_eq!(
        setup.events.steps(),
        [
            Step::LoginStarted,
            Step::CallbackReceived,
            Step::TokenRequest,
            Step::TokenResponse,
            Step::SessionStarted
        ]
    );
}

#[tokio::test]
async fn seed_1_1_the_request_asks_for_a_code_with_pkce() {
    let setup = Setup::with(|builder| builder.resource("https://photos/")).await;
    let mut browser = setup.browser();
    let authorize = browser.get("/login").await.location().to_owned();
    let query = query_of(&authorize);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "photo-printer"),
        ("redirect_uri", "http://localhost:4001/callback"),
        ("scope", "openid profile photos:read"),
        ("code_challenge_method", "S256"),
        ("resource", "https://photos/"),
    ] {
        assert_eq!(query[name], value);
    }
    assert_eq!(query["code_challenge"].len(), 43);
    assert!(query["state"].len() > 40 && query["nonce"].len() > 40);
}

#[tokio::test]
async fn parallel_tabs_each_finish_their_own_login() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let first = browser.get("/login?return_to=/first").await.location().to_owned();
    let second = browser.get("/login?return_to=/second").await.location().to_owned();
    assert_eq!(browser.logins(), 2);
    let first = browser.get(&setup.server.approve(&first)).await;
    assert_eq!(first.location(), "/first");
    let handle = browser.cookies["app"].clone();
    let second = browser.get(&setup.server.approve(&second)).await;
    assert_eq!(second.location(), "/second");
    assert_ne!(browser.cookies["app"], handle);
    assert_eq!(browser.get("/").await.body, "hello again");
    assert_eq!(browser.logins(), 0);
}

#[tokio::test]
async fn the_handle_changes_at_each_login_and_the_old_one_is_over() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    let mut thief = browser.clone();
    assert_eq!(thief.get("/").await.body, "hello again");
    setup.sign_in(&mut browser, "/login").await;
    assert_eq!(browser.get("/").await.body, "hello again");
    assert_eq!(thief.get("/").await.body, "hello stranger");
    setup.revoked(1).await;
}

#[tokio::test]
async fn a_handle_that_was_fixed_before_the_login_is_not_used() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    browser.cookies.insert("app".into(), "fixed-by-a-stranger".into());
    setup.sign_in(&mut browser, "/login").await;
    assert_ne!(browser.cookies["app"], "fixed-by-a-stranger");
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_the_login_or_told_401() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    for path in ["/me", "/members", "/photos"] {
        let expected = format!("/login?return_to={}", path.replace('/', "%2F"));
        assert_eq!(browser.get(path).await.location(), expected);
        let fetched = browser.send(Method::GET, path, &[("sec-fetch-mode", "cors")]).await;
        assert_eq!(fetched.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(fetched.headers.contains_key(header::WWW_AUTHENTICATE), "RFC 9110 15.5.2");
    }
    let posted = browser.send(Method::POST, "/form", &[("sec-fetch-mode", "navigate")]).await;
    assert_eq!(posted.status, StatusCode::UNAUTHORIZED, "a POST cannot come back");
    let mut browser = setup.signed_in().await;
    assert_eq!(browser.get("/members").await.body, "for members");
}

#[tokio::test]
async fn return_to_never_leads_off_the_app_rfc_9700_4_11_1() {
    let setup = Setup::new().await;
    for path in [
        "https://evil.example/",
        "//evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "/%0D%0ASet-Cookie:%20a=b",
        "javascript:alert(1)",
        "",
    ] {
        let mut browser = setup.browser();
        let landed = setup.sign_in(&mut browser, &format!("/login?return_to={path}")).await;
        assert_eq!(landed.location(), "/", "{path}");
    }
    let mut browser = setup.browser();
    let landed = setup.sign_in(&mut browser, "/login?return_to=/a&return_to=//evil.example").await;
    assert_eq!(landed.location(), "/", "repeated");
}

#[tokio::test]
async fn a_link_may_ask_for_prompt_hint_and_max_age() {
    let setup = Setup::with(|b| b.max_age(std::time::Duration::from_hours(1))).await;
    let mut browser = setup.browser();
    let ask = async |browser: &mut crate::bench::Browser, query: &str| {
        query_of(browser.get(&format!("/login?{query}")).await.location())
    };
    let query = ask(&mut browser, "prompt=login&login_hint=ann&max_age=60").await;
    assert_eq!(
        (&*query["prompt"], &*query["login_hint"], &*query["max_age"]),
        ("login", "ann", "60")
    );
    let query = ask(&mut browser, "prompt=nonsense&max_age=99999999").await;
    assert!(!query.contains_key("prompt"));
    assert_eq!(query["max_age"], "3600", "a link cannot ask for less than the app does");
}

#[tokio::test]
async fn userinfo_adds_claims_and_must_be_the_same_users_openid_core_5_3_2() {
    let setup = Setup::with(|builder| builder.userinfo(true)).await;
    let mut browser = setup.signed_in().await;
    assert!(browser.get("/me").await.body.contains("|Ann <b>|ann@example.org|"));
    setup.server.facts().userinfo = serde_json::json!({"sub": "somebody else"});
    let mut other = setup.browser();
    let answer = setup.sign_in(&mut other, "/login").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(other.get("/").await.body, "hello stranger");
}

#[tokio::test]
async fn seed_4_2_a_login_does_not_happen_within_a_frame() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    let answer = browser.send(Method::GET, "/login?return_to=/me", &headers).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains("href=\"/login?return_to=%2Fme\" target=\"_top\""));
    assert_eq!(answer.headers[header::X_FRAME_OPTIONS], "DENY");
}

#[tokio::test]
async fn on_https_every_cookie_is_host_only_and_secure() {
    let setup = Setup::with(|b| b.app_url("https://app.example").cookie_name("printer")).await;
    let mut browser = setup.browser();
    setup.sign_in(&mut browser, "/login").await;
    assert!(browser.cookies.contains_key("__Host-printer"));
    let cookies = browser.seen.matches("Path=/; Max-Age").count();
    assert_eq!(browser.seen.matches("SameSite=Lax; Secure").count(), cookies);
    assert!(cookies >= 4);
}

#[tokio::test]
async fn sessions_end_when_they_are_idle_and_when_they_are_old() {
    let setup = Setup::new().await;
    let mut idle = setup.signed_in().await;
    setup.wait(8 * 3600 + 1);
    assert_eq!(idle.get("/").await.body, "hello stranger", "idle");
    let mut busy = setup.signed_in().await;
    for _ in 0..23 {
        setup.wait(7 * 3600);
        assert_eq!(busy.get("/").await.body, "hello again");
    }
    setup.wait(7 * 3600);
    assert_eq!(busy.get("/").await.body, "hello stranger", "seven days");
}

#[tokio::test]
async fn the_redirect_uri_to_register_is_told() {
    let setup = Setup::with(|b| b.callback_path("/auth/back").post_logout("/bye")).await;
    assert_eq!(setup.client.redirect_uri(), format!("{APP}/auth/back"));
    assert_eq!(setup.client.post_logout_redirect_uri(), format!("{APP}/bye"));
    let mut browser = setup.browser();
    assert_eq!(setup.sign_in(&mut browser, "/login").await.location(), "/");
}

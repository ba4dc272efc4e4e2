//! Where the pages show themselves (rows 4.1 to 4.3).

use crate::harness::{Browser, Keystile, PASSWORD};

const WEB_VIEW: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, \
                        like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36";

#[tokio::test]
async fn seed_4_1_and_4_2_pages_are_whole_pages_that_nobody_can_frame() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let sign_in = browser.open(server.app().authorize_url()).await;
    let consent = browser.sign_in(&sign_in, "alice", PASSWORD).await;
    let error = browser.open(server.url("/authorize")).await;
    let account = browser.open(server.url("/account")).await;
    for page in [&sign_in, &consent, &error, &account] {
        let policy = page.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{} {policy}", page.url);
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert!(!page.html.contains("<iframe") && !page.html.contains("window.open"));
    }
    for page in [&sign_in, &consent] {
        assert!(!page.header("content-security-policy").contains("form-action"), "breaks Chrome");
    }
}

#[tokio::test]
async fn seed_4_2_in_a_frame_there_is_a_way_out_and_no_form() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut framed = Browser::new().with_header("sec-fetch-dest", "iframe");
    let page = framed.open(app.authorize_url()).await;
    assert!(!page.html.contains("<form") && page.html.contains("<a "), "{}", page.html);
    // A silent request in a frame still gets its answer.
    let page = framed.open(app.authorize_url_with(&[("prompt", Some("none"))])).await;
    assert_eq!(page.query("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn seed_4_3_in_an_embedded_browser_the_user_is_told_why_and_how_to_go_on() {
    let server = Keystile::start_with(
        "[[clients]]\nclient_id = \"kiosk\"\ntoken_endpoint_auth_method = \
         \"none\"\nallow_embedded_browser = true\nredirect_uris = [\"https://kiosk.example/\"]\n\
         scope = \"openid\"\n",
    )
    .await;
    let app = server.app();
    let mut embedded = Browser::new().with_header("user-agent", WEB_VIEW);
    let page = embedded.open(app.authorize_url()).await;
    assert!(!page.html.contains("name=\"password\""), "no password field in a web view");
    assert!(page.html.contains("intent://localhost"), "the way to the system browser");
    // What it leads to works in the system browser.
    let way_on = page.html.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut system = Browser::new();
    let page = system.open(way_on).await;
    assert!(page.is_sign_in(), "{}", page.text());
    let page = system.sign_in(&page, "alice", PASSWORD).await;
    let page = system.press(&page, "consent-allow", &[]).await;
    assert!(page.query("code").is_some());
    // A switch per client.
    let mut kiosk = server.native_app();
    kiosk.client_id = "kiosk".into();
    kiosk.redirect_uri = "https://kiosk.example/".into();
    kiosk.scope = "openid".into();
    assert!(embedded.open(kiosk.authorize_url()).await.is_sign_in());
}

//! The cases of idea 3: tabs, back buttons, old pages, other browsers, cross-site posts.

use crate::harness::{Browser, Keystile, PASSWORD};

#[tokio::test]
async fn any_number_of_tabs_sign_in_and_the_back_button_works() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let first = browser.open(app.authorize_url()).await;
    let second = browser.open(app.authorize_url_with(&[("state", Some("second"))])).await;
    let consent = browser.sign_in(&second, "alice", PASSWORD).await;
    let done = browser.press(&consent, "consent-allow", &[]).await;
    assert_eq!(done.query("state").as_deref(), Some("second"));
    // The first tab, reloaded, goes on by itself now; posted, it signs in again and goes on too.
    let reloaded = browser.open(first.url.as_str()).await;
    assert_eq!(reloaded.query("state").as_deref(), Some("the state & more"));
    let posted = browser.sign_in(&first, "alice", PASSWORD).await;
    assert!(posted.query("code").is_some());
    // Back to the consent page that was answered long ago: it belongs to an ended session.
    let again = browser.press(&consent, "consent-allow", &[]).await;
    assert!(again.query("code").is_some() || again.is_consent());
}

#[tokio::test]
async fn an_old_page_is_a_new_request_and_cannot_get_around_prompt_login() {
    let server = Keystile::start_with("[lifetimes]\npage = 1\n").await;
    let app = server.app();
    let mut browser = Browser::new();
    let old = browser.open(app.authorize_url_with(&[("prompt", Some("login"))])).await;
    assert!(old.is_sign_in());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    // The user signs in elsewhere, after that page was made.
    app.code(&mut browser).await;
    // The old page alone is no proof of a login for its request: it asks, and goes on from there.
    let page = browser.open(old.url.as_str()).await;
    assert!(page.is_sign_in(), "{} {}", page.url, page.text());
    let done = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(done.query("code").is_some(), "{} {}", done.url, done.text());
    // And an old login page that is posted signs in and goes on, without a dead end.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let done = browser.sign_in(&old, "alice", PASSWORD).await;
    assert!(done.query("code").is_some(), "{} {}", done.url, done.text());
}

#[tokio::test]
async fn max_age_and_prompt_login_ask_again_and_auth_time_moves() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let first = app.tokens(&mut browser).await.claims("id_token")["auth_time"].clone();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let page = browser.open(app.authorize_url_with(&[("max_age", Some("10000"))])).await;
    let same = app.redeem(&page.query("code").unwrap()).await.unwrap();
    assert_eq!(same.claims("id_token")["auth_time"], first);
    for parameter in [("max_age", Some("1")), ("prompt", Some("login"))] {
        let page = browser.open(app.authorize_url_with(&[parameter])).await;
        assert!(page.is_sign_in(), "{parameter:?}");
        let page = browser.sign_in(&page, "alice", PASSWORD).await;
        let tokens = app.redeem(&page.query("code").unwrap()).await.unwrap();
        assert!(tokens.claims("id_token")["auth_time"].as_i64() > first.as_i64());
    }
}

#[tokio::test]
async fn consent_posted_under_another_session_shows_the_page_again() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let alices_consent = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(alices_consent.is_consent());
    // In a second tab bob signs in.
    let page = browser.open(app.authorize_url_with(&[("prompt", Some("login"))])).await;
    let bobs = browser.sign_in(&page, "bob", PASSWORD).await;
    assert!(bobs.is_consent());
    let page = browser.press(&alices_consent, "consent-allow", &[]).await;
    assert!(page.is_consent(), "not allowed for bob by alice's page: {}", page.url);
    assert!(page.text().contains("bob"), "{}", page.text());
}

#[tokio::test]
async fn another_browsers_page_signs_nobody_in_and_consents_to_nothing() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut attacker = Browser::new();
    let attackers_page = attacker.open(app.authorize_url()).await;
    let mut victim = Browser::new();
    victim.open(app.authorize_url()).await;
    // Login CSRF: the victim's browser posts the attacker's form with the attacker's password.
    let page = victim.sign_in(&attackers_page, "bob", PASSWORD).await;
    assert!(page.is_sign_in(), "{} {}", page.url, page.text());
    assert!(victim.open(app.authorize_url()).await.is_sign_in(), "nobody is signed in");
    let attackers_consent = attacker.sign_in(&attackers_page, "bob", PASSWORD).await;
    let page = victim.open(app.authorize_url()).await;
    victim.sign_in(&page, "alice", PASSWORD).await;
    let page = victim.press(&attackers_consent, "consent-allow", &[]).await;
    assert!(page.is_consent() && page.text().contains("alice"), "{} {}", page.url, page.text());
}

#[tokio::test]
async fn a_cross_site_post_to_authorize_neither_decides_nor_sets_cookies() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let request = app.request();
    let fields: Vec<_> = request.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let page = browser.post_cross_site(server.url("/authorize"), &fields).await;
    assert_eq!(page.status, 303);
    // Followed with its cookies, it is the same request as GET: the session answers it.
    let page = browser.follow(page).await;
    assert!(page.query("code").is_some(), "{} {}", page.url, page.text());
}

#[tokio::test]
async fn prompt_consent_is_satisfied_by_the_post_itself_and_not_twice() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let url = app.authorize_url_with(&[("prompt", Some("consent"))]);
    let page = browser.open(&url).await;
    assert!(page.is_consent());
    let done = browser.press(&page, "consent-allow", &[]).await;
    assert!(done.query("code").is_some());
    assert!(browser.open(&url).await.is_consent(), "a reload asks again");
    assert!(browser.open(page.url.as_str()).await.is_consent(), "a bookmark asks again");
}

#[tokio::test]
async fn not_you_leads_to_another_account() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let consent = browser.sign_in(&page, "alice", PASSWORD).await;
    let link = consent.html.split("id=\"consent-switch\" href=\"").nth(1).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    let page = browser.open(server.url(&link)).await;
    assert!(page.is_sign_in(), "{}", page.text());
    let page = browser.sign_in(&page, "bob", PASSWORD).await;
    assert!(page.is_consent() && page.text().contains("bob"), "{}", page.text());
}

#[tokio::test]
async fn form_post_hands_the_answer_over_in_a_form_bound_to_the_redirect_uris_origin() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let page = browser.open(app.authorize_url_with(&[("response_mode", Some("form_post"))])).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("form-action https://app.example"));
    assert_eq!(page.field("state").as_deref(), Some("the state & more"));
    assert_eq!(page.field("iss").as_deref(), Some(server.issuer.as_str()));
    assert!(app.redeem(&page.field("code").unwrap()).await.is_ok());
}

#[tokio::test]
async fn an_altered_page_cannot_go_on_and_says_so() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let page = browser.open(server.app().authorize_url()).await;
    let mut request = page.field("request").unwrap();
    request.replace_range(30..31, if &request[30..31] == "A" { "B" } else { "A" });
    let fields = [("request", request.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let page = browser.post(server.url("/login"), &fields).await;
    assert_eq!(page.status, 400);
    let page =
        browser.post(server.url("/consent"), &[("consent", "x"), ("decision", "allow")]).await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn the_pages_speak_the_persons_language() {
    let server = Keystile::start().await;
    let mut german = Browser::new().with_header("accept-language", "de-AT,de;q=0.9,en;q=0.5");
    let page = german.open(server.app().authorize_url()).await;
    assert!(
        page.html.contains("lang=\"de\"") && page.text().contains("Passwort"),
        "{}",
        page.text()
    );
    let url = server.app().authorize_url_with(&[("ui_locales", Some("de"))]);
    assert!(Browser::new().open(url).await.text().contains("Passwort"));
}

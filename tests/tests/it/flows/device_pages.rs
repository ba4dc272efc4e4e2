//! The device grant's pages (RFC 8628 sections 3.3 and 5): what a person sees, and what nobody
//! can make happen without one.

use reqwest::{Method, Url};

use crate::harness::{Browser, DEVICES, Device, Keystile, PASSWORD, Page, enter};

const PENDING: &str = "authorization_pending";

async fn start() -> Keystile {
    Keystile::start_with(DEVICES).await
}

fn is_question(page: &Page) -> bool {
    page.has("device-allow") && page.status == 200
}

#[tokio::test]
async fn a_link_fills_the_code_in_and_nothing_more_rfc_8628_3_3_1_and_5_4() {
    let server = start().await;
    let mut browser = Browser::new();
    let before = Device::begin(Device::tv(&server), "openid").await;
    before.allow(&mut browser).await;
    // Signed in, consent remembered, the link of a device: still two buttons to press.
    let device = Device::begin(Device::tv(&server), "openid").await;
    let page = browser.open(device.text("verification_uri_complete")).await;
    assert_eq!(page.field("user_code").as_deref(), Some(device.user_code()));
    assert!(page.has("user-code-submit") && !is_question(&page));
    assert_eq!(device.refused().await, PENDING);
    let page = browser.press(&page, "user-code-submit", &[]).await;
    assert!(is_question(&page), "{} {}", page.url, page.text());
    let reloaded = browser.open(page.url.as_str()).await;
    assert!(is_question(&reloaded));
    browser.press(&page, "device-allow", &[]).await;
    assert!(device.poll().await.is_ok());
    // Nor is a trusted client's device, which asks for no consent elsewhere.
    let kiosk = Device::begin(Device::kiosk(&server), "openid").await;
    assert!(is_question(&kiosk.question(&mut browser, "alice").await));
    assert_eq!(kiosk.refused().await, PENDING);
}

#[tokio::test]
async fn another_browsers_pages_lead_to_the_field_alone() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid").await;
    let mut attacker = Browser::new();
    let question = device.question(&mut attacker, "bob").await;
    let sign_in_page = {
        let mut signed_out = Browser::new();
        enter(&mut signed_out, device.text("verification_uri"), device.user_code()).await
    };
    let mut victim = Browser::new();
    server.app().code(&mut victim).await;
    for address in [question.url.as_str(), sign_in_page.url.as_str()] {
        let page = victim.open(address).await;
        assert!(page.has("user-code-submit") && !is_question(&page), "{}", page.text());
        assert_eq!(page.field("user_code").as_deref(), Some(device.user_code()));
    }
    let page = victim.press(&question, "device-allow", &[]).await;
    assert!(page.has("user-code-submit"), "{} {}", page.url, page.text());
    // The consent page's form is no way around.
    let fields = [("consent", question.field("consent").unwrap()), ("decision", "allow".into())];
    let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    victim.post(server.url("/consent"), &fields).await;
    assert_eq!(device.refused().await, PENDING);
}

#[tokio::test]
async fn what_another_site_posts_is_not_looked_at() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid").await;
    let mut browser = Browser::new();
    let question = device.question(&mut browser, "alice").await;
    let fields = [("user_code", device.user_code()), ("token", "")];
    let page = browser.post_cross_site(server.url("/device"), &fields).await;
    assert_eq!(page.status, 303);
    let page = browser.follow(page).await;
    assert_eq!(page.field("user_code").as_deref(), Some(device.user_code()));
    let consent = question.field("consent").unwrap();
    let fields = [("consent", consent.as_str()), ("decision", "allow")];
    let page = browser.post_cross_site(server.url("/consent"), &fields).await;
    assert_ne!(page.status, 500);
    assert_eq!(device.refused().await, PENDING);
    // A field of nobody's page, or of another browser's, or of another form.
    let mut other = Browser::new();
    let foreign = other.open(server.url("/device")).await.field("token").unwrap();
    let account = browser.open(server.url("/account")).await.field("token").unwrap();
    for token in ["nonsense", &foreign, &account] {
        let fields = [("user_code", "nonsense"), ("token", token)];
        let page = browser.post(server.url("/device"), &fields).await;
        assert!(page.has("user-code-submit") && !page.has("user-code-error"), "not looked for");
    }
}

#[tokio::test]
async fn unknown_expired_and_used_codes_are_answered_alike_rfc_8628_5_1() {
    let more = format!("{DEVICES}\n[lifetimes]\ndevice_code = 2\n");
    let server = Keystile::start_with(&more).await;
    let mut browser = Browser::new();
    let address = server.url("/device");
    let used = Device::begin(Device::tv(&server), "openid").await;
    used.allow(&mut browser).await;
    let mut answers = Vec::new();
    for code in [used.user_code(), "BCDF-GHJK", "nonsense", ""] {
        let page = enter(&mut browser, &address, code).await;
        answers.push((page.status.as_u16(), page.text()));
    }
    let expired = Device::begin(Device::tv(&server), "openid").await;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let page = enter(&mut browser, &address, expired.user_code()).await;
    answers.push((page.status.as_u16(), page.text()));
    assert!(answers[0].1.contains("This code is not good"), "{}", answers[0].1);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn guessing_codes_is_slowed_by_browser_and_by_network_rfc_8628_5_1() {
    let limits = "[limits]\nuser_code = { burst = 8, every_seconds = 600 }\n\
                  user_code_from_browser = { burst = 3, every_seconds = 600 }\n";
    let server = Keystile::start_with(&format!("{DEVICES}\n{limits}")).await;
    let address = server.url("/device");
    let device = Device::begin(Device::tv(&server), "openid").await;
    let mut guesser = Browser::new();
    for _ in 0..3 {
        let page = enter(&mut guesser, &address, "BCDF-GHJK").await;
        assert_eq!(page.status, 200);
    }
    // Right or wrong: nobody can tell while it waits.
    for code in ["BCDF-GHJK", device.user_code()] {
        let page = enter(&mut guesser, &address, code).await;
        assert_eq!(page.status, 429);
        assert!(page.header("retry-after").parse::<u64>().unwrap() > 500);
        assert!(page.text().contains("Please wait 10 minutes"), "{}", page.text());
        assert_eq!(page.field("user_code").as_deref(), Some(code), "nothing is typed twice");
    }
    // Right codes do not count.
    let mut honest = Browser::new();
    for _ in 0..20 {
        assert!(enter(&mut honest, &address, device.user_code()).await.is_sign_in());
    }
    // New browsers do not help for long.
    let mut wrong = 0;
    for _ in 0..10 {
        let page = enter(&mut Browser::new(), &address, "BCDF-GHJK").await;
        wrong += u32::from(page.status == 200);
    }
    assert_eq!(wrong, 5, "eight of one network");
    assert_eq!(enter(&mut honest, &address, device.user_code()).await.status, 429);
}

#[tokio::test]
async fn who_signed_out_or_is_another_is_asked_again() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid profile").await;
    let mut browser = Browser::new();
    let alices = device.question(&mut browser, "alice").await;
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    let page = browser.press(&alices, "device-allow", &[]).await;
    assert!(page.is_sign_in(), "signed out meanwhile: {}", page.text());
    let page = browser.sign_in(&page, "bob", PASSWORD).await;
    assert!(is_question(&page) && page.text().contains("bob"), "{}", page.text());
    let page = browser.press(&alices, "device-allow", &[]).await;
    assert!(is_question(&page) && page.text().contains("bob"), "alice's page says nothing for bob");
    assert_eq!(device.refused().await, PENDING);
    // "Not you?"
    let switch = page.html.split("id=\"device-switch\" href=\"").nth(1).unwrap();
    let switch = switch.split('"').next().unwrap().replace("&amp;", "&");
    let page = browser.open(server.url(&switch)).await;
    assert!(page.is_sign_in());
    let wrong = browser.sign_in(&page, "alice", "wrong").await;
    assert!(wrong.is_sign_in() && wrong.has("login-error"));
    let page = browser.sign_in(&wrong, "alice", PASSWORD).await;
    assert!(is_question(&page) && page.text().contains("alice"), "{}", page.text());
    browser.press(&page, "device-allow", &[]).await;
    let tokens = device.poll().await.unwrap();
    let user = server.app().userinfo(tokens.access_token()).await.1;
    assert_eq!(user["name"], "Alice Example");
}

#[tokio::test]
async fn a_button_pressed_twice_says_the_same_and_another_one_too_late() {
    let server = start().await;
    let mut browser = Browser::new();
    let device = Device::begin(Device::tv(&server), "openid").await;
    let page = device.question(&mut browser, "alice").await;
    for _ in 0..2 {
        let done = browser.press(&page, "device-allow", &[]).await;
        assert!(done.text().contains("Your device may go on"), "{}", done.text());
    }
    assert!(device.poll().await.is_ok());
    let done = browser.press(&page, "device-allow", &[]).await;
    assert!(done.text().contains("Your device may go on"), "{}", done.text());
    let late = browser.press(&page, "device-deny", &[]).await;
    assert!(late.has("user-code-error"), "{}", late.text());
    let reloaded = browser.open(page.url.as_str()).await;
    assert!(reloaded.has("user-code-error"), "{}", reloaded.text());
}

#[tokio::test]
async fn cancel_leads_back_to_the_field_and_decides_nothing() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid").await;
    let mut browser = Browser::new();
    let page = enter(&mut browser, &server.url("/device"), device.user_code()).await;
    assert!(page.is_sign_in() && !page.text().contains("Back to"), "{}", page.text());
    let page = browser.press(&page, "login-cancel", &[]).await;
    assert_eq!(page.field("user_code").as_deref(), Some(device.user_code()));
    assert_eq!(device.refused().await, PENDING);
}

#[tokio::test]
async fn wrong_methods_and_broken_requests_get_pages() {
    let server = start().await;
    let mut browser = Browser::new();
    for (method, path, form, status) in [
        (Method::PUT, "/device", None, 405),
        (Method::DELETE, "/device?request=x", None, 405),
        (Method::POST, "/device/qr/BCDF-GHJK.svg", Some("a=b"), 405),
        (Method::GET, "/device?request=nonsense", None, 400),
        (Method::GET, "/device?request=", None, 400),
        (Method::GET, "/device?user_code=%ff", None, 200),
        (Method::GET, "/device?user_code=a&user_code=b", None, 200),
        (Method::GET, "/device?user_code=%3Cscript%3Ealert(1)%3C/script%3E", None, 200),
        (Method::POST, "/device", Some(""), 303),
        (Method::POST, "/device", Some("user_code=%00&token=x"), 303),
        (Method::POST, "/consent", Some("consent=x&decision=allow"), 400),
    ] {
        let url = Url::parse(&server.url(path)).unwrap();
        let page = browser.send(method, url, form.map(str::to_owned), &[]).await;
        assert_eq!(page.status, status, "{path} {form:?} {}", page.text());
        assert!(!page.html.contains("<script>alert"), "{path}");
        let is_page = page.header("content-type").starts_with("text/html");
        assert!(is_page || status == 303, "{path} {}", page.header("content-type"));
    }
    let mut framed = Browser::new().with_header("sec-fetch-dest", "iframe");
    let page = framed.open(server.url("/device?user_code=BCDF-GHJK")).await;
    assert!(!page.html.contains("<form") && page.html.contains("<a "), "{}", page.html);
    let page = browser.open(server.url("/device")).await;
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(page.header("x-frame-options"), "DENY");
}

#[tokio::test]
async fn the_picture_of_a_code_tells_nothing_about_it_rfc_8628_3_3_1() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid").await;
    let mut browser = Browser::new();
    let real = browser.get(device.text("verification_uri_qr")).await;
    let other = browser.get(server.url("/device/qr/BCDF-GHJK.svg")).await;
    for picture in [&real, &other] {
        assert_eq!(picture.status, 200);
        assert_eq!(picture.header("content-type"), "image/svg+xml");
        assert!(picture.header("cache-control").contains("max-age"));
        assert_eq!(picture.header("content-security-policy"), "default-src 'none'; sandbox");
        assert!(picture.html.starts_with("<svg") && !picture.headers.contains_key("set-cookie"));
    }
    assert_ne!(real.html, other.html);
    for bad in ["BCDFGHJK.svg", "bcdf-ghjk.svg", "AEIO-UAEI.svg", "BCDF-GHJK.png", "x", "..%2f.svg"]
    {
        let page = browser.get(server.url(&format!("/device/qr/{bad}"))).await;
        assert_eq!(page.status, 404, "{bad}");
    }
}

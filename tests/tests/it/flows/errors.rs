//! Every error has its place (rows 3.1 to 3.9).

use tokio::io::AsyncWriteExt;

use crate::harness::{App, Browser, Keystile, Page};

/// An error that came back to the app, with all that row 3.3 asks for.
fn assert_told_to_app(page: &Page, app: &App, error: &str) {
    assert!(page.url.as_str().starts_with(&app.redirect_uri), "{} {}", page.url, page.text());
    assert_eq!(page.query("error").as_deref(), Some(error), "{}", page.url);
    assert!(!page.query("error_description").unwrap_or_default().is_empty());
    let uri = page.query("error_uri").unwrap_or_default();
    assert_eq!(uri, format!("{}/errors/{error}", app.issuer));
    assert_eq!(page.query("state").as_deref(), Some("the state & more"));
    assert_eq!(page.query("iss").as_deref(), Some(app.issuer.as_str()));
    assert_eq!(page.query("code"), None);
}

/// An error that is told to the person and never redirected.
fn assert_told_to_person(page: &Page) -> String {
    assert_eq!(page.status, 400, "{}", page.url);
    assert!(page.location().is_none(), "redirected to {:?}", page.location());
    let text = page.text();
    let reference = text
        .split_whitespace()
        .find(|word| word.len() == 9 && word.as_bytes()[4] == b'-' && word.to_uppercase() == **word)
        .unwrap_or_else(|| panic!("no reference number in {text}"));
    reference.to_owned()
}

#[tokio::test]
async fn seed_3_1_an_invalid_redirect_url_is_told_to_the_person_and_explained_to_the_developer() {
    let server = Keystile::start().await;
    let app = server.app();
    let wrong = [
        "https://app.example/callback/",
        "https://app.example/Callback",
        "https://app.example/callback?x=1",
        "https://app.example.evil.example/callback",
        "https://evil.example/",
        "https://app.example%2f@evil.example/callback",
        "javascript:alert(1)",
        "//app.example/callback",
        "https://app.example/callback#",
    ];
    let mut browser = Browser::new();
    for uri in wrong {
        let page = browser.get(app.authorize_url_with(&[("redirect_uri", Some(uri))])).await;
        assert_told_to_person(&page);
        assert!(!page.html.contains(&format!("href=\"{uri}")), "an unchecked link");
    }
    let page = browser.get(app.authorize_url_with(&[("redirect_uri", Some(wrong[1]))])).await;
    let reference = assert_told_to_person(&page);
    // A development issuer shows it on the page; everybody finds it in log and store.
    assert!(page.text().contains("redirect_uri"), "{}", page.text());
    assert!(server.log().contains(&reference), "{}", server.log());
    let explained = explain(&server, &reference).await;
    assert!(explained.contains("https://app.example/Callback"), "received: {explained}");
    assert!(explained.contains("https://app.example/callback"), "registered: {explained}");
    assert!(explained.contains('^'), "where they first differ: {explained}");
}

/// Incidents are kept in the background.
async fn explain(server: &Keystile, reference: &str) -> String {
    for _ in 0..100 {
        let output = server.command(&["explain", reference, "--config", "keystile.toml"]);
        if output.status.success() {
            return String::from_utf8(output.stdout).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("nothing is kept under {reference}");
}

#[tokio::test]
async fn seed_3_2_an_unrecognized_client_id_is_told_to_the_person() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    for id in [Some("nobody"), Some(""), None, Some("app\n"), Some("APP")] {
        let page = browser.get(server.app().authorize_url_with(&[("client_id", id)])).await;
        assert_told_to_person(&page);
    }
    let page = browser.get(server.app().authorize_url_with(&[("client_id", Some("nobody"))])).await;
    let reference = assert_told_to_person(&page);
    assert!(explain(&server, &reference).await.contains("nobody"));
    let twice = format!("{}&client_id=app", server.app().authorize_url());
    assert_told_to_person(&browser.get(twice).await);
}

#[tokio::test]
async fn seed_3_3_access_denied_goes_back_to_the_app() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let back = browser.press(&page, "login-cancel", &[]).await;
    assert_told_to_app(&back, &app, "access_denied");
    let page = browser.sign_in(&page, "alice", crate::harness::PASSWORD).await;
    let denied = browser.press(&page, "consent-deny", &[]).await;
    assert_told_to_app(&denied, &app, "access_denied");
    // A denial is not remembered against the user.
    assert!(browser.open(app.authorize_url()).await.is_consent());
}

#[tokio::test]
async fn seed_3_4_invalid_request_for_what_is_missing_repeated_or_malformed() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let missing = [("response_type", None)];
    let malformed = [("max_age", Some("soon"))];
    let contradictory = [("prompt", Some("none login"))];
    let unknown_mode = [("response_mode", Some("fragment"))];
    let bad_challenge = [("code_challenge", Some("short"))];
    for changes in [&missing[..], &malformed, &contradictory, &unknown_mode, &bad_challenge] {
        let page = browser.open(app.authorize_url_with(changes)).await;
        assert_told_to_app(&page, &app, "invalid_request");
    }
    for repeated in
        ["response_type=code", "scope=openid", "nonce=again", "prompt=login&prompt=login"]
    {
        let page = browser.open(format!("{}&{repeated}", app.authorize_url())).await;
        assert_told_to_app(&page, &app, "invalid_request");
    }
    // A state that came twice cannot be given back.
    let page = browser.open(format!("{}&state=other", app.authorize_url())).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
    assert_eq!(page.query("state"), None);
}

#[tokio::test]
async fn seed_3_5_unauthorized_client_for_one_not_registered_for_the_code_grant() {
    let server = Keystile::start_with(
        "[[clients]]\nclient_id = \"no-code\"\nclient_secret = \"the secret of a machine, forty \
         characters ok\"\ngrant_types = [\"client_credentials\"]\nredirect_uris = \
         [\"https://machine.example/\"]\nscope = \"photos:read\"\n",
    )
    .await;
    let mut app = server.app();
    app.client_id = "no-code".into();
    app.redirect_uri = "https://machine.example/".into();
    let page = Browser::new().open(app.authorize_url()).await;
    assert_told_to_app(&page, &app, "unauthorized_client");
}

#[tokio::test]
async fn seed_3_6_unsupported_response_type() {
    let server = Keystile::start().await;
    let app = server.app();
    for response_type in ["token", "id_token", "code id_token", "code token", "none", "CODE"] {
        let url = app.authorize_url_with(&[("response_type", Some(response_type))]);
        assert_told_to_app(&Browser::new().open(url).await, &app, "unsupported_response_type");
    }
}

#[tokio::test]
async fn seed_3_7_invalid_scope() {
    let server = Keystile::start().await;
    let app = server.app();
    for scope in ["openid nonsense", "openid address", "a\"b", "photos:read\topenid"] {
        let page = Browser::new().open(app.authorize_url_with(&[("scope", Some(scope))])).await;
        assert_told_to_app(&page, &app, "invalid_scope");
    }
}

#[tokio::test]
async fn seed_3_8_server_error_has_the_reference_of_its_log_line() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    // Somebody broke the store by hand.
    let database = rusqlite::Connection::open(server.database()).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let changed = database.execute("UPDATE sessions SET methods = 'not json'", ()).unwrap();
    assert!(changed > 0);
    let page = browser.open(app.authorize_url()).await;
    assert_told_to_app(&page, &app, "server_error");
    let description = page.query("error_description").unwrap();
    let reference = description.split("reference ").nth(1).unwrap().trim_end_matches(')');
    assert!(server.log().contains(reference), "{description}\n{}", server.log());
}

#[tokio::test]
async fn seed_3_9_temporarily_unavailable_while_the_store_cannot_write() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let consent = browser.sign_in(&page, "alice", crate::harness::PASSWORD).await;
    assert!(consent.is_consent());
    // Another process holds the database for longer than anybody should wait.
    let database = rusqlite::Connection::open(server.database()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let page = browser.press(&consent, "consent-allow", &[]).await;
    assert_told_to_app(&page, &app, "temporarily_unavailable");
    database.execute_batch("ROLLBACK").unwrap();
    let page = browser.press(&consent, "consent-allow", &[]).await;
    assert!(page.query("code").is_some(), "and it goes on by itself: {}", page.url);
}

#[tokio::test]
async fn seed_3_9_temporarily_unavailable_when_the_server_is_full() {
    let server = Keystile::start_with("[limits]\nconcurrent_requests = 1\n").await;
    let app = server.app();
    // Somebody takes the only place: a request whose body does not come.
    let mut slow =
        tokio::net::TcpStream::connect(server.issuer.trim_start_matches("http://")).await.unwrap();
    let head = "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    while reqwest::get(server.url("/errors/x")).await.unwrap().status() != 503 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let page = Browser::new().open(app.authorize_url()).await;
    assert_told_to_app(&page, &app, "temporarily_unavailable");
    let error = app.token(&[("grant_type", "client_credentials")]).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (503, "temporarily_unavailable"));
    assert!(error.description.contains("reference"), "{}", error.description);
    // Never redirected to where it may not go.
    let url = app.authorize_url_with(&[("redirect_uri", Some("https://evil.example/"))]);
    assert_told_to_person(&Browser::new().get(url).await);
}

#[tokio::test]
async fn every_error_uri_leads_to_a_page_about_that_error() {
    let server = Keystile::start().await;
    for error in [
        "access_denied",
        "invalid_request",
        "unauthorized_client",
        "invalid_scope",
        "unsupported_response_type",
        "server_error",
        "temporarily_unavailable",
        "login_required",
        "consent_required",
        "invalid_target",
        "request_not_supported",
        "request_uri_not_supported",
    ] {
        let page = Browser::new().open(server.url(&format!("/errors/{error}"))).await;
        assert!(page.status == 200 && page.text().contains(error), "{error}");
    }
    assert_eq!(Browser::new().open(server.url("/errors/other")).await.status, 404);
}

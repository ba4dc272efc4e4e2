//! The three parties together: `keystile demo`.

use keystile_protocol::encoding::base64url;

use crate::harness::{Browser, Demo, PASSWORD, Page, free_ports, new_directory};

/// From the front page to the photos.
async fn print_my_photos(browser: &mut Browser, demo: &Demo) -> Page {
    let mut page = browser.open(demo.app("/login?return_to=/photos")).await;
    if page.is_sign_in() {
        page = browser.sign_in(&page, "alice", PASSWORD).await;
    }
    if page.is_consent() {
        page = browser.press(&page, "consent-allow", &[("scope", "photos:order")]).await;
    }
    assert_eq!(page.url.as_str(), demo.app("/photos"), "{}", page.text());
    page
}

#[tokio::test]
async fn seed_1_6_no_byte_that_the_three_parties_send_to_the_browser_is_of_a_token() {
    let demo = Demo::start().await;
    let mut browser = Browser::new();
    let page = print_my_photos(&mut browser, &demo).await;
    assert!(page.text().contains("Alice"), "{}", page.text());
    for path in ["/photos", "/inspector", "/proof", "/photos/p01.svg", "/"] {
        browser.open(demo.app(path)).await;
    }
    browser.open(format!("{}/account", demo.issuer())).await;
    // JWTs begin with the base64url of `{"`; the flow made an access and an ID token.
    assert!(!browser.has_seen("eyJhbGciOi"), "a JWT was sent to the browser");
    // A refresh token is the base64url of its version, key, and the grant's row.
    let database = rusqlite::Connection::open(demo.state("keystile.db")).unwrap();
    let grant = database.query_row("SELECT id FROM grants", (), |row| row.get(0));
    let grant: Vec<u8> = grant.expect("the flow made a grant");
    let refresh_token = base64url([&[1, 1, 0, 0][..], &grant].concat());
    assert!(!browser.has_seen(&refresh_token[6..26]), "the refresh token");
    assert!(!browser.has_seen(&base64url(&grant)[2..]), "the grant that access tokens name");
    let secret = std::fs::read_to_string(demo.state("client-secret")).unwrap();
    assert!(!browser.has_seen(secret.trim()), "the client secret");
    // And nothing of it stands in the log.
    assert!(!demo.log().contains("eyJhbGciOi") && !demo.log().contains(secret.trim()));
    // The app's own proof says the same, and finds what it should find.
    let proof = browser.open(demo.app("/proof")).await;
    assert!(proof.text().contains("No token was ever in this browser"), "{}", proof.text());
}

#[tokio::test]
async fn a_second_start_goes_on_with_the_state_of_the_first() {
    let mut demo = Demo::start().await;
    let log = demo.log();
    assert!(
        log.contains(&demo.app("")) && log.contains("alice") && log.contains(PASSWORD),
        "{log}"
    );
    assert!(log.contains("state"), "it names where its state is: {log}");
    let mut browser = Browser::new();
    print_my_photos(&mut browser, &demo).await;
    demo.stop();
    let directory = std::mem::take(&mut demo.directory);
    let again = Demo::start_in(directory, demo.base).await;
    let page = browser.open(again.app("/photos")).await;
    assert_eq!(page.url.path(), "/photos", "still signed in: {}", page.text());
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    // The two ports below are for nobody else, so that it is the demo's that is taken.
    let demo = Demo::start_in(new_directory(), free_ports(5) + 2).await;
    for base in [demo.base, demo.base - 2] {
        let arguments = ["demo", "--port-base", &base.to_string(), "--state", "other"];
        let output = crate::harness::command_in(&demo.directory, &arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains("--port-base"), "{words}");
        assert!(words.contains(&demo.base.to_string()), "which port: {words}");
    }
}

#[tokio::test]
async fn seed_3_10_every_error_leads_on_and_none_to_a_stack_trace() {
    let demo = Demo::start().await;
    let errors = [
        "access_denied",
        "invalid_request",
        "unauthorized_client",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "login_required",
        "consent_required",
        "interaction_required",
        "something_else",
        "<script>",
    ];
    for error in errors {
        for with_state in [true, false] {
            let mut browser = Browser::new();
            let start = browser.get(demo.app("/login?return_to=/photos")).await;
            let request = start.location().unwrap();
            let state = request.query_pairs().find(|(n, _)| n == "state").unwrap().1.into_owned();
            let issuer = demo.issuer();
            let mut pairs = vec![
                ("error", error),
                ("error_description", "inner <b>words</b>"),
                ("iss", &issuer),
            ];
            if with_state {
                pairs.push(("state", &state));
            }
            let url = keystile_protocol::params::with_query(&demo.app("/callback"), &pairs);
            let page = browser.open(url).await;
            let text = page.text();
            let leads_on =
                page.is_sign_in() || page.html.contains("<a ") || page.html.contains("<form");
            assert!(leads_on, "{error} {with_state}: {} {text}", page.status);
            for inner in
                ["inner", "panicked", "stack", "_request", "_denied", "_unavailable", "<script>"]
            {
                assert!(!text.contains(inner), "{error} {with_state}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn the_api_refuses_what_it_should_in_rfc_6750s_words() {
    let demo = Demo::start().await;
    let http = reqwest::Client::new();
    let without = http.get(demo.api("/photos")).send().await.unwrap();
    assert_eq!(without.status(), 401);
    assert!(without.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    let wrong = http.get(demo.api("/photos")).bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(wrong.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    let query = http.get(demo.api("/photos?access_token=x")).send().await.unwrap();
    assert_eq!(query.status(), 400);
}

#[tokio::test]
async fn signing_out_of_the_app_signs_out_of_the_server_too() {
    let demo = Demo::start().await;
    let mut browser = Browser::new();
    let photos = print_my_photos(&mut browser, &demo).await;
    let page = browser.press(&photos, "sign-out", &[]).await;
    let page = if page.has("logout-confirm") {
        browser.press(&page, "logout-confirm", &[]).await
    } else {
        page
    };
    assert!(page.url.as_str().starts_with(&demo.app("/")), "{} {}", page.url, page.text());
    let page = browser.open(demo.app("/photos")).await;
    assert!(page.is_sign_in(), "{} {}", page.url, page.text());
}

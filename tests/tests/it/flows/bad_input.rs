//! Bad input is a normal case: a clear error, no panic, nothing reflected unescaped.

use reqwest::{Client, Method, StatusCode};

use crate::harness::{Browser, Keystile};

const PATHS: [&str; 14] = [
    "/",
    "/authorize",
    "/login",
    "/consent",
    "/cancel",
    "/logout",
    "/account",
    "/token",
    "/revoke",
    "/introspect",
    "/userinfo",
    "/jwks",
    "/.well-known/openid-configuration",
    "/nowhere",
];

/// The server still works and did not panic.
async fn assert_well(server: &Keystile) {
    assert_eq!(reqwest::get(server.url("/readyz")).await.unwrap().status(), 200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn every_endpoint_answers_every_method_and_body_without_a_fault() {
    let server = Keystile::start().await;
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let big = "a=".to_owned() + &"x".repeat(10 * 1024 * 1024);
    let many = "a=1&".repeat(5000);
    let bodies = ["", "a=%FF%00", "&&&===", "\u{0}", "{\"a\":1}", many.as_str(), big.as_str()];
    for path in PATHS {
        for method in
            [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD]
        {
            for body in bodies {
                if method != Method::POST && body.len() > 100_000 {
                    continue;
                }
                for kind in ["application/x-www-form-urlencoded", "application/json"] {
                    let request = http.request(method.clone(), server.url(path));
                    let request = request.header("content-type", kind).body(body.to_owned());
                    // A connection that is closed on a body too large is an answer too.
                    let Ok(answer) = request.send().await else { continue };
                    let status = answer.status();
                    assert!(!status.is_server_error(), "{method} {path}: {status}");
                }
            }
        }
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn the_token_endpoint_answers_each_kind_of_bad_request_in_its_own_words() {
    let server = Keystile::start().await;
    let app = server.app();
    let error = |pairs: &'static [(&'static str, &'static str)]| {
        let app = app.clone();
        async move { app.token(pairs).await.unwrap_err() }
    };
    assert_eq!(error(&[]).await.error, "invalid_request");
    assert_eq!(error(&[("grant_type", "password")]).await.error, "unsupported_grant_type");
    assert_eq!(error(&[("grant_type", "authorization_code")]).await.error, "invalid_request");
    let twice: &[_] = &[("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    assert_eq!(error(twice).await.error, "invalid_request");
    let junk: &[_] = &[("grant_type", "authorization_code"), ("code", "junk")];
    assert_eq!(error(junk).await.error, "invalid_grant");
    let two_credentials: &[_] = &[("grant_type", "client_credentials"), ("client_secret", "x")];
    assert_eq!(error(two_credentials).await.error, "invalid_request");
    let wide: &[_] = &[("grant_type", "client_credentials"), ("scope", "admin")];
    assert_eq!(error(wide).await.error, "invalid_scope");

    let post = |kind: &'static str, body: &'static str, header: &'static str| {
        let url = server.url("/token");
        async move {
            let request = Client::new().post(url).header("content-type", kind).body(body);
            let request =
                if header.is_empty() { request } else { request.header("authorization", header) };
            let answer = request.send().await.unwrap();
            (answer.status(), answer.json::<serde_json::Value>().await.unwrap()["error"].clone())
        }
    };
    let form = "application/x-www-form-urlencoded";
    let grant = "grant_type=client_credentials";
    let (status, code) = post("application/json", "{}", "").await;
    assert_eq!((status, code), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request".into()));
    for header in ["Basic", "Basic !!!", "Basic YQ==", "Bearer x", "Digest x", "\u{e9}"] {
        let (status, code) = post(form, grant, header).await;
        assert_eq!((status, code), (StatusCode::UNAUTHORIZED, "invalid_client".into()), "{header}");
    }
    let get = reqwest::get(server.url("/token?grant_type=client_credentials")).await.unwrap();
    assert_eq!(get.status(), 405);
    assert_well(&server).await;
}

#[tokio::test]
async fn a_token_in_the_query_is_refused_and_errors_say_what_rfc_6750_says() {
    let server = Keystile::start().await;
    let app = server.app();
    let tokens = app.tokens(&mut Browser::new()).await;
    let get = |query: String, header: Option<String>| {
        let url = server.url(&format!("/userinfo{query}"));
        async move {
            let request = Client::new().get(url);
            let request = match header {
                Some(header) => request.header("authorization", header),
                None => request,
            };
            let answer = request.send().await.unwrap();
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
            (answer.status().as_u16(), challenge)
        }
    };
    let (status, challenge) = get(format!("?access_token={}", tokens.access_token()), None).await;
    assert!(status == 400 && challenge.contains("invalid_request"), "{challenge}");
    let (status, challenge) = get(String::new(), None).await;
    assert!(status == 401 && !challenge.contains("error"), "section 3.1: {challenge}");
    let (status, challenge) = get(String::new(), Some("Bearer nonsense".into())).await;
    assert!(status == 401 && challenge.contains("error=\"invalid_token\""), "{challenge}");
    let without = server.app().with_scope("photos:read").tokens(&mut Browser::new()).await;
    let bearer = format!("Bearer {}", without.access_token());
    let (status, challenge) = get(String::new(), Some(bearer)).await;
    assert!(status == 403 && challenge.contains("insufficient_scope"), "{challenge}");
    // The three ways that a token may come (RFC 6750 section 2), and two at once.
    let post = |body: Option<&str>, header: bool| {
        let request = Client::new().post(server.url("/userinfo"));
        let request = match body {
            Some(token) => request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("access_token={token}")),
            None => request,
        };
        let request = if header { request.bearer_auth(tokens.access_token()) } else { request };
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(post(None, true).await, 200);
    assert_eq!(post(Some(tokens.access_token()), false).await, 200);
    assert_eq!(post(Some(tokens.access_token()), true).await, 400);
}

#[tokio::test]
async fn nothing_of_the_input_is_reflected_unescaped() {
    let server = Keystile::start().await;
    let app = server.app();
    let attack = "\"><script>alert(1)</script>";
    let mut browser = Browser::new();
    let urls = [
        app.authorize_url_with(&[("client_id", Some(attack))]),
        app.authorize_url_with(&[("redirect_uri", Some(attack))]),
        app.authorize_url_with(&[("login_hint", Some(attack))]),
        app.authorize_url_with(&[("ui_locales", Some(attack))]),
        server.url("/logout?post_logout_redirect_uri=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
        server.url("/errors/%22%3E%3Cscript%3Ealert(1)"),
    ];
    for url in urls {
        let page = browser.open(&url).await;
        assert!(!page.html.contains("<script>alert"), "{url}");
    }
    let page = browser.open(app.authorize_url()).await;
    let page = browser.sign_in(&page, attack, "wrong").await;
    assert!(page.is_sign_in() && !page.html.contains("<script>alert"));
}

#[tokio::test]
async fn endpoint_urls_come_from_the_issuer_and_never_from_the_host_header() {
    let server = Keystile::start().await;
    let request = Client::new().get(server.url("/.well-known/openid-configuration"));
    let answer = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
    let text = answer.send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("evil.example") && text.contains(&server.issuer));
    let page = Browser::new()
        .with_header("x-forwarded-host", "evil.example")
        .open(server.app().authorize_url())
        .await;
    assert!(!page.html.contains("evil.example"));
}

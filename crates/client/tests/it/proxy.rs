//! The proxy: what goes through to an API and back, and what does not.

use http::{HeaderMap, HeaderName, Method, StatusCode};
use keystile_client::{Client, ClientBuilder};
use serde_json::{Value, json};

use crate::bench::{Answering, Front, query_of};

fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |&(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), http::HeaderValue::from_static(value))
    };
    headers.iter().map(pair).collect()
}

fn unauthorized(challenge: &'static str) -> (StatusCode, HeaderMap) {
    (StatusCode::UNAUTHORIZED, map(&[("www-authenticate", challenge)]))
}

async fn json(answer: reqwest::Response) -> Value {
    serde_json::from_str(&answer.text().await.expect("a body")).expect("json")
}

#[tokio::test]
async fn a_request_goes_on_with_the_token_and_without_what_is_the_apps() {
    let front = Front::new().await;
    let answer = front
        .ask(Method::PUT, "/api/photos/7?size=large&size=small")
        .header("content-type", "application/json")
        .header("if-match", "\"5\"")
        .header("authorization", "Bearer forged")
        .header("dpop", "forged")
        .header("x-forwarded-for", "10.0.0.1")
        .header("forwarded", "for=10.0.0.1")
        .header("origin", crate::bench::OWN_ORIGIN)
        .body("{}")
        .send()
        .await
        .expect("answered");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.text().await.expect("a body"), "well");
    let got = front.got();
    assert_eq!((got.method, got.body.as_str()), (Method::PUT, "{}"));
    assert_eq!(got.target, "/v1/photos/7?size=large&size=small");
    let token = front.setup.server.facts().access_tokens[0].clone();
    assert_eq!(got.headers["authorization"], format!("Bearer {token}"));
    assert_eq!(got.headers["host"], front.api.trim_start_matches("http://"));
    let mut names: Vec<_> = got.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let expected =
        ["accept", "authorization", "content-length", "content-type", "host", "if-match"];
    assert_eq!(names, [&expected[..], &["user-agent"]].concat());
}

#[tokio::test]
async fn an_answer_comes_back_without_what_would_speak_for_the_apps_origin() {
    let front = Front::new().await;
    front.facts().answers = (
        StatusCode::CREATED,
        map(&[
            ("content-type", "text/plain"),
            ("etag", "\"1\""),
            ("x-total-count", "9"),
            ("cache-control", "max-age=60"),
            ("location", "/v1/photos/8"),
            ("content-location", "https://evil.example/x"),
            ("set-cookie", "app=stolen; Path=/"),
            ("clear-site-data", "\"cookies\""),
            ("access-control-allow-origin", "*"),
            ("strict-transport-security", "max-age=1"),
            ("dpop-nonce", "between app and API"),
        ]),
    );
    let answer = front.ask(Method::POST, "/api/photos").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::CREATED);
    let headers = answer.headers();
    assert_eq!(headers["etag"], "\"1\"");
    assert_eq!(headers["x-total-count"], "9");
    assert_eq!(headers["cache-control"], "max-age=60, private");
    assert_eq!(headers["location"], "/api/photos/8", "below the mount");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let gone = [
        "content-location",
        "set-cookie",
        "clear-site-data",
        "access-control-allow-origin",
        "strict-transport-security",
        "dpop-nonce",
    ];
    for name in gone {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn without_proof_of_the_apps_own_script_nothing_is_sent() {
    let front = Front::new().await;
    let csrf = ("x-csrf", "1");
    let cases: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "same-origin"), ("origin", crate::bench::OWN_ORIGIN)],
        &[csrf, ("sec-fetch-site", "cross-site")],
        &[csrf, ("sec-fetch-site", "same-site")],
        &[csrf, ("origin", "https://evil.example")],
        &[("x-csrf", "true")],
    ];
    for headers in cases {
        for method in [Method::GET, Method::POST] {
            let mut request = front.unproved(method, "/api/photos");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send().await.expect("answered");
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{headers:?}");
            let told = json(answer).await;
            assert_eq!(told["error"], "forgery");
            assert!(told["error_description"].as_str().expect("words").len() > 30, "{told}");
        }
    }
    let form = front.unproved(Method::GET, "/me").send().await.expect("answered");
    assert_eq!(form.status(), StatusCode::FORBIDDEN);
    assert!(front.facts().got.is_empty());
}

#[tokio::test]
async fn the_header_has_the_name_that_the_app_gives_it() {
    let front = Front::with(|b| b.anti_forgery_header("X-Photo-Printer"), |proxy| proxy).await;
    let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
    assert!(
        json(answer).await["error_description"]
            .as_str()
            .expect("words")
            .contains("x-photo-printer: 1")
    );
    let request = front.unproved(Method::GET, "/api/photos").header("x-photo-printer", "1");
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK);
}

#[tokio::test]
async fn an_element_reads_without_the_header_where_the_app_lets_it() {
    let dest = [("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "image")];
    for (lets, expected) in [(false, StatusCode::FORBIDDEN), (true, StatusCode::OK)] {
        let proxy = |proxy: keystile_client::Proxy| {
            if lets { proxy.reads_without_header() } else { proxy }
        };
        let front = Front::with(|b| b, proxy).await;
        let ask = |method| {
            dest.iter()
                .fold(front.unproved(method, "/api/photos/7.jpg"), |request, (name, value)| {
                    request.header(*name, *value)
                })
        };
        assert_eq!(ask(Method::GET).send().await.expect("answered").status(), expected);
        let posted = ask(Method::POST).send().await.expect("answered");
        assert_eq!(posted.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_so_and_where_the_login_is() {
    let mut front = Front::new().await;
    front.sign_out().await;
    for path in ["/api/photos", "/me"] {
        // A script may well say that it accepts HTML.
        let request = front.ask(Method::GET, path).header("accept", "text/html");
        let answer = request.send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let told = json(answer).await;
        assert_eq!((&told["error"], &told["login"]), (&json!("login_required"), &json!("/login")));
    }
    assert!(front.facts().got.is_empty());
}

#[tokio::test]
async fn a_session_that_ends_in_a_refresh_is_told_the_same() {
    let front = Front::new().await;
    front.setup.wait(305);
    front.setup.server.facts().refresh = Answering::Error(400, "invalid_grant");
    let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(answer).await["error"], "login_required");
}

#[tokio::test]
async fn a_stronger_sign_in_is_a_login_that_asks_for_it_rfc_9470() {
    let mut front = Front::new().await;
    let demand = r#"Bearer error="insufficient_user_authentication", acr_values="phr""#;
    front.facts().refuses.push_back(unauthorized(demand));
    let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let told = json(answer).await;
    assert_eq!(told["error"], "insufficient_user_authentication");
    let login = format!("{}&return_to=%2Fphotos", told["login"].as_str().expect("an address"));
    let address = front.browser.get(&login).await.location().to_owned();
    assert_eq!(query_of(&address)["acr_values"], "phr");
    front.setup.server.facts().id_token = json!({"acr": "phr"});
    let back = front.setup.server.approve(&address);
    assert_eq!(front.browser.get(&back).await.location(), "/photos");
    // The API asks for the same again: that is no reason for another login.
    front.facts().refuses.push_back(unauthorized(demand));
    let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(json(answer).await.get("login").is_none());
    assert_eq!(front.setup.server.hits("refresh"), 0);
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once_and_the_body_sent_again() {
    let front = Front::new().await;
    front.facts().refuses.push_back(unauthorized("Bearer error=\"invalid_token\""));
    let answer = front.ask(Method::POST, "/api/photos").body("a photo").send().await;
    assert_eq!(answer.expect("answered").status(), StatusCode::OK);
    let got = front.got();
    assert_eq!((got.body.as_str(), front.setup.server.hits("refresh")), ("a photo", 1));
    let token = front.setup.server.facts().access_tokens[0].clone();
    assert_eq!(got.headers["authorization"], format!("Bearer {token}"), "the new one");
}

#[tokio::test]
async fn an_api_that_takes_no_token_is_a_fault_of_the_app_and_no_reason_to_sign_in() {
    let front = Front::new().await;
    for refresh in [Answering::Well, Answering::Error(503, "temporarily_unavailable")] {
        front.setup.server.facts().refresh = refresh;
        let refuses = [(); 2].map(|()| unauthorized("Bearer error=\"invalid_token\""));
        front.facts().refuses = refuses.into();
        let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        assert!(!answer.headers().contains_key("www-authenticate"));
        assert_eq!(json(answer).await["error"], "bad_gateway");
    }
}

#[tokio::test]
async fn a_proof_is_made_for_each_request_with_the_nonce_that_the_api_asks_for_rfc_9449_9() {
    let front = Front::with(ClientBuilder::dpop, |proxy| proxy).await;
    let nonce =
        map(&[("www-authenticate", "DPoP error=\"use_dpop_nonce\""), ("dpop-nonce", "the nonce")]);
    front.facts().refuses.push_back((StatusCode::UNAUTHORIZED, nonce));
    let request = front.ask(Method::POST, "/api/photos?a=b").body("a photo");
    assert_eq!(request.send().await.expect("answered").status(), StatusCode::OK);
    let got = front.got();
    assert_eq!((got.body.as_str(), front.setup.server.hits("refresh")), ("a photo", 0));
    let token = front.setup.server.facts().access_tokens[0].clone();
    assert_eq!(got.headers["authorization"], format!("DPoP {token}"));
    let proof = got.headers["dpop"].to_str().expect("text");
    let claims = keystile_client::protocol::encoding::from_base64url(
        proof.split('.').nth(1).expect("claims"),
    );
    let claims: Value = serde_json::from_slice(&claims.expect("base64")).expect("json");
    assert_eq!(claims["nonce"], "the nonce");
    assert_eq!(
        (&claims["htm"], &claims["htu"]),
        (&json!("POST"), &json!(format!("{}/v1/photos", front.api)))
    );
}

#[tokio::test]
async fn a_redirect_stays_below_the_mount_or_is_told_as_a_fault() {
    let front = Front::new().await;
    let own: &'static str = format!("{}/v1/photos/8?a=b", front.api).leak();
    for (location, expected) in [
        ("/v1/photos/9", Some("/api/photos/9")),
        (own, Some("/api/photos/8?a=b")),
        ("/elsewhere", None),
        ("https://evil.example/v1/photos", None),
        ("//evil.example/v1/photos", None),
        ("/v1/..%2f..%2fadmin", None),
    ] {
        front.facts().answers = (StatusCode::FOUND, map(&[("location", location)]));
        let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
        if let Some(expected) = expected {
            assert_eq!(answer.status(), StatusCode::FOUND);
            assert_eq!(answer.headers()["location"], expected);
        } else {
            assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{location}");
            assert!(!answer.headers().contains_key("location"));
            let told = json(answer).await;
            assert!(!told.to_string().contains("evil"), "{told}");
        }
    }
    // And none was followed.
    assert_eq!(front.facts().got.len(), 6);
}

#[tokio::test]
async fn no_path_leaves_the_base() {
    let front = Front::new().await;
    for path in [
        "/api/../v2",
        "/api/%2e%2e/v2",
        "/api/%252e%252e/v2",
        "/api/a%2fb",
        "/api/..;/v2",
        "/api/a%5cb",
    ] {
        let answer = front.raw(&format!("GET {path}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(answer.contains(r#""error":"invalid_request""#), "{answer}");
    }
    assert!(front.facts().got.is_empty());
    for (path, target) in [
        ("/api", "/v1"),
        ("/api/", "/v1/"),
        ("/api//evil.example", "/v1/evil.example"),
        ("/api/a%20b?c=../d", "/v1/a%20b?c=../d"),
    ] {
        let answer = front.raw(&format!("GET {path}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        assert_eq!(front.facts().got.pop().expect("passed on").target, target);
    }
}

#[tokio::test]
async fn methods_and_sizes_are_bounded() {
    let front = Front::with(
        |b| b,
        |proxy| proxy.methods([Method::GET, Method::POST, Method::TRACE]).body_at_most(10),
    )
    .await;
    for (method, expected) in [
        (Method::GET, StatusCode::OK),
        (Method::DELETE, StatusCode::METHOD_NOT_ALLOWED),
        (Method::OPTIONS, StatusCode::METHOD_NOT_ALLOWED),
        (Method::TRACE, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let answer = front.ask(method.clone(), "/api/photos").send().await.expect("answered");
        assert_eq!(answer.status(), expected, "{method}");
    }
    front.facts().got.clear();
    let long = front.ask(Method::GET, "/api/photos").header("accept", "a".repeat(33_000));
    let answer = long.send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let path = format!("/api/{}", "a".repeat(9000));
    let answer = front.ask(Method::GET, &path).send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::URI_TOO_LONG);
    let answer = front.ask(Method::POST, "/api/photos").body("eleven long").send().await;
    assert_eq!(answer.expect("answered").status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(front.facts().got.is_empty());
    let answer = front.ask(Method::POST, "/api/photos").body("just ten..").send().await;
    assert_eq!(answer.expect("answered").status(), StatusCode::OK);
    front.facts().answers.1 = map(&[("x-long", "a".repeat(33_000).leak())]);
    let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn an_api_that_is_away_or_silent_is_told() {
    let front =
        Front::with(|b| b, |proxy| proxy.answer_within(std::time::Duration::from_millis(50))).await;
    front.facts().hangs = true;
    let answer = front.ask(Method::GET, "/api/photos").send().await.expect("answered");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(json(answer).await["error"], "timeout");
    let setup = crate::bench::Setup::with(|b| b.api("http://127.0.0.1:1")).await;
    let app = axum::Router::new()
        .nest_service("/api", setup.client.proxy("http://127.0.0.1:1").expect("a base"));
    let mut browser = crate::bench::Browser::new(app);
    browser.cookies = setup.signed_in().await.cookies;
    let answer = browser.send(Method::GET, "/api/photos", &[("x-csrf", "1")]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
}

#[tokio::test]
async fn the_token_goes_to_no_api_that_was_not_named() {
    let client =
        Client::builder("https://login.example", "app").secret("s").app_url("https://app.example");
    let client = client.api("https://photos.example").build().expect("good settings");
    assert!(client.proxy("https://photos.example/v1/").is_ok());
    for base in [
        "https://evil.example/v1",
        "http://photos.example",
        "https://photos.example:444",
        "https://photos.example?a=b",
        "https://user@photos.example/",
        "photos.example",
        "",
    ] {
        assert!(client.proxy(base).is_err(), "{base}");
    }
}

#[tokio::test]
async fn the_front_end_is_told_who_is_signed_in_and_nothing_secret() {
    let front = Front::with(
        |b| b.userinfo(true).idle_lifetime(std::time::Duration::from_hours(1)),
        |proxy| proxy,
    )
    .await;
    let answer = front.ask(Method::GET, "/me").send().await.expect("answered");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let told = json(answer).await;
    assert_eq!(
        told["claims"],
        json!({"sub": "user-1", "name": "Ann <b>", "email": "ann@example.org"})
    );
    assert_eq!((&told["login"], &told["logout"]), (&json!("/login"), &json!("/logout")));
    let left = told["session_ends_in"].as_u64().expect("seconds");
    assert!((604_000..=604_800).contains(&left), "{left}");
    assert_eq!(told.as_object().expect("an object").len(), 4);
}

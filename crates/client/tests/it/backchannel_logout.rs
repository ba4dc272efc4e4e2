//! The server says that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use axum::body::Body;
use http::{Request, StatusCode, header};
use keystile_client::protocol::logout_token;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::bench::Setup;

/// A logout token of the server, for the session of every login here.
fn token(setup: &Setup, jti: &str, change: impl FnOnce(&mut Value)) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("1970");
    let now = now.as_secs();
    let mut claims = json!({
        "iss": setup.server.url, "aud": "photo-printer", "sub": "user-1", "sid": "s",
        "iat": now, "exp": now + 120, "jti": jti, "events": logout_token::events(),
    });
    change(&mut claims);
    setup.server.facts().key.sign(logout_token::TYPE, &claims).expect("signed")
}

async fn post(setup: &Setup, body: String) -> StatusCode {
    let request = Request::post("/backchannel-logout")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .expect("a request");
    let response = setup.app.clone().oneshot(request).await.expect("infallible");
    if response.status() == StatusCode::OK {
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "section 2.8");
    }
    response.status()
}

async fn tell(setup: &Setup, token: &str) -> StatusCode {
    post(setup, format!("logout_token={token}")).await
}

#[tokio::test]
async fn back_channel_logout_2_7_the_sessions_of_the_sid_or_of_the_user_end() {
    let setup = Setup::new().await;
    let uri = setup.client.backchannel_logout_uri();
    assert_eq!(uri, "http://localhost:4001/backchannel-logout");
    for (jti, left_out) in [("by sub and sid", ""), ("by sub", "sid"), ("by sid", "sub")] {
        let mut browser = setup.signed_in().await;
        let elsewhere = |claims: &mut Value| {
            claims["sid"] = json!("another");
        };
        assert_eq!(tell(&setup, &token(&setup, &format!("other {jti}"), elsewhere)).await, 200);
        assert_eq!(browser.get("/").await.body, "hello again", "another session ended");
        let without = |claims: &mut Value| {
            claims.as_object_mut().expect("an object").remove(left_out);
        };
        assert_eq!(tell(&setup, &token(&setup, jti, without)).await, 200);
        assert_eq!(browser.get("/").await.body, "hello stranger", "{jti}");
    }
    setup.revoked(3).await;
    assert_eq!(tell(&setup, &token(&setup, "nobody", |_| ())).await, 200, "of none it is no error");
}

#[tokio::test]
async fn more_sessions_than_one_batch_end_and_each_gives_its_token_back() {
    let setup = Setup::new().await;
    let mut browsers = Vec::new();
    for _ in 0..101 {
        browsers.push(setup.signed_in().await);
    }
    let of_the_user = |claims: &mut Value| {
        claims.as_object_mut().expect("an object").remove("sid");
    };
    assert_eq!(tell(&setup, &token(&setup, "all", of_the_user)).await, 200);
    for browser in &mut browsers {
        assert_eq!(browser.get("/").await.body, "hello stranger");
    }
    setup.revoked(101).await;
    assert!(setup.server.facts().refresh_tokens.is_empty());
}

#[tokio::test]
async fn back_channel_logout_2_6_what_is_not_believed_ends_nothing() {
    let setup = Setup::new().await;
    let once = token(&setup, "once", |_| ());
    assert_eq!(tell(&setup, &once).await, 200);
    let mut browser = setup.signed_in().await;
    assert_eq!(tell(&setup, &once).await, 400, "jti once");
    let good = token(&setup, "good", |_| ());
    for (problem, token) in [
        ("another audience", token(&setup, "a", |c| c["aud"] = json!("other"))),
        ("a nonce", token(&setup, "b", |c| c["nonce"] = json!("n"))),
        ("no event", token(&setup, "c", |c| c["events"] = json!({}))),
        ("a wrong signature", format!("{}AAAA", &good[..good.len() - 4])),
        ("no token", "nonsense".to_owned()),
    ] {
        assert_eq!(tell(&setup, &token).await, 400, "{problem}");
    }
    for body in ["", "other=x"] {
        assert_eq!(post(&setup, body.to_owned()).await, 400, "{body}");
    }
    let huge = format!("logout_token={}", "a".repeat(40_000));
    assert!(post(&setup, huge).await.is_client_error());
    assert_eq!(browser.get("/").await.body, "hello again");
}

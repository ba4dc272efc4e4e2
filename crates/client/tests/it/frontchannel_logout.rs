//! A page of the server says that a session has ended (OpenID Connect Front-Channel Logout 1.0).

use http::{Method, header};
use keystile_client::protocol::params::with_query;

use crate::bench::{Answer, Setup};

/// As a frame in a page of another site asks: without the cookie.
async fn framed(setup: &Setup, query: &[(&str, &str)]) -> Answer {
    let path = with_query("/frontchannel-logout", query);
    let headers = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site")];
    setup.browser().send(Method::GET, &path, &headers).await
}

#[tokio::test]
async fn front_channel_logout_3_the_sessions_of_the_sid_end_and_their_tokens_are_given_back() {
    let setup = Setup::new().await;
    let uri = setup.client.frontchannel_logout_uri();
    assert_eq!(uri, "http://localhost:4001/frontchannel-logout");
    let mut browser = setup.signed_in().await;
    setup.server.facts().id_token = serde_json::json!({"sid": "another"});
    let mut elsewhere = setup.signed_in().await;
    let answer = framed(&setup, &[("iss", &setup.server.url), ("sid", "s")]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "section 3");
    assert!(!answer.headers.contains_key(header::X_FRAME_OPTIONS), "it is for a frame");
    assert_eq!(browser.get("/").await.body, "hello stranger");
    assert_eq!(elsewhere.get("/").await.body, "hello again", "another session");
    setup.revoked(1).await;
    let again = framed(&setup, &[("iss", &setup.server.url), ("sid", "s")]).await;
    assert_eq!(again.status, 200, "of none it is no error");
}

#[tokio::test]
async fn front_channel_logout_3_what_names_no_session_of_this_issuer_ends_nothing() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    let url = setup.server.url.clone();
    for query in [
        &[][..],
        &[("sid", "s")],
        &[("iss", &url)],
        &[("iss", "https://evil.example"), ("sid", "s")],
        &[("iss", &url), ("sid", "s"), ("sid", "s")],
        &[("iss", &url), ("sid", &"a".repeat(2000))],
    ] {
        assert_eq!(framed(&setup, query).await.status, 400, "{query:?}");
    }
    // Nor does the cookie say whose session is meant: any page could have such a frame.
    assert_eq!(browser.get("/frontchannel-logout").await.status, 400);
    assert_eq!(browser.get("/").await.body, "hello again");
}

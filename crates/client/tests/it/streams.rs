//! What streams through the proxy: bodies both ways, events, WebSockets. That nothing is kept back
//! is proved by who waits for whom, and not by time.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::bench::{Front, OWN_ORIGIN, pieces};

const SOON: Duration = Duration::from_millis(20);

#[tokio::test]
async fn the_first_event_arrives_before_the_last_is_said() {
    let front = Front::new().await;
    let (says, mut said) = mpsc::unbounded_channel();
    front.facts().says = Some(says);
    front.facts().answers.1.insert("content-type", "text/event-stream".parse().expect("fits"));
    let mut answer = front.ask(Method::GET, "/api/events").send().await.expect("answered");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut api = said.recv().await.expect("a body");
    for event in ["data: one\n\n", "data: two\n\n"] {
        // Nobody says the next one before this one was read here.
        api.send_data(Bytes::from(event)).await.expect("sent");
        assert_eq!(answer.chunk().await.expect("good").expect("a piece"), event);
    }
    drop(api);
    assert_eq!(answer.chunk().await.expect("a good end"), None);
}

#[tokio::test]
async fn the_api_reads_the_first_piece_before_the_last_is_sent() {
    let front = Front::new().await;
    let (teller, mut hears) = mpsc::unbounded_channel();
    front.facts().pieces = Some(teller);
    let (mut browser, body) = pieces();
    let body = reqwest::Body::wrap(body);
    let sending = tokio::spawn(front.ask(Method::POST, "/api/photos").body(body).send());
    for piece in ["one", "two"] {
        browser.send_data(Bytes::from(piece)).await.expect("sent");
        assert_eq!(hears.recv().await.expect("a piece"), piece);
    }
    drop(browser);
    let answer = sending.await.expect("no panic").expect("answered");
    assert_eq!((answer.status(), front.got().body.as_str()), (StatusCode::OK, "onetwo"));
}

fn unauthorized() -> (StatusCode, HeaderMap) {
    (StatusCode::UNAUTHORIZED, HeaderMap::new())
}

#[tokio::test]
async fn a_stream_whose_token_is_refused_goes_on_where_it_is() {
    let front = Front::new().await;
    front.facts().refuses.push_back(unauthorized());
    let (teller, mut hears) = mpsc::unbounded_channel();
    front.facts().pieces = Some(teller);
    let (mut browser, body) = pieces();
    let body = reqwest::Body::wrap(body);
    let sending = tokio::spawn(front.ask(Method::POST, "/api/photos").body(body).send());
    browser.send_data(Bytes::from("one")).await.expect("sent");
    // This is the second sending: the first one was answered before it was read.
    assert_eq!(hears.recv().await.expect("a piece"), "one");
    browser.send_data(Bytes::from("two")).await.expect("sent");
    assert_eq!(hears.recv().await.expect("a piece"), "two");
    drop(browser);
    let answer = sending.await.expect("no panic").expect("answered");
    assert_eq!((answer.status(), front.got().body.as_str()), (StatusCode::OK, "onetwo"));
    assert_eq!(front.setup.server.hits("refresh"), 1);
}

#[tokio::test]
async fn a_long_body_cannot_be_sent_twice_and_that_is_told() {
    let front = Front::new().await;
    let (teller, mut hears) = mpsc::unbounded_channel();
    front.facts().pieces = Some(teller);
    front.facts().refuses_after_the_body = true;
    let long = "x".repeat(70_000);
    let answer = front.ask(Method::POST, "/api/photos").body(long.clone()).send().await;
    let answer = answer.expect("answered");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().await.expect("a body").contains("send the same request again"));
    assert!(hears.recv().await.is_some(), "it was sent once");
    front.facts().refuses_after_the_body = false;
    front.facts().got.clear();
    let answer = front.ask(Method::POST, "/api/photos").body(long.clone()).send().await;
    assert_eq!(answer.expect("answered").status(), StatusCode::OK);
    assert_eq!(front.got().body, long);
    assert_eq!(front.setup.server.hits("refresh"), 1, "the new token is kept");
}

#[tokio::test]
async fn a_stream_that_is_too_long_is_cut_off_and_told() {
    let front = Front::with(|b| b, |proxy| proxy.body_at_most(5)).await;
    let (mut browser, body) = pieces();
    let body = reqwest::Body::wrap(body);
    let sending = tokio::spawn(front.ask(Method::POST, "/api/photos").body(body).send());
    browser.send_data(Bytes::from("four")).await.expect("sent");
    browser.send_data(Bytes::from("four")).await.expect("sent");
    let answer = sending.await.expect("no panic").expect("answered");
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(front.facts().got.is_empty(), "the API saw no end of it");
}

/// A stream that has begun.
async fn begun(front: &Front) -> (reqwest::Response, crate::bench::Pieces) {
    let (says, mut said) = mpsc::unbounded_channel();
    front.facts().says = Some(says);
    let mut answer = front.ask(Method::GET, "/api/events").send().await.expect("answered");
    let mut api = said.recv().await.expect("a body");
    api.send_data(Bytes::from("one")).await.expect("sent");
    assert_eq!(answer.chunk().await.expect("good").expect("a piece"), "one");
    (answer, api)
}

#[tokio::test]
async fn the_end_of_a_session_cuts_its_streams_off() {
    let mut front = Front::with(|b| b, |proxy| proxy.session_checked_every(SOON)).await;
    let (mut answer, api) = begun(&front).await;
    front.sign_out().await;
    assert!(answer.chunk().await.is_err(), "no good end");
    drop(api);
}

#[tokio::test]
async fn a_silent_stream_ends_and_a_session_that_only_streams_is_idle() {
    let front = Front::with(|b| b, |proxy| proxy.idle_at_most(SOON)).await;
    let (mut answer, api) = begun(&front).await;
    assert!(answer.chunk().await.is_err(), "no good end");
    drop(api);
    let idle = |b: keystile_client::ClientBuilder| b.idle_lifetime(Duration::from_mins(10));
    let front = Front::with(idle, |proxy| proxy.session_checked_every(SOON)).await;
    let (mut answer, api) = begun(&front).await;
    front.setup.wait(601);
    assert!(answer.chunk().await.is_err(), "an open stream is no use of the session");
    drop(api);
}

/// The head of an answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.expect("a byte");
        head.push(byte);
    }
    String::from_utf8(head).expect("text")
}

async fn socket(front: &Front) -> TcpStream {
    let mut stream = front.connect().await;
    let handshake = front.handshake(Some(OWN_ORIGIN));
    stream.write_all(handshake.as_bytes()).await.expect("written");
    let head = head(&mut stream).await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for line in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "sec-websocket-protocol: b",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("set-cookie"), "{head}");
    stream
}

async fn says_and_hears(stream: &mut TcpStream, words: &str) {
    stream.write_all(words.as_bytes()).await.expect("written");
    let mut heard = vec![0; words.len()];
    stream.read_exact(&mut heard).await.expect("read");
    assert_eq!(heard, words.to_uppercase().as_bytes());
}

#[tokio::test]
async fn a_websocket_carries_both_ways_with_the_token_of_the_session_rfc_6455() {
    let front = Front::new().await;
    let mut stream = socket(&front).await;
    for words in ["one", "two", "three"] {
        says_and_hears(&mut stream, words).await;
    }
    stream.shutdown().await.expect("closed");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("a good end"), 0, "the API closed too");
    let got = front.got();
    let token = front.setup.server.facts().access_tokens[0].clone();
    assert_eq!(got.headers["authorization"], format!("Bearer {token}"));
    assert_eq!(got.headers["sec-websocket-protocol"], "a, b");
    assert!(!got.headers.contains_key("cookie") && !got.headers.contains_key("origin"));
}

#[tokio::test]
async fn no_other_origin_opens_a_websocket_rfc_6455_10_2() {
    let mut front = Front::new().await;
    let told = async |front: &Front, origin| {
        let mut stream = front.connect().await;
        let handshake = front.handshake(origin);
        stream.write_all(handshake.as_bytes()).await.expect("written");
        head(&mut stream).await
    };
    for origin in [None, Some("https://evil.example"), Some("null"), Some("http://localhost:4000")]
    {
        let head = told(&front, origin).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{origin:?}: {head}");
    }
    front.sign_out().await;
    front.browser.cookies.clear();
    let head = told(&front, Some(OWN_ORIGIN)).await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert!(front.facts().got.is_empty());
}

#[tokio::test]
async fn a_websockets_token_is_refreshed_and_a_refusal_is_an_answer() {
    let front = Front::new().await;
    front.facts().refuses.push_back(unauthorized());
    says_and_hears(&mut socket(&front).await, "one").await;
    assert_eq!((front.facts().got.len(), front.setup.server.hits("refresh")), (2, 1));
    front.facts().refuses.push_back((StatusCode::NOT_FOUND, HeaderMap::new()));
    let mut stream = front.connect().await;
    let handshake = front.handshake(Some(OWN_ORIGIN));
    stream.write_all(handshake.as_bytes()).await.expect("written");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn the_end_of_a_session_and_silence_close_a_websocket() {
    let mut front = Front::with(|b| b, |proxy| proxy.session_checked_every(SOON)).await;
    let mut stream = socket(&front).await;
    says_and_hears(&mut stream, "one").await;
    front.sign_out().await;
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    let front = Front::with(|b| b, |proxy| proxy.idle_at_most(SOON)).await;
    let mut stream = socket(&front).await;
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_call_is_a_tower_service_too_and_streams() {
    use axum::body::Body;
    use http::Request;
    use keystile_client::{ApiError, User};
    use tower::ServiceExt;

    let front = Front::new().await;
    front.facts().refuses.push_back(unauthorized());
    let api = front.api.clone();
    let call = async move |user: User| -> Result<axum::response::Response, ApiError> {
        let foreign = Request::get("https://evil.example/").body(Body::empty()).expect("good");
        assert!(matches!(user.api().oneshot(foreign).await, Err(ApiError::ForeignOrigin(_))));
        let (mut sender, body) = pieces();
        let request = Request::post(format!("{api}/v1/photos")).header("authorization", "forged");
        let request = request.body(body).expect("good");
        let sending = tokio::spawn(user.api().oneshot(request));
        sender.send_data(Bytes::from("a photo")).await.expect("sent");
        drop(sender);
        sending.await.expect("no panic")
    };
    let app = axum::Router::new().route("/call", axum::routing::get(call));
    let app = app.layer(front.setup.client.layer());
    let mut request = Request::get("/call").header("cookie", front.cookie());
    request = request.header("sec-fetch-mode", "navigate");
    let answer = app.oneshot(request.body(Body::empty()).expect("good")).await.expect("infallible");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, "well");
    let got = front.got();
    assert_eq!((got.body.as_str(), front.setup.server.hits("refresh")), ("a photo", 1));
}

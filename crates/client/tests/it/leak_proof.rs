//! The leak proof in an app that leaks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::Frame;
use keystile_client::leak_proof::{Form, Leak, Part, Place, Search, Secrets};
use keystile_client::protocol::encoding::base64url;
use keystile_client::{LeakProof, User};

use crate::bench::{Browser, Setup};

/// Sends the frames one by one.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

async fn token(user: &User) -> String {
    user.session().access_token().await.expect("a token").expose().to_owned()
}

fn with_header(name: &'static str, value: &str) -> Response {
    ([(name, HeaderValue::from_str(value).expect("fits"))], "harmless").into_response()
}

fn leaking() -> Router {
    let piecemeal = async |user: User| {
        let text = format!("<p>{}</p>", token(&user).await);
        let pieces = text.as_bytes().chunks(3).map(Bytes::copy_from_slice);
        Body::new(Frames(pieces.map(Frame::data).collect()))
    };
    let trailer = async |user: User| {
        let value = token(&user).await.parse().expect("fits");
        let trailers: HeaderMap = [(header::ETAG, value)].into_iter().collect();
        Body::new(Frames([Frame::data("x".into()), Frame::trailers(trailers)].into()))
    };
    let reason = async |user: User| {
        let reason = hyper::ext::ReasonPhrase::try_from(token(&user).await).expect("fits");
        let mut response = "harmless".into_response();
        response.extensions_mut().insert(reason);
        response
    };
    let cookie = async |user: User| {
        let value = format!("debug={}; HttpOnly; SameSite=Lax", token(&user).await);
        with_header("set-cookie", &value)
    };
    Router::new()
        .route("/body", get(async |user: User| token(&user).await))
        .route("/part", get(async |user: User| token(&user).await[30..38].to_owned()))
        .route("/piecemeal", get(piecemeal))
        .route("/trailer", get(trailer))
        .route("/reason", get(reason))
        .route("/header", get(async |user: User| with_header("x-debug", &token(&user).await)))
        .route("/name", get(|| async { with_header("x-client-s-hidden-thing", "1") }))
        .route("/cookie", get(cookie))
        .route(
            "/url",
            get(async |user: User| Redirect::to(&format!("/there?token={}", token(&user).await))),
        )
        .route(
            "/basic",
            get(async |user: User| {
                let encoded = base64url(format!("photo-printer:{}", token(&user).await));
                format!("Basic {encoded}")
            }),
        )
        .route("/handle", get(async |headers: HeaderMap| headers["cookie"].as_bytes().to_vec()))
        .route("/seven", get(async |user: User| token(&user).await[30..37].to_owned()))
}

async fn signed_in(proof: &LeakProof) -> (Setup, Browser) {
    let secret = "the client's secret";
    proof.taint("something of the app", "x-client-s-hidden-thing");
    let mut setup = Setup::with(|builder| builder.secret(secret).leak_proof(proof)).await;
    let leaking = leaking().layer(setup.client.layer());
    setup.app = setup.app.merge(leaking).layer(proof.layer());
    let browser = setup.signed_in().await;
    (setup, browser)
}

fn words_of_failure(proof: &LeakProof) -> String {
    let failed = catch_unwind(AssertUnwindSafe(|| proof.assert_nothing_leaked()));
    let words = failed.expect_err("it fails");
    match words.downcast::<String>() {
        Ok(words) => *words,
        Err(words) => (*words.downcast::<&str>().expect("words")).to_owned(),
    }
}

#[tokio::test]
async fn each_way_towards_the_browser_is_watched_and_the_secret_is_not_told() {
    let proof = LeakProof::new();
    let (setup, mut browser) = signed_in(&proof).await;
    proof.assert_nothing_leaked();

    for path in ["/seven", "/photos", "/me"] {
        browser.get(path).await;
        proof.assert_nothing_leaked();
    }
    let header = |name: &str| Part::Header(name.to_owned());
    let cases = [
        ("/body", Part::Body, 0, Form::Plain),
        ("/part", Part::Body, 0, Form::Plain),
        ("/piecemeal", Part::Body, 3, Form::Plain),
        ("/trailer", Part::Trailer("etag".to_owned()), 0, Form::Plain),
        ("/reason", Part::Reason, 0, Form::Plain),
        ("/header", header("x-debug"), 0, Form::Plain),
        ("/name", Part::HeaderName, 0, Form::Plain),
        ("/cookie", header("set-cookie"), "debug=".len(), Form::Plain),
        ("/url", header("location"), "/there?token=".len(), Form::Plain),
        // 14 characters stand before it: its first bit is in the nineteenth of the encoded ones.
        ("/basic", Part::Body, "Basic ".len() + 18, Form::Base64),
        ("/handle", Part::Body, "app=".len(), Form::Plain),
    ];
    let mut leaks: Vec<Leak> = Vec::new();
    for (path, part, at, form) in cases {
        browser.get(path).await;
        let new = proof.leaks().split_off(leaks.len());
        let [leak] = &new[..] else { panic!("{path}: {new:?}") };
        let Place::Answer { request, part: told, .. } = &leak.place else { panic!("{leak:?}") };
        assert_eq!((request.as_str(), told), (format!("GET {path}").as_str(), &part));
        assert_eq!((leak.at, leak.form), (at as u64, form), "{path}");
        let name = match path {
            "/name" => "something of the app",
            "/handle" => "the handle of a session",
            _ => "access_token",
        };
        assert_eq!(leak.secret, name, "{path}");
        leaks.push(leak.clone());
    }

    let words = words_of_failure(&proof);
    assert!(words.contains("access_token in the body of the answer 200 to GET /body"), "{words}");
    let mut secrets = Secrets::default();
    for secret in &setup.server.facts().secrets {
        secrets.add(secret.as_bytes());
    }
    Search::default().feed(&secrets, words.as_bytes(), |found| panic!("{found:?} of {words}"));
}

#[tokio::test]
async fn a_secret_in_the_path_of_a_request_is_not_told_either() {
    let proof = LeakProof::new();
    let (setup, _) = signed_in(&proof).await;
    let token = setup.server.facts().access_tokens[0].clone();
    let echo = get(async |uri: http::Uri| uri.path().to_owned());
    let app = Router::new().route("/echo/{token}", echo).layer(proof.layer());
    Browser::new(app).get(&format!("/echo/{token}")).await;
    let words = words_of_failure(&proof);
    assert!(words.contains("GET a path with a secret in it") && !words.contains(&token), "{words}");
}

#[tokio::test]
async fn a_log_is_watched_line_by_line_and_the_secret_is_not_told() {
    let proof = LeakProof::new();
    let (setup, _) = signed_in(&proof).await;
    let token = setup.server.facts().access_tokens[0].clone();
    let make = proof.log(std::io::sink);
    writeln!(make(), "INFO all is well").expect("written");
    let mut log = make();
    let line = format!("DEBUG calls with Bearer {token}\nINFO done\n");
    for piece in line.as_bytes().chunks(5) {
        log.write_all(piece).expect("written");
    }
    writeln!(make(), "WARN {:?}", token.as_bytes()).expect("written");
    let leaks = proof.leaks();
    let places: Vec<_> = leaks
        .iter()
        .map(|leak| match &leak.place {
            Place::Log { line, beginning } => (*line, beginning.as_str(), leak.at, leak.form),
            other => panic!("{other}"),
        })
        .collect();
    let expected =
        [(2, "DEBUG calls with Bearer ", 24, Form::Plain), (4, "WARN [", 6, Form::Numbers)];
    assert_eq!(places, expected);
    assert_eq!(proof.seen().log_lines, 4);
    assert!(!words_of_failure(&proof).contains(&token[..8]));
}

#[tokio::test]
async fn what_was_not_watched_proves_nothing() {
    let proof = LeakProof::new();
    assert!(words_of_failure(&proof).contains("no secret was there"));
    proof.taint("a secret", "0123456789abcdef");
    assert!(words_of_failure(&proof).contains("nothing was watched"));

    let compressed = get(async || ([(header::CONTENT_ENCODING, "gzip")], "as it were"));
    let app = Router::new().route("/", compressed).layer(proof.layer());
    Browser::new(app).get("/").await;
    let words = words_of_failure(&proof);
    assert!(words.contains("the body of the answer 200 to GET / is compressed"), "{words}");
}

#[tokio::test]
async fn what_is_watched_is_not_compressed() {
    let echo = get(async |headers: HeaderMap| format!("{:?}", headers.get("accept-encoding")));
    let proof = LeakProof::new();
    let app = Router::new().route("/", echo).layer(proof.layer());
    let mut browser = Browser::new(app);
    let answer = browser.send(Method::GET, "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!(answer.body, "None");
}

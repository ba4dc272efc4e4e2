//! The noticeboard of `examples/bff`: a front end that runs in the browser, and whose tokens stay on
//! the server. What its script asks for is asked here as a browser does.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use keystile_client::LeakProof;
use keystile_client::leak_proof::{Search, Secrets};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::examples::signed_in;
use super::leaks::watched;
use crate::harness::{
    Browser, EXAMPLE_SECRET, Keystile, Noticeboard, Serving, Wire, free_port, localhost,
    noticeboard_registered,
};

#[expect(dead_code, reason = "main is not called")]
#[path = "../../../../examples/bff/src/app.rs"]
mod noticeboard_app;

#[expect(dead_code, reason = "main is not called")]
#[path = "../../../../examples/bff/src/api.rs"]
mod noticeboard_api;

/// Nothing here takes so long.
const LONG: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The script of the front end, in the browser of its user.
struct Script {
    app: String,
    cookies: String,
    http: reqwest::Client,
}

impl Script {
    fn of(browser: &Browser, app: &str) -> Self {
        // Cookies know no ports: those of the issuer are among them.
        let pairs = browser.cookies.iter().map(|((_, name), value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        Self { app: app.to_owned(), cookies, http: reqwest::Client::new() }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.unproved(method, path).header("x-csrf", "1");
        request.header("sec-fetch-site", "same-origin").header("origin", &self.app)
    }

    /// A request that has the cookie and nothing else.
    fn unproved(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.app)).header("cookie", &self.cookies)
    }

    async fn read(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.ask(Method::GET, path).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn pin(&self, text: &str) -> Value {
        let request = self.ask(Method::POST, "/api/notes").json(&json!({ "text": text }));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json().await.unwrap()
    }

    async fn socket(&self, origin: &str) -> Result<Socket, Error> {
        let address = self.app.replacen("http", "ws", 1) + "/api/looking";
        let mut request = address.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("cookie", self.cookies.parse().unwrap());
        headers.insert("origin", origin.parse().unwrap());
        connect_async(request).await.map(|(socket, _)| socket)
    }
}

async fn hears(socket: &mut Socket) -> Option<String> {
    let message = tokio::time::timeout(LONG, socket.next()).await.expect("said or closed");
    message?.ok().filter(Message::is_text).map(|message| message.into_text().unwrap().to_string())
}

/// The stream up to an event of that name.
async fn event(stream: &mut reqwest::Response, name: &str) -> String {
    let mut text = String::new();
    while !(text.contains(&format!("event: {name}\n")) && text.ends_with("\n\n")) {
        let piece = tokio::time::timeout(LONG, stream.chunk()).await.expect("said or closed");
        text.push_str(std::str::from_utf8(&piece.unwrap().expect("it goes on")).unwrap());
    }
    text
}

/// Everything that the front end does.
async fn use_the_noticeboard(app: &str) {
    let mut browser = Browser::new();
    let front = browser.open(app).await;
    let policy = front.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'; script-src 'self'"), "{policy}");
    for path in ["/app.js", "/style.css", "/icon.svg"] {
        assert!(front.html.contains(&format!("\"{path}\"")), "{path}");
        assert_eq!(browser.open(format!("{app}{path}")).await.status, StatusCode::OK);
    }
    let stranger = Script::of(&browser, app);
    for path in ["/me", "/api/notes"] {
        let (status, told) = stranger.read(path).await;
        assert_eq!((status, &told["login"]), (StatusCode::UNAUTHORIZED, &json!("/login")));
    }
    let allow = [("scope", "notes:write")];
    let page = signed_in(&mut browser, &format!("{app}/login?return_to=/"), &allow).await;
    assert_eq!(page.url.as_str(), format!("{app}/"), "{}", page.text());

    let script = Script::of(&browser, app);
    let (status, me) = script.read("/me").await;
    assert_eq!((status, &me["claims"]["name"]), (StatusCode::OK, &json!("Alice Example")));
    assert_eq!((&me["login"], &me["logout"]), (&json!("/login"), &json!("/logout")));
    let mut events = script.ask(Method::GET, "/api/events").send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    event(&mut events, "ready").await;
    let mut socket = script.socket(app).await.unwrap();
    assert_eq!(hears(&mut socket).await.as_deref(), Some("1"));
    let mut another = script.socket(app).await.unwrap();
    assert_eq!(hears(&mut another).await.as_deref(), Some("2"));
    assert_eq!(hears(&mut socket).await.as_deref(), Some("2"));
    another.send(Message::Close(None)).await.unwrap();
    assert_eq!(hears(&mut socket).await.as_deref(), Some("1"), "both ways");

    // Only now is there something to tell: what was read before was not kept back for it.
    let note = script.pin("buy <b>bread</b>").await;
    assert_eq!((&note["text"], &note["by"]), (&json!("buy <b>bread</b>"), &me["claims"]["sub"]));
    assert!(event(&mut events, "pinned").await.contains("buy <b>bread</b>"));
    cross_site(&script).await;
    let (_, notes) = script.read("/api/notes").await;
    assert_eq!(notes, json!([note]), "and no other");

    sign_out(&mut browser, app).await;
    assert_eq!(hears(&mut socket).await, None, "closed");
    let end = tokio::time::timeout(LONG, events.chunk()).await.expect("cut off");
    assert!(end.is_err(), "{end:?}");
    assert_eq!(script.read("/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(script.read("/api/notes").await.0, StatusCode::UNAUTHORIZED);
}

/// What another site could send in the user's browser, if the cookie came with it.
async fn cross_site(script: &Script) {
    let note = json!({ "text": "forged" });
    let post = || script.unproved(Method::POST, "/api/notes").json(&note);
    for request in [
        post(),
        post().header("sec-fetch-site", "same-origin"),
        post().header("x-csrf", "1").header("sec-fetch-site", "cross-site"),
        post().header("x-csrf", "1").header("origin", "https://evil.example"),
        script.unproved(Method::GET, "/me"),
        script.unproved(Method::GET, "/api/notes"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["error"], "forgery");
    }
    match script.socket("https://evil.example").await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), StatusCode::FORBIDDEN),
        other => panic!("a foreign page has a WebSocket: {other:?}"),
    }
}

async fn sign_out(browser: &mut Browser, app: &str) {
    let url = format!("{app}/logout").parse().unwrap();
    let own = [("sec-fetch-site", "same-origin")];
    let left = browser.send(Method::POST, url, Some(String::new()), &own).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER, "{}", left.text());
}

#[tokio::test]
async fn the_noticeboard_reads_pins_follows_and_counts_in_its_users_name() {
    let board = Noticeboard::start().await;
    let notes = reqwest::get(format!("{}/notes", board.api)).await.unwrap();
    assert_eq!(notes.status(), StatusCode::UNAUTHORIZED, "nobody reads them without a token");
    use_the_noticeboard(&board.app).await;
}

#[tokio::test]
async fn seed_1_6_no_byte_of_a_token_reaches_the_browser_of_the_noticeboard() {
    // What each says that it is, and where it listens.
    let [outer, inner] = [(); 2].map(|()| [free_port(), free_port()]);
    let [app, api] = outer.map(localhost);
    // Tokens that live too shortly for a second call: each is made with another.
    let short = "\n[lifetimes]\naccess_token = 5\n";
    let config = noticeboard_registered(&app, &api) + short;
    let server = Keystile::start_with(&config).await;
    let proof = LeakProof::new();
    let urls = (app.as_str(), api.as_str());
    let builder = noticeboard_app::client(&server.issuer, "noticeboard", EXAMPLE_SECRET, urls);
    let client = builder.leak_proof(&proof).build().unwrap();
    let router = noticeboard_app::app(&client, &server.issuer, &api).unwrap();
    let _app = Serving::start(inner[0], router.layer(proof.layer())).await;
    let router = noticeboard_api::api(&server.issuer, &api).unwrap();
    let _api = Serving::start(inner[1], router).await;
    let to_browser = Wire::listen(outer[0], inner[0]).await;
    let to_api = Wire::listen(outer[1], inner[1]).await;

    watched(&proof, (12, 20), use_the_noticeboard(&app)).await;

    let mut tokens = std::collections::BTreeSet::new();
    for conversation in to_api.heard() {
        let asked = String::from_utf8_lossy(&conversation.asked).into_owned();
        assert!(!asked.to_lowercase().contains("\r\ncookie:"), "{asked}");
        let bearer = asked.lines().filter_map(|line| line.strip_prefix("authorization: Bearer "));
        tokens.extend(bearer.map(str::to_owned));
    }
    assert!(tokens.len() > 4, "the API was called with {} tokens", tokens.len());
    let mut secrets = Secrets::default();
    for token in &tokens {
        secrets.add(token.as_bytes());
    }
    let heard = to_browser.heard();
    let bytes: usize = heard.iter().map(|it| it.answered.len()).sum();
    assert!(heard.len() > 3 && bytes > 10_000, "{} connections, {bytes} bytes", heard.len());
    for conversation in heard {
        let mut found = Vec::new();
        Search::default().feed(&secrets, &conversation.answered, |it| found.push(it));
        assert!(found.is_empty(), "{}", String::from_utf8_lossy(&conversation.answered));
    }
}

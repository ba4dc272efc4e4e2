//! Keys that a client keeps at its `jwks_uri` (RFC 7591 section 2, OpenID Connect Dynamic Client
//! Registration 1.0 section 2): fetched, kept, and fetched anew when the client has others.

use std::time::{Duration, Instant};

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{
    App, Browser, ClientKey, Document, Documents, ErrorAnswer, Keystile, Tokens, form, tokens,
};

/// A client `ID` whose keys are at `/ID.json` of that server.
fn client(id: &str, documents: &Documents) -> String {
    format!(
        r#"
[[clients]]
client_id = "{id}"
token_endpoint_auth_method = "private_key_jwt"
jwks_uri = "{}"
redirect_uris = ["https://{id}.example/callback"]
grant_types = ["authorization_code", "client_credentials"]
scope = "openid photos:read"
id_token_signed_response_alg = "ES256"
"#,
        documents.url(&format!("/{id}.json"))
    )
}

async fn server(ids: &[&str], documents: &Documents) -> Keystile {
    let clients: Vec<_> = ids.iter().map(|id| client(id, documents)).collect();
    Keystile::start_with(&format!("{}\n[limits]\nguessing = false\n", clients.concat())).await
}

fn keys(keys: &[&ClientKey]) -> Document {
    Document::json(json!({ "keys": keys.iter().map(|key| key.0.public()).collect::<Vec<_>>() }))
}

/// A request of the client itself, proved by that assertion.
fn request(server: &Keystile, assertion: &str) -> reqwest::RequestBuilder {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", keystile_protocol::client_assertion::TYPE),
        ("client_assertion", assertion),
    ];
    form(reqwest::Client::new().post(server.url("/token")), &pairs)
}

async fn ask(server: &Keystile, assertion: &str) -> Result<Tokens, ErrorAnswer> {
    tokens(request(server, assertion).send().await.unwrap()).await
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_and_kept_while_their_server_is_away_rfc_7591_2() {
    let documents = Documents::start().await;
    let key = ClientKey::new(Algorithm::ES256);
    documents.put("/remote.json", keys(&[&key]));
    let server = server(&["remote"], &documents).await;
    assert_eq!(documents.asked("/remote.json"), 0, "nobody waits for it at the start");
    documents.hold(true);
    let asked: Vec<_> = (0..6)
        .map(|_| tokio::spawn(request(&server, &key.assertion("remote", &server.issuer)).send()))
        .collect();
    until(|| documents.asked("/remote.json") > 0).await;
    documents.hold(false);
    for answer in asked {
        assert!(tokens(answer.await.unwrap().unwrap()).await.is_ok());
    }
    assert_eq!(documents.asked("/remote.json"), 1);
    documents.put("/remote.json", Document::json("away").with_status(503));
    assert!(ask(&server, &key.assertion("remote", &server.issuer)).await.is_ok());
    assert_eq!(documents.asked("/remote.json"), 1, "a kept key serves");
}

#[tokio::test]
async fn a_client_may_change_its_keys_and_strangers_do_not_make_us_call_it() {
    let documents = Documents::start().await;
    let (old, new) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
    documents.put("/remote.json", keys(&[&old]).with_header("Cache-Control: max-age=3600"));
    let server = server(&["remote"], &documents).await;
    assert!(ask(&server, &old.assertion("remote", &server.issuer)).await.is_ok());
    documents.put("/remote.json", keys(&[&new]));
    let started = Instant::now();
    while let Err(error) = ask(&server, &new.assertion("remote", &server.issuer)).await {
        assert_eq!(error.error, "invalid_client");
        assert!(started.elapsed() < Duration::from_secs(40), "the new key is not taken");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(documents.asked("/remote.json"), 2);
    let error = ask(&server, &old.assertion("remote", &server.issuer)).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"), "taken away");

    let stranger = ClientKey::new(Algorithm::ES256);
    let good = new.assertion("remote", &server.issuer);
    let (header, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let with_header = |header: Value| format!("{}.{rest}", base64url(header.to_string()));
    for bad in [
        stranger.assertion("remote", &server.issuer),
        with_header(json!({"alg": "none"})),
        with_header(json!({"alg": "HS256", "kid": new.0.kid()})),
        with_header(json!({"alg": "RS256", "kid": new.0.kid()})),
        with_header(json!({"alg": "ES256", "kid": "../../../etc/passwd"})),
        with_header(json!({"alg": "ES256", "jku": documents.url("/mine.json")})),
        format!("{header}.{}.{signature}", base64url(r#"{"sub":"remote"}"#)),
    ] {
        let error = ask(&server, &bad).await.unwrap_err();
        assert_eq!(error.error, "invalid_client", "{bad}");
    }
    for _ in 0..20 {
        assert!(ask(&server, &stranger.assertion("remote", &server.issuer)).await.is_err());
    }
    let at_most = 3 + started.elapsed().as_secs();
    let asked = documents.asked("/remote.json");
    assert!(asked as u64 <= at_most, "{asked} fetches: one a second and no more");
    assert_eq!(documents.asked("/mine.json"), 0);
}

#[tokio::test]
async fn what_is_no_key_set_is_refused_in_words_rfc_7517_5() {
    let documents = Documents::start().await;
    let key = ClientKey::new(Algorithm::ES256);
    let good = json!(key.0.public());
    let mut private = good.clone();
    private["d"] = json!("c2VjcmV0");
    documents.put("/good.json", keys(&[&key]));
    let elsewhere = format!("Location: {}", documents.url("/good.json"));
    let page = Document::new("text/html", "<h1>Sign in</h1>");
    let rsa_alone = ClientKey::new(Algorithm::PS256);
    let cases = [
        ("missing", Document::json("no").with_status(404), "status is 404"),
        ("moved", Document::json("{}").with_status(302).with_header(elsewhere), "status is 302"),
        ("page", page, "Content-Type"),
        ("broken", Document::json("{\"keys\":"), "not JSON"),
        ("none", Document::json(json!({ "key": good })), "'keys'"),
        ("many", Document::json(json!({ "keys": vec![good.clone(); 21] })), "at most 20"),
        ("private", Document::json(json!({ "keys": [private] })), "private"),
        ("huge", Document::json(format!("[{}]", "1,".repeat(40_000))), "65536 bytes"),
        ("foreign", keys(&[&rsa_alone]), "not in the key set"),
    ];
    let ids: Vec<&str> = cases.iter().map(|(id, ..)| *id).chain(["odd"]).collect();
    let server = server(&ids, &documents).await;
    for (id, document, words) in cases {
        documents.put(&format!("/{id}.json"), document);
        let error = ask(&server, &key.assertion(id, &server.issuer)).await.unwrap_err();
        assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"), "{id}");
        assert!(error.description.contains(words), "{id}: {}", error.description);
    }
    let odd = json!({ "keys": [{ "kty": "AKP" }, 7, good] });
    documents.put("/odd.json", Document::json(odd));
    assert!(ask(&server, &key.assertion("odd", &server.issuer)).await.is_ok());
    assert_eq!(documents.asked("/good.json"), 0, "no redirect is followed");
}

#[tokio::test]
async fn a_slow_server_of_one_client_holds_up_no_other_and_says_nothing_of_what_it_reached() {
    let documents = Documents::start().await;
    let key = ClientKey::new(Algorithm::ES256);
    let server = server(&["slow"], &documents).await;
    documents.hold(true);
    let slow = request(&server, &key.assertion("slow", &server.issuer));
    let slow = tokio::spawn(slow.send());
    until(|| documents.asked("/slow.json") > 0).await;
    let machine = [("grant_type", "client_credentials"), ("scope", "photos:read")];
    assert!(server.app().token(&machine).await.is_ok());
    let nobody = ask(&server, &key.assertion("nobody", &server.issuer)).await.unwrap_err();
    assert_eq!(nobody.error, "invalid_client");
    assert!(!slow.is_finished(), "the others did not wait for it");
    let error = tokens(slow.await.unwrap().unwrap()).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"));
    assert!(error.description.contains("nobody answered in time"), "{}", error.description);
    // The failure is remembered: the next one does not wait.
    let again = ask(&server, &key.assertion("slow", &server.issuer)).await.unwrap_err();
    assert_eq!(again.description, error.description);
    assert_eq!(documents.asked("/slow.json"), 1);
    assert!(server.log().contains("a client's document was not fetched"), "{}", server.log());
}

#[tokio::test]
async fn a_request_object_is_verified_with_keys_that_were_fetched_rfc_9101_6() {
    let documents = Documents::start().await;
    let key = ClientKey::new(Algorithm::ES256);
    documents.put("/remote.json", keys(&[&key]));
    let server = server(&["remote"], &documents).await;
    let app = App::new(&server.issuer, "remote", None, "https://remote.example/callback");
    let mut object = json!({ "iss": "remote", "aud": server.issuer });
    for (name, value) in app.request() {
        object[name] = value.into();
    }
    let signed = key.0.sign("oauth-authz-req+jwt", &object).unwrap();
    let address =
        |object: &str| format!("{}/authorize?client_id=remote&request={object}", server.issuer);
    let page = app.callback_by(&mut Browser::new(), "alice", &address(&signed)).await;
    assert!(page.query("code").is_some(), "{}", page.url);
    let stranger = ClientKey::new(Algorithm::ES256);
    let forged = stranger.0.sign("oauth-authz-req+jwt", &object).unwrap();
    let page = Browser::new().open(address(&forged)).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request_object"), "{}", page.url);
}

async fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "it does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

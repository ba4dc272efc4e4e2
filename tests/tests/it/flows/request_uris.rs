//! Request objects by reference (RFC 9101 section 5.2, OpenID Connect Core 1.0 section 6.2).

use keystile_protocol::encoding::{base64url, percent_encode, sha256};
use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{App, Browser, ClientKey, Document, Documents, Keystile, Page, now};

/// A client `id` with a key, whose request objects are at these paths.
fn client(id: &str, key: &ClientKey, documents: &Documents, paths: &[&str], more: &str) -> String {
    let uris: Vec<String> = paths.iter().map(|path| documents.url(path)).collect();
    format!(
        r#"
[[clients]]
client_id = "{id}"
client_secret = "the secret of the app, forty characters long"
jwks = {}
request_uris = {uris:?}
redirect_uris = ["https://{id}.example/callback"]
scope = "openid photos:read"
id_token_signed_response_alg = "ES256"
{more}
"#,
        key.jwks()
    )
}

const BY_KEY: &str = "token_endpoint_auth_method = \"private_key_jwt\"";
const SECRET: &str = "the secret of the app, forty characters long";

/// A server with a client `signer`, whose objects are at `/r.jwt`, and `more` clients.
async fn server(key: &ClientKey, documents: &Documents, more: &str) -> (Keystile, App) {
    let signer = client("signer", key, documents, &["/r.jwt"], "");
    let server = Keystile::start_with(&format!("{signer}{more}")).await;
    let app = App::new(&server.issuer, "signer", Some(SECRET), "https://signer.example/callback");
    (server, app)
}

/// The app's whole request as an object, with members changed or (null) left out.
fn object(app: &App, change: &Value) -> Value {
    let mut object = json!({ "iss": app.client_id, "aud": app.issuer, "exp": now() + 300 });
    for (name, value) in app.request() {
        object[name] = value.into();
    }
    for (name, value) in change.as_object().unwrap() {
        object[name] = value.clone();
    }
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    object
}

fn jwt(object: impl AsRef<[u8]>) -> Document {
    Document::new("application/oauth-authz-req+jwt", object)
}

/// A request that refers to an object and says no more than it must.
fn referring(app: &App, uri: &str) -> String {
    let mut encoded = String::new();
    percent_encode(uri, &mut encoded);
    let (issuer, id) = (&app.issuer, &app.client_id);
    format!("{issuer}/authorize?client_id={id}&response_type=code&request_uri={encoded}")
}

async fn open(address: &str) -> Page {
    Browser::new().open(address).await
}

#[tokio::test]
async fn an_object_is_fetched_once_for_a_whole_sign_in_oidc_core_6_2() {
    let (documents, key) = (Documents::start().await, ClientKey::new(Algorithm::ES256));
    let (_server, app) = server(&key, &documents, "").await;
    let signed = key.0.sign("JWT", &object(&app, &json!({ "state": null }))).unwrap();
    documents.put("/r.jwt", jwt(format!("{signed}\n")));
    let address = referring(&app, &documents.url("/r.jwt")) + "&state=beside";
    let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
    assert_eq!(page.query("state").as_deref(), Some("beside"));
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    assert_eq!(tokens.json["scope"], app.scope);
    assert_eq!(tokens.claims("id_token")["nonce"], "the nonce");
    assert_eq!(documents.asked("/r.jwt"), 1, "the pages live by themselves");
}

#[tokio::test]
async fn an_object_is_kept_as_its_headers_say_and_a_new_hash_has_it_fetched_oidc_core_6_2() {
    let (documents, key) = (Documents::start().await, ClientKey::new(Algorithm::ES256));
    let (_server, app) = server(&key, &documents, "").await;
    let sign = |state: &str| key.0.sign("JWT", &object(&app, &json!({ "state": state }))).unwrap();
    let (one, two) = (sign("one"), sign("two"));
    let uri = documents.url("/r.jwt");
    let with_hash = |body: &str| format!("{uri}#{}", base64url(sha256(body)));
    let asked = |expected: usize| assert_eq!(documents.asked("/r.jwt"), expected);

    documents.put("/r.jwt", jwt(&one));
    for expected in 1..=2 {
        assert!(open(&referring(&app, &uri)).await.is_sign_in());
        asked(expected);
    }
    documents.put("/r.jwt", jwt(&one).with_header("Cache-Control: max-age=600"));
    for _ in 0..3 {
        assert!(open(&referring(&app, &with_hash(&one))).await.is_sign_in());
        assert!(open(&referring(&app, &uri)).await.is_sign_in());
    }
    asked(3);
    // Once the kept one is a second old: a request for another one has it fetched.
    documents.put("/r.jwt", jwt(&two).with_header("Cache-Control: max-age=600"));
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let mut browser = Browser::new();
    let page = app.callback_by(&mut browser, "alice", &referring(&app, &with_hash(&two))).await;
    assert_eq!(page.query("state").as_deref(), Some("two"));
    asked(4);
    let page = open(&referring(&app, &with_hash("neither"))).await;
    assert!(
        page.is_sign_in(),
        "what its client signed counts, whatever the fragment is: {}",
        page.url
    );
}

#[tokio::test]
async fn what_cannot_be_had_or_is_no_good_object_is_told_to_the_app_rfc_9101_6() {
    let (documents, key) = (Documents::start().await, ClientKey::new(Algorithm::ES256));
    let stranger = ClientKey::new(Algorithm::ES256);
    let rsa = ClientKey::new(Algorithm::PS256);
    let paths: Vec<String> = (0..18).map(|number| format!("/{number}.jwt")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let many = client("many", &key, &documents, &paths, "");
    let (server, _) = server(&key, &documents, &many).await;
    let app = App::new(&server.issuer, "many", Some(SECRET), "https://many.example/callback");
    let signed = |change: Value| jwt(key.0.sign("JWT", &object(&app, &change)).unwrap());
    let good = key.0.sign("JWT", &object(&app, &json!({}))).unwrap();
    let (_, rest) = good.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    let with_header = |header: &str| jwt(format!("{}.{rest}", base64url(header)));
    let elsewhere = format!("Location: {}", documents.url("/17.jwt"));
    let (uri, object_) = ("invalid_request_uri", "invalid_request_object");
    documents.put("/17.jwt", jwt(&good));
    let cases = [
        (jwt(&good).with_status(404), uri),
        (jwt("").with_status(302).with_header(elsewhere), uri),
        (Document::new("text/html", "<h1>Sign in</h1>"), uri),
        (Document::json(object(&app, &json!({}))), uri),
        (jwt("a.".repeat(5000)), uri),
        (jwt("a.".repeat(40_000)), uri),
        (jwt(stranger.0.sign("JWT", &object(&app, &json!({}))).unwrap()), object_),
        (jwt(rsa.0.sign("JWT", &object(&app, &json!({}))).unwrap()), object_),
        (jwt(format!("{}.{payload}.", base64url(r#"{"alg":"none"}"#))), object_),
        (with_header(r#"{"alg":"HS256"}"#), object_),
        (with_header(r#"{"alg":"ES256","kid":"../keys"}"#), object_),
        (with_header(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#), object_),
        (signed(json!({ "exp": 1000 })), object_),
        (signed(json!({ "nbf": now() + 600 })), object_),
        (signed(json!({ "aud": "https://other.example" })), object_),
        (signed(json!({ "iss": "signer", "client_id": "signer" })), object_),
        (signed(json!({ "request_uri": documents.url("/17.jwt") })), object_),
    ];
    for (number, (document, error)) in cases.into_iter().enumerate() {
        let path = format!("/{number}.jwt");
        documents.put(&path, document);
        let page = open(&(referring(&app, &documents.url(&path)) + "&state=s")).await;
        assert!(page.url.as_str().starts_with("https://many.example/callback?"), "{}", page.url);
        assert_eq!(page.query("error").as_deref(), Some(error), "{number}: {}", page.url);
        assert_eq!(page.query("state").as_deref(), Some("s"));
    }
    assert_eq!(documents.asked("/17.jwt"), 0, "no redirect is followed");
    assert!(open(&referring(&app, &documents.url("/17.jwt"))).await.is_sign_in());
}

#[tokio::test]
async fn nobody_is_called_but_the_clients_own_addresses_rfc_9101_10_4() {
    let (documents, key) = (Documents::start().await, ClientKey::new(Algorithm::ES256));
    let pushing = "require_pushed_authorization_requests = true";
    let more = client("another", &key, &documents, &["/another.jwt"], "")
        + &client("pushing", &key, &documents, &["/pushing.jwt"], pushing)
        + &client("fapi", &key, &documents, &["/fapi.jwt"], "profile = \"fapi2\"")
            .replace(&format!("client_secret = \"{SECRET}\""), BY_KEY);
    let (server, app) = server(&key, &documents, &more).await;
    let of = |id: &str| {
        App::new(&server.issuer, id, Some(SECRET), &format!("https://{id}.example/callback"))
    };
    let here = |path: &str| documents.url(path);
    let both = referring(&app, &here("/r.jwt")) + "&request=a.b.c";
    let twice = referring(&app, &here("/r.jwt")) + "&request_uri=x";
    let cases = [
        (referring(&app, &here("/another.jwt")), "invalid_request_uri"),
        (referring(&app, &here("/r.jwt?a=b")), "invalid_request_uri"),
        (referring(&app, "http://169.254.169.254/latest/meta-data/"), "invalid_request_uri"),
        (referring(&server.app(), &here("/r.jwt")), "invalid_request_uri"),
        (referring(&of("pushing"), &here("/pushing.jwt")), "invalid_request"),
        (referring(&of("fapi"), &here("/fapi.jwt")), "invalid_request"),
        (both, "invalid_request"),
        (twice, "invalid_request"),
    ];
    for (address, error) in cases {
        let page = open(&address).await;
        assert_eq!(page.query("error").as_deref(), Some(error), "{address}: {}", page.url);
    }
    let nobody = referring(&app, &here("/r.jwt")).replace("client_id=signer", "client_id=nobody");
    let by_nobody = open(&nobody).await;
    let made_up = referring(&app, "urn:ietf:params:oauth:request_uri:made-up");
    for page in [by_nobody, open(&made_up).await] {
        assert_eq!(page.status, 400);
        assert!(page.url.as_str().starts_with(&server.issuer), "{}", page.url);
    }
    for path in ["/r.jwt", "/r.jwt?a=b", "/another.jwt", "/pushing.jwt", "/fapi.jwt"] {
        assert_eq!(documents.asked(path), 0, "{path}");
    }
    let answer = app.call("/par", &[("request_uri", &here("/r.jwt"))]).send().await.unwrap();
    assert_eq!(answer.status(), 400, "RFC 9126 section 2.1");
}

#[tokio::test]
async fn an_object_leads_nowhere_that_is_not_registered() {
    let (documents, key) = (Documents::start().await, ClientKey::new(Algorithm::ES256));
    let (server, app) = server(&key, &documents, "").await;
    let evil = object(&app, &json!({ "redirect_uri": "https://evil.example/" }));
    documents.put("/r.jwt", jwt(key.0.sign("JWT", &evil).unwrap()));
    let address = referring(&app, &documents.url("/r.jwt"));
    let page = open(&address).await;
    assert_eq!(page.status, 400);
    assert!(page.url.as_str().starts_with(&server.issuer), "{}", page.url);
    documents.put("/r.jwt", jwt("").with_status(404));
    let page = open(&(address + "&redirect_uri=https://evil.example/")).await;
    assert_eq!(page.status, 400);
    assert!(page.url.as_str().starts_with(&server.issuer), "{}", page.url);
}

#[tokio::test]
async fn a_slow_server_of_one_client_holds_up_no_other_request() {
    let (documents, key) = (Documents::start().await, ClientKey::new(Algorithm::ES256));
    let (server, app) = server(&key, &documents, "").await;
    documents.hold(true);
    let address = referring(&app, &documents.url("/r.jwt"));
    let waits: Vec<_> = (0..3)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move { open(&address).await })
        })
        .collect();
    while documents.asked("/r.jwt") == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(open(&server.app().authorize_url()).await.is_sign_in());
    assert!(waits.iter().all(|waiting| !waiting.is_finished()));
    for waiting in waits {
        let page = waiting.await.unwrap();
        assert_eq!(page.query("error").as_deref(), Some("invalid_request_uri"), "{}", page.url);
    }
    assert_eq!(documents.asked("/r.jwt"), 1, "they wait for one fetch");
}

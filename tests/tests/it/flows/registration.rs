//! Clients that register themselves (RFC 7591), and that manage their registration (RFC 7592).

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{App, Browser, Document, Documents, Keystile};

const OPEN: &str = "[registration]\nmode = \"open\"\nscopes = \"photos:read\"\n\
                    per_network = 100\n";
const CALLBACK: &str = "https://dynamic.example/callback";

async fn open_server() -> Keystile {
    Keystile::start_with(OPEN).await
}

/// What an endpoint answers.
struct Answer {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Answer {
    fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    /// Status and code of an error.
    fn error(&self) -> (u16, &str) {
        (self.status, self.json["error"].as_str().unwrap_or_default())
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["cache-control"], "no-store", "RFC 7591 section 3.2.1");
    Answer { status, headers, json: response.json().await.unwrap_or_default() }
}

fn call(method: Method, url: &str, token: Option<&str>) -> RequestBuilder {
    let request = reqwest::Client::new().request(method, url);
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

fn post(server: &Keystile, said: &Value, token: Option<&str>) -> RequestBuilder {
    let request = call(Method::POST, &server.url("/register"), token);
    request.header("content-type", "application/json").body(said.to_string())
}

fn put(client: &Answer, said: &Value) -> RequestBuilder {
    let url = client.text("registration_client_uri");
    call(Method::PUT, url, Some(client.text("registration_access_token")))
        .header("content-type", "application/json")
        .body(said.to_string())
}

fn managed(method: Method, client: &Answer) -> RequestBuilder {
    let url = client.text("registration_client_uri");
    call(method, url, Some(client.text("registration_access_token")))
}

/// Its ID tokens need no RSA key, which the first start takes its time to make.
fn good() -> Value {
    json!({
        "redirect_uris": [CALLBACK], "client_name": "Dynamic App",
        "id_token_signed_response_alg": "ES256",
    })
}

fn with(more: Value) -> Value {
    let mut said = good();
    for (name, value) in more.as_object().unwrap() {
        said[name] = value.clone();
    }
    said
}

async fn registered(server: &Keystile, said: &Value) -> Answer {
    let client = answer(post(server, said, None)).await;
    assert_eq!(client.status, 201, "{}", client.json);
    client
}

/// The client as the harness plays it.
fn app(server: &Keystile, client: &Answer) -> App {
    let secret = client.json["client_secret"].as_str();
    App::new(&server.issuer, client.text("client_id"), secret, CALLBACK)
}

#[tokio::test]
async fn a_client_registers_itself_and_gets_tokens_rfc_7591_3_2_1() {
    let server = open_server().await;
    let metadata: Value = reqwest::get(server.url("/.well-known/openid-configuration"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(metadata["registration_endpoint"], server.url("/register"));
    let client = registered(
        &server,
        &with(json!({
            "grant_types": ["authorization_code", "refresh_token"], "contacts": ["ops@dynamic.example"],
            "software_id": "4711", "default_max_age": 3600,
            "require_auth_time": true, "initiate_login_uri": "https://dynamic.example/start",
        })),
    )
    .await;
    assert_eq!(client.json["client_secret_expires_at"], 0);
    assert!(client.json["client_id_issued_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(client.headers["content-type"], "application/json");
    for (name, value) in [
        ("client_name", json!("Dynamic App")),
        ("redirect_uris", json!([CALLBACK])),
        ("grant_types", json!(["authorization_code", "refresh_token"])),
        ("response_types", json!(["code"])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("contacts", json!(["ops@dynamic.example"])),
        ("software_id", json!("4711")),
        ("default_max_age", json!(3600)),
        ("require_auth_time", json!(true)),
        ("initiate_login_uri", json!("https://dynamic.example/start")),
    ] {
        assert_eq!(client.json[name], value, "{name}");
    }
    let app = app(&server, &client).with_scope("openid photos:read offline_access");
    let tokens = app.tokens(&mut Browser::new()).await;
    assert_eq!(tokens.claims("id_token")["aud"], client.text("client_id"));
    app.refresh(tokens.refresh_token()).await.expect("it goes on");
    let database = std::fs::read(server.database()).unwrap();
    for secret in ["client_secret", "registration_access_token"] {
        let secret = client.text(secret).as_bytes();
        let kept = database.windows(secret.len()).any(|window| window == secret);
        assert!(!kept && !server.log().contains(std::str::from_utf8(secret).unwrap()));
    }
}

#[tokio::test]
async fn registration_is_off_unless_the_operator_turns_it_on() {
    let server = Keystile::start().await;
    let metadata: Value = reqwest::get(server.url("/.well-known/openid-configuration"))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(metadata.get("registration_endpoint"), None);
    assert_eq!(answer(post(&server, &good(), None)).await.status, 404);
    let below = server.url("/register/app");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(answer(call(method, &below, Some("t"))).await.status, 404);
    }
}

#[tokio::test]
async fn with_an_initial_access_token_as_many_register_as_it_has_uses_rfc_7591_3() {
    let server = Keystile::start_with("[registration]\nmode = \"token\"").await;
    let created = |more: &[&str]| {
        let start = ["registration-token", "create", "--json", "--config", "keystile.toml"];
        let output = server.command(&[&start[..], more].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let without = answer(post(&server, &good(), None)).await;
    assert_eq!(without.error(), (401, "invalid_token"));
    assert!(without.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer realm="));
    let wrong = answer(post(&server, &good(), Some("wrong"))).await;
    assert_eq!(wrong.error(), (401, "invalid_token"));

    let twice = created(&["--uses", "2"]);
    let token = twice["token"].as_str();
    let bad = answer(post(&server, &json!({ "redirect_uris": [] }), token)).await;
    assert_eq!(bad.error(), (400, "invalid_redirect_uri"), "what is refused uses nothing up");
    for _ in 0..2 {
        assert_eq!(answer(post(&server, &good(), token)).await.status, 201);
    }
    assert_eq!(answer(post(&server, &good(), token)).await.error(), (401, "invalid_token"));

    let ended = created(&["--expires", "0"]);
    let refused = answer(post(&server, &good(), ended["token"].as_str())).await;
    assert_eq!(refused.error(), (401, "invalid_token"));
    let revoked = created(&[]);
    let listed = server.command(&["registration-token", "list", "--config", "keystile.toml"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let name = revoked["name"].as_str().unwrap();
    assert!(listed.contains(name) && !listed.contains(twice["name"].as_str().unwrap()), "{listed}");
    let revoke = ["registration-token", "revoke", name, "--config", "keystile.toml"];
    assert!(server.command(&revoke).status.success());
    assert!(!server.command(&revoke).status.success(), "it is gone");
    let refused = answer(post(&server, &good(), revoked["token"].as_str())).await;
    assert_eq!(refused.error(), (401, "invalid_token"));
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_in_words_rfc_7591_3_2_2() {
    let server = open_server().await;
    for (more, error) in [
        (json!({ "redirect_uris": ["https://a.example/cb#f"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": "https://a.example/cb" }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": null }), "invalid_redirect_uri"),
        (json!({ "tos_uri": "javascript:alert(1)" }), "invalid_client_metadata"),
        (json!({ "client_uri": "data:text/html,x" }), "invalid_client_metadata"),
        (json!({ "client_name": "a\u{7}b" }), "invalid_client_metadata"),
        (json!({ "client_name": 7 }), "invalid_client_metadata"),
        (json!({ "grant_types": ["password"] }), "invalid_client_metadata"),
        (json!({ "grant_types": ["client_credentials"] }), "invalid_client_metadata"),
        (json!({ "response_types": ["id_token"] }), "invalid_client_metadata"),
        (json!({ "id_token_signed_response_alg": "none" }), "invalid_client_metadata"),
        (json!({ "initiate_login_uri": "http://a.example" }), "invalid_client_metadata"),
        (json!({ "scope": "photos:order" }), "invalid_client_metadata"),
        (json!({ "software_statement": "e30.e30.x" }), "unapproved_software_statement"),
        (json!({ "software_statement": {} }), "invalid_software_statement"),
    ] {
        let refused = answer(post(&server, &with(more.clone()), None)).await;
        assert_eq!(refused.error(), (400, error), "{more}");
        assert!(!refused.text("error_description").is_empty());
    }
    let raw = |body: &str, content_type: &str| {
        let request = call(Method::POST, &server.url("/register"), None);
        answer(request.header("content-type", content_type.to_owned()).body(body.to_owned()))
    };
    let deep = "[".repeat(10_000);
    let long = with(json!({ "nonsense": "x".repeat(17_000) })).to_string();
    let longer = "x".repeat(100_000);
    for (body, content_type, status) in [
        ("", "application/json", 400),
        ("null", "application/json", 400),
        ("[]", "application/json", 400),
        ("{\"redirect_uris\":", "application/json", 400),
        (&deep, "application/json", 400),
        (&long, "application/json", 400),
        (&longer, "application/json", 413),
        ("a=b", "application/x-www-form-urlencoded", 415),
        ("{}", "text/plain", 415),
    ] {
        let refused = raw(body, content_type).await;
        assert_eq!(refused.error(), (status, "invalid_client_metadata"), "{content_type}");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let refused = answer(call(method, &server.url("/register"), None)).await;
        assert_eq!(refused.status, 405);
    }
    let utf8 = raw(&good().to_string(), "application/json; charset=UTF-8").await;
    assert_eq!(utf8.status, 201);
    let two = post(&server, &good(), Some("a")).header("authorization", "Bearer b");
    assert_eq!(answer(two).await.error(), (401, "invalid_token"));
    let basic = post(&server, &good(), None).header("authorization", "Basic YTpi");
    assert_eq!(answer(basic).await.error(), (401, "invalid_token"));
}

#[tokio::test]
async fn whoever_registers_itself_is_asked_about_and_its_name_is_text() {
    let server = open_server().await;
    let said = with(json!({
        "client_name": "<script>alert('x')</script>", "trusted": true, "client_id": "app",
        "operator": "Your bank", "client_uri": "https://bank.example", "require_pkce": false, "allow_embedded_browser": true,
    }));
    let client = registered(&server, &said).await;
    assert_ne!(client.text("client_id"), "app");
    for name in ["trusted", "operator", "require_pkce", "allow_embedded_browser"] {
        assert_eq!(client.json.get(name), None, "{name}");
    }
    let app = app(&server, &client);
    let mut browser = Browser::new();
    let without_pkce =
        app.authorize_url_with(&[("code_challenge", None), ("code_challenge_method", None)]);
    let page = browser.open(&without_pkce).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
    let page = browser.open(app.authorize_url()).await;
    assert!(!page.html.contains("<script>alert"), "{}", page.html);
    let page = browser.sign_in(&page, "alice", crate::harness::PASSWORD).await;
    assert!(page.is_consent(), "{}", page.text());
    assert!(!page.html.contains("<script>alert") && !page.text().contains("Your bank"));
    assert!(!page.text().contains("bank.example") && page.text().contains("dynamic.example"));
    assert!(page.text().contains("<script>alert('x')</script>"), "{}", page.text());
}

#[tokio::test]
async fn a_bench_may_do_without_pkce_for_clients_with_a_secret_alone() {
    let server = Keystile::start_with(&format!("{OPEN}require_pkce = false")).await;
    let client = registered(&server, &good()).await;
    let public = with(json!({ "token_endpoint_auth_method": "none" }));
    let public = registered(&server, &public).await;
    assert_eq!(public.json.get("client_secret"), None);
    for (client, leads_on) in [(&client, true), (&public, false)] {
        let app = app(&server, client);
        let url =
            app.authorize_url_with(&[("code_challenge", None), ("code_challenge_method", None)]);
        let page = Browser::new().open(&url).await;
        assert_eq!(page.is_sign_in(), leads_on, "{}", page.url);
    }
}

#[tokio::test]
async fn default_max_age_stands_in_for_max_age_oidc_registration_2() {
    let server = open_server().await;
    let client = registered(&server, &with(json!({ "default_max_age": 0 }))).await;
    let (app, mut browser) = (app(&server, &client), Browser::new());
    app.callback(&mut browser).await;
    assert!(browser.open(app.authorize_url()).await.is_sign_in());
    let longer = app.authorize_url_with(&[("max_age", Some("1000"))]);
    assert!(browser.open(&longer).await.query("code").is_some());
}

#[tokio::test]
async fn a_client_reads_and_changes_its_registration_rfc_7592_2() {
    let server = open_server().await;
    let client = registered(&server, &good()).await;
    let read = answer(managed(Method::GET, &client)).await;
    assert_eq!(read.status, 200);
    for (name, value) in client.json.as_object().unwrap() {
        if !name.starts_with("client_secret") {
            assert_eq!(&read.json[name], value, "{name}");
        }
    }
    assert_eq!(read.json.get("client_secret"), None, "it was told once");

    let id = client.text("client_id");
    let secret = client.text("client_secret");
    for (said, status) in [
        (good(), 400),
        (with(json!({ "client_id": "app" })), 400),
        (
            with(json!({ "client_id": id, "client_secret": "of my own choice, and quite long" })),
            400,
        ),
        (with(json!({ "client_id": id, "redirect_uris": ["https://a/#f"] })), 400),
        (with(json!({ "client_id": id, "client_secret": secret, "client_name": "Renamed" })), 200),
    ] {
        assert_eq!(answer(put(&client, &said)).await.status, status, "{said}");
    }
    let read = answer(managed(Method::GET, &client)).await;
    assert_eq!(read.text("client_name"), "Renamed");
    assert!(app(&server, &client).tokens(&mut Browser::new()).await.json["id_token"].is_string());

    // From a secret to none, and back: that is a new one.
    let public = with(json!({ "client_id": id, "token_endpoint_auth_method": "none" }));
    let public = answer(put(&client, &public)).await;
    assert_eq!((public.status, public.json.get("client_secret")), (200, None));
    let again = answer(put(&client, &with(json!({ "client_id": id })))).await;
    assert_ne!(again.text("client_secret"), secret);
    app(&server, &again).tokens(&mut Browser::new()).await;
    // What is left out is gone (section 2.2).
    let bare = json!({ "client_id": id, "redirect_uris": [CALLBACK] });
    let bare = answer(put(&client, &bare)).await;
    assert_eq!(bare.json.get("client_name"), None);
    assert_eq!(bare.json["id_token_signed_response_alg"], "RS256");
}

#[tokio::test]
async fn only_its_own_token_manages_a_registration_rfc_7592_2() {
    let server = open_server().await;
    let (mine, other) = (registered(&server, &good()).await, registered(&server, &good()).await);
    let (uri, token) =
        (mine.text("registration_client_uri"), other.text("registration_access_token"));
    let unknown = server.url("/register/unknown");
    let configured = server.url("/register/app");
    for (uri, token) in [
        (uri, None),
        (uri, Some("")),
        (uri, Some("wrong")),
        (uri, Some(token)),
        (unknown.as_str(), Some(token)),
        (configured.as_str(), Some(token)),
        (&server.url("/register/%00"), Some(token)),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = call(method.clone(), uri, token)
                .header("content-type", "application/json")
                .body(good().to_string());
            let refused = answer(request).await;
            assert_eq!(refused.error(), (401, "invalid_token"), "{method} {uri}");
            assert!(refused.headers.contains_key("www-authenticate"));
        }
    }
    assert_eq!(answer(managed(Method::GET, &mine)).await.status, 200);
}

#[tokio::test]
async fn a_removed_client_is_gone_with_all_that_it_was_granted_rfc_7592_2_3() {
    let server = open_server().await;
    let client = registered(&server, &good()).await;
    let app = app(&server, &client);
    let tokens = app.tokens(&mut Browser::new()).await;
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    let removals = [(); 2].map(|()| tokio::spawn(answer(managed(Method::DELETE, &client))));
    let mut statuses = Vec::new();
    for removal in removals {
        statuses.push(removal.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 401], "of two at once one removes");
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401);
    let page = Browser::new().open(app.authorize_url()).await;
    assert_eq!(page.status, 400);
    let said = with(json!({ "client_id": client.text("client_id") }));
    assert_eq!(answer(put(&client, &said)).await.error(), (401, "invalid_token"));
    assert_eq!(answer(managed(Method::GET, &client)).await.status, 401);
    assert_eq!(Browser::new().open(app.authorize_url()).await.status, 400, "it does not return");
}

#[tokio::test]
async fn changes_and_a_removal_at_once_leave_nothing_behind_rfc_7592_2() {
    let server = open_server().await;
    let client = registered(&server, &good()).await;
    let said = with(json!({ "client_id": client.text("client_id") }));
    let mut tasks: Vec<_> = (0..8).map(|_| tokio::spawn(answer(put(&client, &said)))).collect();
    tasks.push(tokio::spawn(answer(managed(Method::DELETE, &client))));
    for task in tasks {
        assert!([200, 204, 401].contains(&task.await.unwrap().status));
    }
    assert_eq!(answer(managed(Method::GET, &client)).await.status, 401);
    assert_eq!(Browser::new().open(app(&server, &client).authorize_url()).await.status, 400);
}

#[tokio::test]
async fn strangers_fill_neither_the_store_from_one_network_nor_in_all() {
    let config = "[registration]\nmode = \"open\"\nper_network = 3\n";
    let server = Keystile::start_with(config).await;
    for _ in 0..3 {
        registered(&server, &good()).await;
    }
    let refused = answer(post(&server, &good(), None)).await;
    assert_eq!(refused.error(), (429, "temporarily_unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    let create = ["registration-token", "create", "--json", "--config", "keystile.toml"];
    let created: Value = serde_json::from_slice(&server.command(&create).stdout).unwrap();
    let by_token = answer(post(&server, &good(), created["token"].as_str())).await;
    assert_eq!(by_token.status, 201, "whoever has a token is not held up");

    let config = "[registration]\nmode = \"open\"\nunused_at_most = 2\n";
    let server = Keystile::start_with(config).await;
    let first = registered(&server, &good()).await;
    registered(&server, &good()).await;
    assert_eq!(answer(post(&server, &good(), None)).await.status, 503);
    app(&server, &first).with_scope("openid").tokens(&mut Browser::new()).await;
    assert_eq!(answer(post(&server, &good(), None)).await.status, 201, "one was used meanwhile");
}

#[tokio::test]
async fn what_a_client_names_is_fetched_when_it_registers_oidc_registration_5() {
    let (server, documents) = (open_server().await, Documents::start().await);
    documents.put("/sector.json", Document::json(json!([CALLBACK, "https://b.example/cb"])));
    documents.put("/other.json", Document::json(json!(["https://b.example/cb"])));
    let pairwise = |path: &str| {
        let uri = documents.url(path);
        with(json!({ "subject_type": "pairwise", "sector_identifier_uri": uri }))
    };
    let client = registered(&server, &pairwise("/sector.json")).await;
    assert_eq!(client.text("sector_identifier_uri"), documents.url("/sector.json"));
    let app = app(&server, &client).with_scope("openid");
    let tokens = app.tokens(&mut Browser::new()).await;
    assert_eq!(tokens.claims("id_token")["sub"].as_str().unwrap().len(), 43, "a pairwise one");
    for path in ["/other.json", "/missing.json"] {
        let refused = answer(post(&server, &pairwise(path), None)).await;
        assert_eq!(refused.error(), (400, "invalid_client_metadata"), "{path}");
        let mut said = pairwise(path);
        said["client_id"] = client.text("client_id").into();
        assert_eq!(answer(put(&client, &said)).await.error(), (400, "invalid_client_metadata"));
    }

    // Keys are fetched when they are needed: they need not be there yet.
    let said = with(json!({
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": documents.url("/jwks"),
        "redirect_uris": [CALLBACK],
    }));
    let client = registered(&server, &said).await;
    assert_eq!(documents.asked("/jwks"), 0);
    assert!(client.json.get("client_secret").is_none());
    for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
        let said =
            with(json!({ "token_endpoint_auth_method": method, "jwks_uri": "https://a.example/" }));
        let refused = answer(post(&server, &said, None)).await;
        assert_eq!(
            refused.error(),
            (400, "invalid_client_metadata"),
            "nobody asks for certificates"
        );
    }
}

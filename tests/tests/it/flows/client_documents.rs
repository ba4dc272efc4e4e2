//! Clients that nobody registered: their identifier is the address of a document of metadata
//! (draft-ietf-oauth-client-id-metadata-document-00).

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{
    App, Browser, ClientKey, Document, Documents, Keystile, PASSWORD, Page, form, tokens,
};

const ON: &str = "[registration]\nclient_id_metadata_documents = true\nscopes = \"photos:read\"\n";
const CALLBACK: &str = "https://app.example/callback";

/// The client of a document at that path.
fn app(server: &Keystile, documents: &Documents, path: &str) -> App {
    App::new(&server.issuer, &documents.url(path), None, CALLBACK)
}

/// A document, with what is changed.
fn said(documents: &Documents, path: &str, more: Value) -> Value {
    let mut said = json!({
        "client_id": documents.url(path), "client_name": "Tool Runner",
        "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token", "x"],
        "token_endpoint_auth_method": "none", "id_token_signed_response_alg": "ES256",
    });
    for (name, value) in more.as_object().unwrap() {
        said[name] = value.clone();
    }
    said
}

fn put(documents: &Documents, path: &str, more: Value) {
    documents.put(path, Document::json(said(documents, path, more)));
}

fn clients(server: &Keystile) -> String {
    let listed = server.command(&["client", "list", "--config", "keystile.toml"]);
    String::from_utf8(listed.stdout).unwrap()
}

async fn opened(app: &App) -> Page {
    Browser::new().open(app.authorize_url()).await
}

#[tokio::test]
async fn a_client_that_nobody_registered_gets_tokens_once_a_person_lets_it_in() {
    let (server, documents) = (Keystile::start_with(ON).await, Documents::start().await);
    let url = server.url("/.well-known/oauth-authorization-server");
    let metadata: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    assert_eq!(metadata.get("registration_endpoint"), None, "that is another matter");

    put(&documents, "/client.json", json!({ "client_uri": "https://bank.example" }));
    let app = app(&server, &documents, "/client.json");
    let app = app.with_scope("openid offline_access photos:read");
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    assert!(page.text().contains("127.0.0.1"), "the host of its document: {}", page.text());
    assert!(page.text().contains("app.example"), "the host that answers go to");
    assert!(!page.text().contains("bank.example"), "and none that it claims");
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.is_consent(), "{}", page.text());
    assert!(page.text().contains("127.0.0.1") && page.text().contains("app.example"));
    assert!(!clients(&server).contains("client.json"), "nothing is stored for a stranger");
    let page = browser.press(&page, "consent-allow", &[]).await;
    assert!(clients(&server).contains("client.json"));
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    assert_eq!(tokens.claims("id_token")["aud"], app.client_id);
    assert_eq!(tokens.claims("access_token")["client_id"], app.client_id);
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    app.refresh(tokens.refresh_token()).await.expect("it goes on");
    assert_eq!(documents.asked("/client.json"), 1, "it is kept for a while");

    // The consent is remembered, and can be taken back.
    assert!(browser.open(app.authorize_url()).await.query("code").is_some());
    let account = browser.open(server.url("/account")).await;
    assert!(account.text().contains("Tool Runner"), "{}", account.text());
    let remove = ["client", "remove", &app.client_id, "--config", "keystile.toml"];
    assert!(server.command(&remove).status.success());
    assert!(app.refresh(tokens.refresh_token()).await.is_err(), "its grants ended");
}

#[tokio::test]
async fn what_is_no_such_document_is_told_to_the_person_and_explained_to_the_developer() {
    let (server, documents) = (Keystile::start_with(ON).await, Documents::start().await);
    for (path, more) in [
        ("/another-id", json!({ "client_id": "https://app.example/client.json" })),
        ("/secret", json!({ "client_secret": "x" })),
        ("/shared", json!({ "token_endpoint_auth_method": "client_secret_post" })),
        ("/keyless", json!({ "token_endpoint_auth_method": "private_key_jwt" })),
        ("/nowhere", json!({ "redirect_uris": [] })),
        ("/script", json!({ "redirect_uris": ["javascript:alert(1)"] })),
        ("/long", json!({ "nonsense": "x".repeat(6000) })),
    ] {
        put(&documents, path, more);
    }
    let good = |path: &str| said(&documents, path, json!({}));
    documents.put("/html", Document::new("text/html", good("/html").to_string()));
    documents.put("/broken", Document::json(good("/broken")).with_status(500));
    documents.put("/list", Document::json(json!([good("/list")])));
    let location = format!("Location: {}", documents.url("/good"));
    documents.put("/good", Document::json(good("/moved")));
    let moved = Document::json(good("/moved")).with_status(302).with_header(location);
    documents.put("/moved", moved);
    for path in [
        "/another-id",
        "/secret",
        "/shared",
        "/keyless",
        "/nowhere",
        "/script",
        "/long",
        "/html",
        "/broken",
        "/list",
        "/moved",
        "/missing",
    ] {
        let page = opened(&app(&server, &documents, path)).await;
        assert_eq!(page.status, 400, "{path}");
        assert_eq!(documents.asked(path), 1, "{path}");
        assert!(page.text().contains("is no client's"), "{path}: {}", page.text());
    }
    assert_eq!(documents.asked("/good"), 0, "no redirect is followed");
    // A document's word is its own: a redirect URI that it does not name is not answered.
    put(&documents, "/client.json", json!({}));
    let mut app = app(&server, &documents, "/client.json");
    app.redirect_uri = "https://evil.example/callback".to_owned();
    assert_eq!(opened(&app).await.status, 400);
    app.redirect_uri = CALLBACK.to_owned();
    for id in [documents.url("/a/../client.json"), "https://10.0.0.1/client.json".to_owned()] {
        app.client_id = id;
        assert_eq!(opened(&app).await.status, 400, "{}", app.client_id);
    }
    let rejected = form(
        reqwest::Client::new().post(server.url("/token")),
        &[("grant_type", "authorization_code"), ("client_id", &documents.url("/missing"))],
    );
    let rejected = tokens(rejected.send().await.unwrap()).await.expect_err("no client");
    assert_eq!((rejected.status, rejected.error.as_str()), (401, "invalid_client"));
}

#[tokio::test]
async fn documents_mean_nothing_unless_the_operator_turns_them_on() {
    let (server, documents) = (Keystile::start().await, Documents::start().await);
    put(&documents, "/client.json", json!({}));
    assert_eq!(opened(&app(&server, &documents, "/client.json")).await.status, 400);
    assert_eq!(documents.asked("/client.json"), 0);
}

#[tokio::test]
async fn a_client_with_a_key_of_its_own_proves_itself_section_6_2() {
    let (server, documents) = (Keystile::start_with(ON).await, Documents::start().await);
    let key = ClientKey::new(Algorithm::ES256);
    documents.put("/jwks", Document::json(json!({ "keys": [key.0.public()] })));
    let method = json!({
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": documents.url("/jwks"),
    });
    put(&documents, "/client.json", method);
    let app = app(&server, &documents, "/client.json").with_scope("openid");
    let code = app.code(&mut Browser::new()).await;
    let public = app.redeem(&code).await.expect_err("it has to prove itself");
    assert_eq!(public.error, "invalid_client");
    let assertion = key.assertion(&app.client_id, &server.issuer);
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", app.verifier.expose()),
        ("client_id", &app.client_id),
        ("client_assertion", &assertion),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ];
    let request = form(reqwest::Client::new().post(server.url("/token")), &pairs);
    tokens(request.send().await.unwrap()).await.expect("tokens");
}

#[tokio::test]
async fn strangers_have_us_call_others_only_so_often() {
    let (server, documents) = (Keystile::start_with(ON).await, Documents::start().await);
    put(&documents, "/known.json", json!({}));
    let known = app(&server, &documents, "/known.json").with_scope("openid");
    known.tokens(&mut Browser::new()).await;
    let mut statuses = Vec::new();
    for number in 0..32 {
        let page = opened(&app(&server, &documents, &format!("/{number}"))).await;
        statuses.push(page.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[31]), (400, 503), "{statuses:?}");
    assert_eq!(documents.asked("/31"), 0);
    assert!(opened(&known).await.is_sign_in(), "one that somebody let in is no stranger");
}

//! `keystile-client` where nobody configured the client: it registers itself (RFC 7591, 7592), and
//! finds out who issues tokens for an API (RFC 9728).

use std::time::Duration;

use keystile_client::flow::ResourceMetadataError;
use keystile_client::registration::RegistrationError;
use keystile_client::{Client, ProtectedResource, Registrar, Registration};
use serde_json::{Value, json};

use super::mcp;
use crate::harness::{Browser, Keystile, PASSWORD, free_port};

const OPEN: &str = "[registration]\nmode = \"open\"\nscopes = \"photos:read\"\n";
const SOON: Duration = Duration::from_secs(60);

fn wanted(name: &str) -> Value {
    json!({
        "client_name": name, "redirect_uris": ["http://127.0.0.1/callback"],
        "application_type": "native", "token_endpoint_auth_method": "client_secret_post",
        "id_token_signed_response_alg": "ES256", "scope": "openid photos:read",
    })
}

/// A login of alice in a browser, to its end.
async fn sign_in(client: &Client, port: u16) -> String {
    let login = client.begin_native_login_at(port).await.unwrap();
    let mut browser = Browser::new();
    let page = browser.open(login.url()).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    let waiting = tokio::spawn(login.wait(SOON));
    // Who agreed before is not asked again.
    let asked = page.is_consent();
    let page = if asked { browser.press(&page, "consent-allow", &[]).await } else { page };
    reqwest::get(page.url).await.unwrap();
    waiting.await.unwrap().unwrap().access_token().expose().to_owned()
}

#[tokio::test]
async fn a_client_registers_signs_in_changes_and_goes_rfc_7591_3_and_7592_2() {
    let server = Keystile::start_with(OPEN).await;
    let registrar = Registrar::new(&server.issuer).unwrap();
    // A client with a secret gets one port, and no other.
    let port = free_port();
    let wanted = |name: &str| {
        let mut wanted = wanted(name);
        wanted["redirect_uris"] = json!([format!("http://127.0.0.1:{port}/callback")]);
        wanted
    };
    let first = registrar.register(&wanted("First")).await.unwrap();
    assert!(!format!("{first:?}").contains(first.client_secret().unwrap().expose()));
    sign_in(&first.client().without_routes().build().unwrap(), port).await;

    let read = registrar.read(&first).await.unwrap();
    assert_eq!(read.metadata()["client_name"], "First");
    assert_eq!(read.client_secret(), first.client_secret(), "shown once, and kept");
    let second = registrar.update(&read, &wanted("Second")).await.unwrap();
    assert_eq!(
        (second.client_id(), &second.metadata()["client_name"]),
        (first.client_id(), &"Second".into())
    );
    sign_in(&second.client().without_routes().build().unwrap(), port).await;

    let bad = json!({ "redirect_uris": ["javascript:alert(1)"] });
    for refused in [registrar.register(&bad).await, registrar.update(&second, &bad).await] {
        assert!(matches!(refused, Err(RegistrationError::Refused { .. })), "{refused:?}");
    }
    let kept = second.clone();
    registrar.delete(second).await.unwrap();
    assert_eq!(registrar.read(&kept).await.unwrap_err(), RegistrationError::Gone);
    assert_eq!(registrar.delete(kept).await.unwrap_err(), RegistrationError::Gone);
}

#[tokio::test]
async fn a_registration_is_kept_in_a_file_and_changed_where_it_must_be() {
    let server = Keystile::start_with(OPEN).await;
    let registrar = Registrar::new(&server.issuer).unwrap();
    let file = server.directory.join("registration.json");
    let kept = async |name| registrar.kept(&file, &wanted(name)).await.unwrap();
    let first = kept("App").await;
    assert_eq!(kept("App").await, first, "the same client at the next start");
    let renamed = kept("Another name").await;
    assert_eq!(renamed.client_id(), first.client_id());
    assert_eq!(registrar.read(&renamed).await.unwrap().metadata()["client_name"], "Another name");
    // Another server's registration is none here, and nobody else is told its token.
    let text = std::fs::read_to_string(&file).unwrap();
    let moved = text.replace(
        &format!("\"issuer\": \"{}\"", server.issuer),
        "\"issuer\": \"https://other.example\"",
    );
    assert_ne!(moved, text);
    let others: Value = serde_json::from_str(&moved).unwrap();
    let others: Registration = serde_json::from_value(others["value"].clone()).unwrap();
    let refused = registrar.read(&others).await.unwrap_err();
    assert!(matches!(refused, RegistrationError::Malformed(_)), "{refused:?}");
    std::fs::write(&file, moved).unwrap();
    assert_ne!(kept("App").await.client_id(), first.client_id());
    // Gone at the server: a new one.
    let gone = kept("App").await;
    registrar.delete(gone.clone()).await.unwrap();
    assert_ne!(kept("Third").await.client_id(), gone.client_id());
}

#[tokio::test]
async fn an_initial_access_token_opens_a_closed_registration_rfc_7591_3() {
    let server = Keystile::start_with("[registration]\nmode = \"token\"").await;
    let created =
        server.command(&["registration-token", "create", "--json", "--config", "keystile.toml"]);
    let created: Value = serde_json::from_slice(&created.stdout).unwrap();
    let without = Registrar::new(&server.issuer).unwrap();
    let refused = without.register(&wanted("App")).await.unwrap_err();
    assert!(matches!(refused, RegistrationError::Refused { .. }), "{refused:?}");
    let with = Registrar::new(&server.issuer).unwrap();
    let with = with.initial_access_token(created["token"].as_str().unwrap());
    let said = json!({ "redirect_uris": ["https://app.example/callback"] });
    with.register(&said).await.unwrap();
}

#[tokio::test]
async fn from_the_address_of_an_mcp_server_to_a_call_of_it_rfc_9728_5() {
    let (port, api_port) = (free_port(), free_port());
    let server = mcp::server(port, &format!("http://localhost:{api_port}/mcp")).await;
    let api = mcp::api(&server.url("/tenant"), api_port).await;

    let found = ProtectedResource::discover(&api).await.unwrap();
    assert_eq!(found.authorization_server(), server.url("/tenant"));
    let registrar = Registrar::new(found.authorization_server()).unwrap();
    let scope = found.metadata().scopes_supported.join(" ");
    let said = json!({
        "client_name": "Tool Runner", "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none", "scope": scope,
    });
    let registration = registrar.register(&said).await.unwrap();
    let client = registration.client().without_routes().resource(&found.metadata().resource);
    let token = sign_in(&client.build().unwrap(), 0).await;
    let answer = reqwest::Client::new().get(&api).bearer_auth(token).send().await.unwrap();
    assert!(answer.text().await.unwrap().starts_with("run for "));

    // The API answers at this address too, and its metadata are of another one.
    let elsewhere = api.replace("localhost", "127.0.0.1");
    let error = ProtectedResource::discover(&elsewhere).await.unwrap_err();
    assert!(matches!(error, ResourceMetadataError::AnotherResource { .. }), "{error:?}");
    let nothing = ProtectedResource::discover(&server.url("/healthz")).await.unwrap_err();
    assert!(matches!(nothing, ResourceMetadataError::Unavailable(_)), "{nothing:?}");
}

//! `sector_identifier_uri` (OpenID Connect Core 1.0 section 8.1, OpenID Connect Dynamic Client
//! Registration 1.0 section 5), in the configuration and on the command line.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{App, Browser, Document, Documents, Keystile};

const SECRET: &str = "the secret of the app, forty characters long";

/// A client with pairwise subjects, of the sector that this URI names.
fn client(id: &str, sector: &str) -> String {
    format!(
        r#"
[[clients]]
client_id = "{id}"
client_secret = "{SECRET}"
redirect_uris = ["https://{id}.example/callback", "https://{id}-two.example/callback"]
scope = "openid"
id_token_signed_response_alg = "ES256"
subject_type = "pairwise"
sector_identifier_uri = "{sector}"
"#
    )
}

fn redirect_uris(ids: &[&str]) -> Document {
    let uris = |id: &&str| {
        [format!("https://{id}.example/callback"), format!("https://{id}-two.example/callback")]
    };
    Document::json(json!(ids.iter().flat_map(uris).collect::<Vec<_>>()))
}

async fn subject(server: &Keystile, id: &str) -> Value {
    let callback = format!("https://{id}.example/callback");
    let app = App::new(&server.issuer, id, Some(SECRET), &callback).with_scope("openid");
    app.tokens(&mut Browser::new()).await.claims("id_token")["sub"].clone()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn a_sector_has_one_subject_over_several_hosts_and_no_start_waits_for_its_document() {
    let documents = Documents::start().await;
    documents.put("/sector.json", redirect_uris(&["one", "two"]));
    documents.put("/lacking.json", redirect_uris(&["one"]));
    documents.hold(true);
    let sector = documents.url("/sector.json");
    let elsewhere = documents.url("/lacking.json").replace("127.0.0.1", "localhost");
    let clients = client("one", &sector) + &client("two", &sector) + &client("far", &elsewhere);
    let server = Keystile::start_with(&clients).await;
    documents.hold(false);
    let one = subject(&server, "one").await;
    assert_eq!(subject(&server, "two").await, one, "one sector");
    assert_ne!(subject(&server, "far").await, one, "another host is another sector");
    let started = Instant::now();
    while !server.log().contains("lacks the redirect URI 'https://far.example/callback'") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_of_the_configuration_asks_the_sectors_document_oidc_registration_5() {
    let documents = Documents::start().await;
    let server = Keystile::start_with(&client("one", &documents.url("/sector.json"))).await;
    let check = || server.command(&["check"]);
    documents.put("/sector.json", redirect_uris(&["one"]));
    let good = check();
    assert!(good.status.success() && good.stderr.is_empty(), "{}", words(&good));
    documents.put("/sector.json", Document::json("away").with_status(503));
    let away = check();
    assert!(away.status.success(), "{}", words(&away));
    assert!(words(&away).contains("warning: the client 'one'"), "{}", words(&away));
    for bad in [
        redirect_uris(&["other"]),
        Document::json(json!({ "redirect_uris": [] })),
        Document::new("text/html", "<h1>Welcome</h1>"),
    ] {
        documents.put("/sector.json", bad);
        let refused = check();
        assert!(!refused.status.success(), "{}", words(&refused));
        assert!(words(&refused).contains("sector_identifier_uri"), "{}", words(&refused));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_names_can_be_given_on_the_command_line() {
    let documents = Documents::start().await;
    let server = Keystile::start().await;
    let (sector, keys) = (documents.url("/sector.json"), documents.url("/keys.json"));
    let object = documents.url("/request.jwt");
    let add = || {
        let arguments = [
            "client",
            "add",
            "made",
            "--json",
            "--config",
            "keystile.toml",
            "--auth-method",
            "private_key_jwt",
            "--redirect-uri",
            "https://made.example/callback",
            "--redirect-uri",
            "https://made-two.example/callback",
            "--jwks-uri",
            &keys,
            "--request-uri",
            &object,
            "--pairwise",
            "--sector-identifier-uri",
            &sector,
        ];
        server.command(&arguments)
    };
    assert!(words(&add()).contains("status is 404"), "{}", words(&add()));
    documents.put("/sector.json", redirect_uris(&["other"]));
    assert!(words(&add()).contains("lacks the redirect URI"), "{}", words(&add()));
    documents.put("/sector.json", redirect_uris(&["made"]));
    let made = add();
    assert!(made.status.success(), "{}", words(&made));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["jwks_uri"], keys);
    assert_eq!(made["request_uris"], json!([object]));
    assert_eq!(made["sector_identifier_uri"], sector);
    assert_eq!(made["subject_type"], "pairwise");
    assert_eq!(made["token_endpoint_auth_method"], "private_key_jwt");
    assert_eq!(made.get("client_secret"), None);
}

//! The server's own keys, one following another while it serves: published, used, withdrawn, gone
//! (OpenID Connect Core 1.0 sections 10.1.1 and 10.2.1).

use std::time::{Duration, Instant};

use keystile_protocol::jose::encryption::{ContentEncryption, EncryptionKey, KeyManagement};
use keystile_protocol::jose::{Algorithm, Jwk, SigningKey};
use serde_json::{Value, json};

use crate::harness::{App, Browser, Keystile, Tokens, header, jwks, published, verified};

const CONFIG: [&str; 2] = ["--config", "keystile.toml"];

fn run(server: &Keystile, arguments: &[&str]) -> Result<String, String> {
    let output = server.command(&[arguments, &CONFIG].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Makes a key and gives back its name.
fn rotate(server: &Keystile, more: &[&str]) -> String {
    let made = run(server, &[&["key", "rotate", "--json"], more].concat()).unwrap();
    let made: Value = serde_json::from_str(&made).unwrap();
    made[0]["kid"].as_str().unwrap().to_owned()
}

fn listed(server: &Keystile) -> Vec<Value> {
    serde_json::from_str(&run(server, &["key", "list", "--json"]).unwrap()).unwrap()
}

fn stage(server: &Keystile, kid: &str) -> Option<String> {
    let keys = listed(server);
    let key = keys.iter().find(|key| key["kid"] == kid)?;
    Some(key["stage"].as_str().unwrap().to_owned())
}

async fn kids(url: String) -> Vec<String> {
    let keys: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let keys = keys["keys"].as_array().cloned().unwrap_or_default();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn signer(tokens: &Tokens) -> String {
    header(tokens.text("id_token"))["kid"].as_str().unwrap().to_owned()
}

/// Waits for it, generously.
async fn until(what: &str, mut it: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !it().await {
        assert!(started.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Has time pass for the keys, by moving theirs back; the changed rows are noticed as always.
fn let_pass(server: &Keystile, seconds: i64) {
    let database = rusqlite::Connection::open(server.database()).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    for table in ["signing_keys", "decryption_keys"] {
        let sql = format!(
            "UPDATE {table} SET created_at = created_at - {0}, used_from = used_from - {0}",
            seconds * 1000
        );
        database.execute(&sql, ()).unwrap();
    }
    let unused = "UPDATE signing_keys SET unused_since = unused_since - ?1";
    database.execute(unused, [seconds * 1000]).unwrap();
    database.execute("UPDATE meta SET value = value + 1 WHERE name = 'changes'", ()).unwrap();
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn core_10_1_1_a_new_key_is_published_first_signs_later_and_the_old_one_goes_in_its_time() {
    let server = Keystile::start().await.with_all_keys().await;
    let app = server.app().with_scope("openid offline_access");
    let mut browser = Browser::new();
    let before = app.tokens(&mut browser).await;
    let old = signer(&before);
    let new = rotate(&server, &["--algorithm", "ES256"]);
    until("published", async || kids(server.url("/jwks")).await.contains(&new)).await;
    assert_eq!(stage(&server, &new).as_deref(), Some("waiting"));
    assert_eq!(signer(&app.tokens(&mut browser).await), old, "it is published before it signs");
    let cached = reqwest::get(server.url("/jwks")).await.unwrap();
    assert_eq!(cached.headers()["cache-control"], "public, max-age=300", "an hour is longer");

    let_pass(&server, HOUR + 1);
    until("signs", async || signer(&app.tokens(&mut browser).await) == new).await;
    verified(&server, before.text("id_token"), Algorithm::ES256).await;
    assert_eq!(app.userinfo(before.access_token()).await.0, 200, "tokens of before verify");
    assert_eq!(stage(&server, &old).as_deref(), Some("published"));

    let_pass(&server, HOUR);
    until("withdrawn", async || !kids(server.url("/jwks")).await.contains(&old)).await;
    assert_eq!(stage(&server, &old).as_deref(), Some("withdrawn"));
    let hint = before.text("id_token");
    let url = app.authorize_url_with(&[("id_token_hint", Some(hint)), ("prompt", Some("none"))]);
    assert!(browser.open(url).await.query("code").is_some(), "a hint outlives its key's time");

    let_pass(&server, 15 * DAY);
    until("gone by itself", async || stage(&server, &old).is_none()).await;
    assert_eq!(signer(&app.refresh(before.refresh_token()).await.unwrap()), new);
}

#[tokio::test]
async fn keys_of_age_are_replaced_once_with_two_nodes_on_one_store() {
    let server = Keystile::start().await.with_all_keys().await;
    let node = server.another_node().await;
    let first = kids(server.url("/jwks")).await;
    assert_eq!(first.len(), 6, "four that sign and two for the other direction");
    let_pass(&server, 91 * DAY);
    for url in [server.url("/jwks"), node.url("/jwks")] {
        until("successors are published", async || kids(url.clone()).await.len() == 12).await;
    }
    let keys = listed(&server);
    let of = |stage: &str| keys.iter().filter(|key| key["stage"] == stage).count();
    assert_eq!((of("used"), of("waiting"), keys.len()), (6, 6, 12), "{keys:?}");
    let app = server.app();
    assert!(first.contains(&signer(&app.tokens(&mut Browser::new()).await)));
    assert_eq!(
        server.log().matches("a signing key is made").count(),
        6,
        "RSA twice at the start, and four"
    );
}

#[tokio::test]
async fn a_key_is_retired_when_it_has_a_successor() {
    let server = Keystile::start().await.with_all_keys().await;
    let node = server.another_node().await;
    let app = server.app().with_scope("openid offline_access");
    let before = app.tokens(&mut Browser::new()).await;
    let unused = app.tokens(&mut Browser::new()).await;
    let old = signer(&before);
    for more in [&[][..], &["--compromised"]] {
        let refused = run(&server, &[&["key", "retire", &old], more].concat()).unwrap_err();
        assert!(refused.contains("keystile key rotate --now"), "{refused}");
    }
    let refused = run(&server, &["key", "retire", "nobody"]).unwrap_err();
    assert!(refused.contains("no key of that name"), "{refused}");

    let dropped = rotate(&server, &["--algorithm", "ES256"]);
    let said = run(&server, &["key", "retire", &dropped]).unwrap();
    assert!(said.contains("not used yet"), "{said}");
    assert_eq!(stage(&server, &dropped), None);

    let new = rotate(&server, &["--algorithm", "ES256"]);
    let said = run(&server, &["key", "retire", &old]).unwrap();
    assert!(said.contains("successor signs from now on"), "{said}");
    until("signs", async || signer(&app.tokens(&mut Browser::new()).await) == new).await;
    assert!(kids(server.url("/jwks")).await.contains(&old));
    assert_eq!(app.userinfo(before.access_token()).await.0, 200);
    let said = run(&server, &["key", "retire", &old]).unwrap();
    assert!(said.contains("by itself"), "{said}");

    let said = run(&server, &["key", "retire", &old, "--compromised"]).unwrap();
    assert!(said.contains("access tokens and ID tokens"), "what dies: {said}");
    for url in [server.url("/jwks"), node.url("/jwks")] {
        until("unpublished", async || !kids(url.clone()).await.contains(&old)).await;
    }
    until("refused", async || app.userinfo(before.access_token()).await.0 == 401).await;
    assert_eq!(app.userinfo(unused.access_token()).await.0, 401, "seen for the first time");
    let after = app.refresh(before.refresh_token()).await.expect("grants live on");
    assert_eq!(app.userinfo(after.access_token()).await.0, 200);
}

#[tokio::test]
async fn a_compromised_key_that_signs_hands_over_at_once() {
    let server = Keystile::start().await;
    let app = server.app();
    let stolen = signer(&app.tokens(&mut Browser::new()).await);
    let new = rotate(&server, &["--algorithm", "ES256"]);
    run(&server, &["key", "retire", &stolen, "--compromised"]).unwrap();
    until("signs", async || signer(&app.tokens(&mut Browser::new()).await) == new).await;
    assert_eq!(stage(&server, &stolen), None);
}

#[tokio::test]
async fn a_new_key_may_be_used_at_once() {
    let server = Keystile::start().await;
    let (app, node) = (server.app(), server.another_node().await);
    let new = rotate(&server, &["--algorithm", "ES256", "--now"]);
    let mut tokens = app.tokens(&mut Browser::new()).await;
    until("signs", async || {
        tokens = app.tokens(&mut Browser::new()).await;
        signer(&tokens) == new
    })
    .await;
    let request = reqwest::Client::new().get(node.url("/userinfo"));
    let answer = request.bearer_auth(tokens.access_token()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "finding 31: a node learns of a key when it meets it");
    assert!(kids(server.url("/jwks")).await.contains(&new));
    let unknown = run(&server, &["key", "rotate", "--algorithm", "none"]).unwrap_err();
    assert!(unknown.contains("none of ES256"), "{unknown}");
    for _ in 0..18 {
        rotate(&server, &["--algorithm", "ES256"]);
    }
    let many = run(&server, &["key", "rotate", "--algorithm", "ES256"]).unwrap_err();
    assert!(many.contains("too many"), "{many}");
}

const SECRET: &str = "the secret of the app, forty characters long";

/// Where a request leads that is signed by the app and encrypted to that key of the server.
async fn encrypted_to(app: &App, signs: &SigningKey, to: &Jwk) -> Option<String> {
    let mut object = json!({"iss": app.client_id, "aud": app.issuer});
    for (name, value) in app.request() {
        object[name] = value.into();
    }
    let object = signs.sign("oauth-authz-req+jwt", &object).unwrap();
    let to = EncryptionKey::from_jwk(to, KeyManagement::EcdhEs).unwrap();
    let object = to.encrypt_jwt(ContentEncryption::A256Gcm, &object, None, [3; 48]).unwrap();
    let (issuer, id) = (&app.issuer, &app.client_id);
    let address = format!("{issuer}/authorize?client_id={id}&request={object}");
    let page = Browser::new().open(address).await;
    page.is_sign_in().then(|| page.url.to_string())
}

#[tokio::test]
async fn core_10_2_1_the_old_and_the_new_key_decrypt_for_a_while() {
    let signs = SigningKey::generate(Algorithm::ES256).unwrap().key;
    let config = format!(
        "[[clients]]\nclient_id = \"signer\"\nclient_secret = \"{SECRET}\"\nredirect_uris = \
         [\"https://app.example/callback\"]\nscope = \"openid photos:read\"\n\
         id_token_signed_response_alg = \"ES256\"\njwks = {}\n",
        jwks(&[signs.public()])
    );
    let server = Keystile::start_with(&config).await.with_all_keys().await;
    let mut app = server.app();
    app.client_id = "signer".to_owned();
    let enc = async || -> Vec<Jwk> {
        let is = |key: &Jwk| key.public_key_use.as_deref() == Some("enc") && key.kty == "EC";
        published(&server).await.keys.into_iter().filter(is).collect()
    };
    let old = enc().await.remove(0);
    assert!(encrypted_to(&app, &signs, &old).await.is_some());
    run(&server, &["key", "rotate", "--decryption", "--json"]).unwrap();
    until("both are published", async || enc().await.len() == 2).await;
    for key in enc().await {
        assert!(encrypted_to(&app, &signs, &key).await.is_some(), "{key:?}");
    }
    let_pass(&server, HOUR + 1);
    until("the old one is withdrawn", async || enc().await.len() == 1).await;
    let new = enc().await.remove(0);
    assert_ne!(new.kid, old.kid);
    for key in [&old, &new] {
        assert!(encrypted_to(&app, &signs, key).await.is_some(), "who has it may use it");
    }
    let_pass(&server, DAY);
    let kid = old.kid.clone().unwrap();
    until("gone by itself", async || stage(&server, &kid).is_none()).await;
    until("read no more", async || encrypted_to(&app, &signs, &old).await.is_none()).await;
    assert!(encrypted_to(&app, &signs, &new).await.is_some());
}

#[tokio::test]
async fn a_key_whose_algorithm_is_off_is_withdrawn_when_nothing_that_it_signed_is_left() {
    let server = Keystile::start().await.with_all_keys().await;
    let key = listed(&server).into_iter().find(|key| key["alg"] == "PS256").unwrap();
    let kid = key["kid"].as_str().unwrap().to_owned();
    let path = server.directory.join("keystile.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let off = "[keys]\nalgorithms = [\"ES256\", \"EdDSA\", \"RS256\"]\n";
    std::fs::write(&path, format!("{config}\n{off}")).unwrap();
    let server = server.restart().await;
    until("noted", async || stage(&server, &kid).as_deref() == Some("published")).await;
    assert!(kids(server.url("/jwks")).await.contains(&kid), "what it signed is still out");
    let_pass(&server, HOUR);
    until("withdrawn", async || !kids(server.url("/jwks")).await.contains(&kid)).await;
    let_pass(&server, 15 * 24 * HOUR);
    until("gone", async || stage(&server, &kid).is_none()).await;
    // On again there is a new one.
    std::fs::write(&path, config).unwrap();
    let server = server.restart().await.with_all_keys().await;
    assert!(listed(&server).iter().any(|key| key["alg"] == "PS256" && key["kid"] != kid));
}

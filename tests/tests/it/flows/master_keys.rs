//! The master keys, one following another while the server serves, and what happens without them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Browser, Keystile, PASSWORD, command_in, command_with, free_port};

const CONFIG: [&str; 2] = ["--config", "keystile.toml"];

/// An API with opaque tokens, and an app with pairwise subjects: both hang on the master key.
const MORE: &str = r#"
[[scopes]]
name = "vault:open"
title = "open your vault"

[[apis]]
audience = "https://vault.example"
scopes = ["vault:open"]
tokens = "opaque"

[[clients]]
client_id = "pairwise"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://pairwise.example/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access vault:open"
subject_type = "pairwise"
id_token_signed_response_alg = "ES256"
"#;

fn run(server: &Keystile, arguments: &[&str]) -> Result<String, String> {
    let output = server.command(&[&["key", "master"], arguments, &CONFIG].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn listed(server: &Keystile) -> Vec<Value> {
    serde_json::from_str(&run(server, &["list", "--json"]).unwrap()).unwrap()
}

/// Waits for it, generously.
async fn until(what: &str, mut it: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !it().await {
        assert!(started.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The words with which `keystile serve` ends.
fn refused_start(directory: &Path) -> String {
    let output = command_in(directory, &[&["serve"], &CONFIG[..]].concat());
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn finding_5_a_rotation_of_the_master_key_ends_nothing_that_is_under_way() {
    let server = Keystile::start_with(MORE).await.with_all_keys().await;
    let node = server.another_node().await;
    let app = server.app().with_scope("openid offline_access");
    let native = server.native_app().with_scope("openid offline_access");
    let mut pairwise = server.app().with_scope("openid offline_access vault:open");
    (pairwise.client_id, pairwise.redirect_uri) =
        ("pairwise".into(), "https://pairwise.example/callback".into());
    let mut browser = Browser::new();
    let confidential = app.tokens(&mut browser).await;
    let public = native.tokens(&mut browser).await;
    let opaque = pairwise.tokens(&mut browser).await;
    let subject = opaque.claims("id_token")["sub"].clone();
    let mut late = Browser::new();
    let page = late.open(app.authorize_url()).await;
    assert!(page.is_sign_in());

    let code = app.code(&mut browser).await;
    let said = run(&server, &["rotate"]).unwrap();
    assert!(said.contains("The master key 2 seals"), "{said}");
    until("both seal with it", async || {
        server.log().matches("[MasterKey(2), MasterKey(1)]").count() == 2
    })
    .await;
    app.redeem(&code).await.expect("a code of before");
    let page = late.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.query("code").is_some() || page.is_consent(), "a login of before: {}", page.url);
    assert_eq!(pairwise.userinfo(opaque.access_token()).await.0, 200, "an opaque token of before");
    app.refresh(confidential.refresh_token()).await.expect("a refresh token of before");
    let rotated = native.refresh(public.refresh_token()).await.expect("the same");
    let again = pairwise.tokens(&mut browser).await;
    assert_eq!(again.claims("id_token")["sub"], subject, "nobody gets another subject");
    let by_node = reqwest::Client::new().get(node.url("/userinfo"));
    let by_node = by_node.bearer_auth(again.access_token()).send().await.unwrap();
    assert_eq!(by_node.status(), 200, "the other process has read the new key");

    let keys = listed(&server);
    let seals: Vec<_> = keys.iter().map(|key| (&key["id"], &key["seals"])).collect();
    assert_eq!(seals, [(&2.into(), &true.into()), (&1.into(), &false.into())]);
    assert_eq!(keys[1]["keys_at_rest"], 0, "all are encrypted anew");
    assert!(keys[1]["needed_until"].is_i64(), "{keys:?}");
    let refused = run(&server, &["remove", "2"]).unwrap_err();
    assert!(refused.contains("it seals"), "{refused}");
    let refused = run(&server, &["remove", "1"]).unwrap_err();
    assert!(refused.contains("refresh tokens") && refused.contains("grants"), "{refused}");
    assert!(run(&server, &["remove", "7"]).unwrap_err().contains("no master key 7"));

    let said = run(&server, &["remove", "1", "--compromised"]).unwrap();
    assert!(said.contains("is refused") && said.contains("key rotate --now"), "what ends: {said}");
    until("the old refresh token ends", async || {
        app.refresh(confidential.refresh_token()).await.is_err()
    })
    .await;
    until("the old opaque token too", async || {
        pairwise.userinfo(opaque.access_token()).await.0 == 401
    })
    .await;
    native.refresh(rotated.refresh_token()).await.expect("made with the new key");
    assert_eq!(pairwise.userinfo(again.access_token()).await.0, 200, "made with the new key");
    let server = server.restart().await;
    let last = pairwise.tokens(&mut browser).await;
    assert_eq!(last.claims("id_token")["sub"], subject, "though the oldest key is gone");
    let mode = std::fs::metadata(server.directory.join("master.key")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_key_that_was_never_used_can_go_and_one_that_time_has_passed_too() {
    let server = Keystile::start().await.with_all_keys().await;
    let said = run(&server, &["add"]).unwrap();
    assert!(said.contains("key 2") && said.contains("keystile key master use"), "{said}");
    assert_eq!(listed(&server)[1]["needed"], false);
    run(&server, &["remove", "2"]).expect("nothing needs it");
    assert_eq!(listed(&server).len(), 1);

    run(&server, &["add"]).unwrap();
    let said = run(&server, &["use", "2"]).unwrap();
    assert!(said.contains("The master key 2 seals, and is that of 7 more keys"), "{said}");
    assert!(run(&server, &["use", "9"]).unwrap_err().contains("no master key 9"));
    let database = rusqlite::Connection::open(server.database()).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    let back = "UPDATE master_keys SET sealed_at = sealed_at - 91 * 86400000 WHERE id = 1";
    assert_eq!(database.execute(back, ()).unwrap(), 1);
    run(&server, &["remove", "1"]).expect("the longest refresh token has ended");
    let server = server.restart().await;
    server.app().tokens(&mut Browser::new()).await;
}

#[tokio::test]
async fn a_key_that_is_put_first_by_hand_is_read_by_every_process() {
    let server = Keystile::start().await;
    let node = server.another_node().await;
    let app = server.app().with_scope("openid offline_access");
    let path = server.directory.join("master.key");
    let before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("9:{}\n{before}", "ab".repeat(32))).unwrap();
    until("both have read it", async || {
        server.log().matches("MasterKey(9), MasterKey(1)").count() == 2
    })
    .await;
    let tokens = app.tokens(&mut Browser::new()).await;
    let pairs = [("token", tokens.refresh_token())];
    let answer = app.call("/introspect", &pairs).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["active"], true);
    let request = reqwest::Client::new().get(node.url("/userinfo"));
    let answer = request.bearer_auth(tokens.access_token()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    std::fs::write(&path, "not a key").unwrap();
    until("a bad file is told of", async || server.log().contains("stay those that were read"))
        .await;
    assert!(app.refresh(tokens.refresh_token()).await.is_ok(), "and changes nothing");
}

#[tokio::test]
async fn a_start_without_its_master_key_is_refused_in_words() {
    let mut server = Keystile::start().await.with_all_keys().await;
    server.stop();
    let path = server.directory.join("master.key");
    let good = std::fs::read_to_string(&path).unwrap();
    let key = |id: u8, byte: &str| format!("{id}:{}\n", byte.repeat(32));
    let start = |text: &str, mode: u32| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        refused_start(&server.directory)
    };
    for (text, mode, words) in [
        (good.clone(), 0o644, "chmod 600"),
        (good.clone(), 0o640, "others than its owner"),
        (key(1, "ab"), 0o600, "not the one that the other processes"),
        (key(5, "ab"), 0o600, "missing"),
        ("1:short".to_owned(), 0o600, "32 random bytes"),
        (format!("{}{}", key(1, "ab"), key(2, "ab")), 0o600, "are the same one"),
        (format!("{}{}", key(1, "ab"), key(1, "cd")), 0o600, "two keys have the id 1"),
        (String::new(), 0o600, "holds no key"),
    ] {
        let refused = start(&text, mode);
        assert!(refused.contains(words), "{text} {mode:o}: {refused}");
        assert!(!refused.contains("abab"), "the secret is not shown");
    }
    std::fs::remove_file(&path).unwrap();
    let refused = refused_start(&server.directory);
    assert!(refused.contains("put it back"), "and none is made: {refused}");
    std::fs::write(&path, good).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let server = server.restart().await;
    server.app().tokens(&mut Browser::new()).await;
}

#[tokio::test]
async fn keys_in_the_environment_are_the_operators_to_change() {
    let mut server = Keystile::start().await.with_all_keys().await;
    server.stop();
    let text = std::fs::read_to_string(server.directory.join("master.key")).unwrap();
    let old = text.lines().find(|line| line.starts_with("1:")).unwrap().to_owned();
    std::fs::remove_file(server.directory.join("master.key")).unwrap();
    let run = |keys: &str, arguments: &[&str]| {
        let arguments = [&["key", "master"], arguments, &CONFIG].concat();
        let output = command_with(&server.directory, ("KEYSTILE_MASTER_KEY", keys), &arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    };
    let refused = run(&old, &["rotate"]).unwrap_err();
    assert!(refused.contains("keystile key master add"), "{refused}");
    let said = run(&old, &["add"]).unwrap();
    let new = said.lines().find(|line| line.starts_with("2:")).expect("a key to be copied");
    let refused = run(&format!("{old} {new}"), &["use", "2"]).unwrap_err();
    assert!(refused.contains("before the others"), "{refused}");
    let said = run(&format!("{new} {old}"), &["use"]).unwrap();
    assert!(said.contains("The master key 2 seals"), "{said}");
    assert!(run(&format!("{new} {old}"), &["remove", "1"]).is_err(), "tokens may need it");
    assert!(run("1:short", &["list"]).unwrap_err().contains("32 random bytes"));
    assert!(!server.directory.join("master.key").exists());
}

#[tokio::test]
async fn an_issuer_that_moves_keeps_its_keys_and_its_users() {
    let mut server = Keystile::start_with(MORE).await.with_all_keys().await;
    let kids = async |server: &Keystile| {
        let keys: Value = reqwest::get(server.url("/jwks")).await.unwrap().json().await.unwrap();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    let app = server.app().with_scope("openid offline_access");
    let before = app.tokens(&mut Browser::new()).await;
    let keys = kids(&server).await;
    server.stop();
    let (old, port) = (server.issuer.rsplit(':').next().unwrap().to_owned(), free_port());
    let path = server.directory.join("keystile.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace(&old, &port.to_string())).unwrap();
    let directory = std::mem::take(&mut server.directory);
    let server = Keystile::start_in(directory, port).await;
    assert_eq!(kids(&server).await, keys);
    let moved = server.app().with_scope("openid offline_access");
    let after = moved.tokens(&mut Browser::new()).await;
    assert_eq!(after.claims("id_token")["sub"], before.claims("id_token")["sub"]);
    assert_eq!(moved.userinfo(before.access_token()).await.0, 401, "another issuer's token");
    assert!(moved.refresh(before.refresh_token()).await.is_err(), "bound to the issuer of before");
}

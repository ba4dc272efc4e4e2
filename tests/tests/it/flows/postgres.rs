//! The program on PostgreSQL: serving, and each command that opens the store.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keystile_test_postgres::{Database, PASSWORD as DATABASE_PASSWORD};
use serde_json::Value;

use crate::harness::{Browser, Keystile, command_in, config_for, free_port, new_directory};

const MASTER_KEY: &str = "1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
const MASTER_KEY_FILE: &str = "[keys]\nmaster_key_file = \"master.key\"\n";

/// The database lives as long as its value.
async fn on_postgres() -> (Keystile, Database) {
    let database = tokio::task::spawn_blocking(Database::fresh).await.unwrap();
    let (directory, port) = (new_directory(), free_port());
    let issuer = format!("http://localhost:{port}");
    let config = config_for(&issuer, port, &database.url(), MASTER_KEY_FILE);
    std::fs::write(directory.join("keystile.toml"), config).unwrap();
    write_master_key(&directory);
    (Keystile::start_in(directory, port).await, database)
}

fn write_master_key(directory: &Path) {
    let path = directory.join("master.key");
    std::fs::write(&path, MASTER_KEY).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn answer(server: &Keystile, command: &[&str]) -> String {
    let output = server.command(&[command, &["--config", "keystile.toml", "--json"]].concat());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_flow_of_an_app_from_sign_in_to_sign_out() {
    let (server, _database) = on_postgres().await;
    let app = server.app().with_scope("openid offline_access");
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    assert!(app.refresh(tokens.refresh_token()).await.is_ok());
    let code = app.code(&mut browser).await;
    let again = app.redeem(&code).await.unwrap();
    assert!(app.redeem(&code).await.is_err(), "RFC 6749 section 4.1.2: once");
    assert_eq!(app.userinfo(again.access_token()).await.0, 401, "and the grant is revoked");
    let server = server.restart().await;
    assert!(app.refresh(tokens.refresh_token()).await.is_ok(), "it is all there");
    assert!(!server.log().contains(DATABASE_PASSWORD));
}

#[tokio::test]
async fn every_command_works_on_the_database_of_a_running_server() {
    let (server, _database) = on_postgres().await;
    let added = ["client", "add", "made", "--redirect-uri", "https://made.example/"];
    let made: Value = serde_json::from_str(&answer(&server, &added)).unwrap();
    assert!(made["client_secret"].is_string());
    assert!(answer(&server, &["client", "list"]).contains("made"));
    answer(&server, &["client", "show", "made"]);
    answer(&server, &["client", "rotate-secret", "made"]);
    answer(&server, &["client", "logouts", "made"]);
    answer(&server, &["client", "remove", "made"]);
    answer(&server, &["user", "add", "carol"]);
    answer(&server, &["user", "set-password", "carol"]);
    assert!(answer(&server, &["user", "list"]).contains("carol"));
    answer(&server, &["user", "remove", "carol"]);
    answer(&server, &["key", "rotate"]);
    assert!(answer(&server, &["key", "list"]).contains("ES256"));
    answer(&server, &["registration-token", "create"]);
    let listed: Value =
        serde_json::from_str(&answer(&server, &["registration-token", "list"])).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let config = ["explain", "K7QF-2M9X", "--config", "keystile.toml"];
    let words = String::from_utf8(server.command(&config).stderr).unwrap();
    assert!(!words.contains("does not open"), "{words}");
}

#[tokio::test]
async fn a_database_that_cannot_be_had_is_refused_in_words_without_the_password() {
    let database = tokio::task::spawn_blocking(Database::fresh).await.unwrap();
    let wrong_password = database.url().replace(DATABASE_PASSWORD, "hunter2hunter2");
    let wrong_database = database.url().replace(database.name(), "nowhere");
    let nobody = format!("postgres://k:hunter2hunter2@127.0.0.1:{}/k", free_port());
    for (url, expected) in [
        (wrong_password, "password authentication failed"),
        (wrong_database, "does not exist"),
        (nobody, "Connection refused"),
    ] {
        let directory = new_directory();
        let config = config_for("http://localhost:1", 1, &url, MASTER_KEY_FILE);
        std::fs::write(directory.join("keystile.toml"), config).unwrap();
        write_master_key(&directory);
        let output = command_in(&directory, &["user", "list", "--config", "keystile.toml"]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && words.contains(expected), "{words}");
        assert!(!words.contains("hunter2") && !words.contains(DATABASE_PASSWORD), "{words}");
    }
}

#[tokio::test]
async fn no_server_makes_a_master_key_of_its_own() {
    let database = tokio::task::spawn_blocking(Database::fresh).await.unwrap();
    let directory = new_directory();
    let port = free_port();
    let config = config_for(&format!("http://localhost:{port}"), port, &database.url(), "");
    std::fs::write(directory.join("keystile.toml"), config).unwrap();
    let output = command_in(&directory, &["serve", "--config", "keystile.toml"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("master_key_file") && words.contains("openssl rand"), "{words}");
}

//! The program: configuration and command line.

use crate::harness::{Browser, Keystile, PASSWORD, command_in, new_directory};

fn refused(config: &str) -> String {
    let directory = new_directory();
    std::fs::write(directory.join("keystile.toml"), config).unwrap();
    let output = command_in(&directory, &["serve", "--config", "keystile.toml"]);
    assert!(!output.status.success(), "accepted: {config}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let words = refused("listen = \"127.0.0.1:0\"\nisuer = \"http://localhost:1\"\n");
    assert!(words.contains("isuer") && words.contains('2') && words.contains("issuer"), "{words}");
    let words = refused("[[clients]]\nclient_id = \"a\"\nredirect_uri = \"https://a/\"\n");
    assert!(words.contains("redirect_uris") && words.contains('3'), "{words}");
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let words =
        refused(&format!("issuer = \"http://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\n"));
    assert!(words.contains(&port.to_string()), "{words}");
}

#[tokio::test]
async fn clients_and_users_made_on_the_command_line_work_at_once_in_a_running_server() {
    let server = Keystile::start().await;
    let config = ["--config", "keystile.toml", "--json"];
    let mut add = vec!["client", "add", "made", "--redirect-uri", "https://made.example/"];
    add.extend(config);
    let output = server.command(&add);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut user = vec!["user", "add", "carol"];
    user.extend(config);
    let output = server.command(&user);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let carol: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let password = carol["password"].as_str().expect("made and shown once").to_owned();

    let mut app = server.app().with_scope("openid profile");
    app.client_id = "made".into();
    app.secret = made["client_secret"].as_str().map(str::to_owned);
    app.redirect_uri = "https://made.example/".into();
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let page = browser.sign_in(&page, "carol", &password).await;
    let page = browser.press(&page, "consent-allow", &[]).await;
    let tokens = app.redeem(&page.query("code").unwrap()).await.unwrap();

    let mut remove = vec!["user", "remove", "carol"];
    remove.extend(config);
    assert!(server.command(&remove).status.success());
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401, "dead with the account");
    let mut list = vec!["client", "list"];
    list.extend(config);
    let listed = String::from_utf8(server.command(&list).stdout).unwrap();
    assert!(listed.contains("made") && listed.contains("app"), "{listed}");
    let mut remove = vec!["client", "remove", "made"];
    remove.extend(config);
    assert!(server.command(&remove).status.success());
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(browser.get(app.authorize_url()).await.status, 400, "unknown within two seconds");
}

#[tokio::test]
async fn applying_the_configuration_again_changes_nothing() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access");
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let server = server.restart().await;
    assert!(app.refresh(tokens.refresh_token()).await.is_ok());
    assert!(browser.open(app.authorize_url()).await.query("code").is_some());
    drop(server);
}

#[test]
fn without_a_configuration_it_starts_with_a_store_of_its_own() {
    let directory = new_directory();
    let output = command_in(&directory, &["user", "list", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(directory.join("keystile-data").is_dir());
}

#[tokio::test]
async fn set_password_on_the_command_line_ends_sessions() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let output =
        server.command(&["user", "set-password", "alice", "--json", "--config", "keystile.toml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = browser.open(app.authorize_url()).await;
    assert!(page.is_sign_in());
    assert!(browser.sign_in(&page, "alice", PASSWORD).await.is_sign_in(), "the old one is no more");
}

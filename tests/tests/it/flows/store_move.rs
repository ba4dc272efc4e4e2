//! `keystile store move`: a live installation goes from SQLite to PostgreSQL.

use keystile_test_postgres::Database;

use crate::harness::{Browser, Keystile};

fn words(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_with_its_users_sessions_and_grants_and_its_file_is_served_no_more() {
    let mut server = Keystile::start().await.with_all_keys().await;
    let (app, native) = (server.app().with_scope("openid offline_access"), server.native_app());
    let native = native.with_scope("openid offline_access");
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let rotating = native.tokens(&mut browser).await;
    let code = app.code(&mut browser).await;
    let waiting = browser.open(app.authorize_url_with(&[("prompt", Some("login"))])).await;
    let database = tokio::task::spawn_blocking(Database::fresh).await.unwrap();
    let url = database.url();
    let config = ["--config", "keystile.toml"];
    let store_move = [&["store", "move", "--to", &url][..], &config].concat();
    let refused = server.command(&store_move);
    assert!(!refused.status.success() && words(&refused).contains("stop the server first"));

    server.stop();
    let moved = server.command(&store_move);
    let said = words(&moved);
    assert!(moved.status.success(), "{said}");
    assert!(said.contains("grants") && said.contains("master.key"), "{said}");
    let secret = url.split(':').nth(2).and_then(|rest| rest.split('@').next()).unwrap();
    assert!(!said.contains(secret), "the password stays out of it");
    let refused = server.command(&[&["user", "list"][..], &config].concat());
    assert!(words(&refused).contains("was moved to another database"), "{}", words(&refused));
    let again = server.command(&store_move);
    assert!(again.status.success() && words(&again).contains("had brought it there already"));

    let file = server.directory.join("keystile.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let after = before.replace("url = \"sqlite://data.db\"", &format!("url = \"{url}\""));
    let after = format!("{after}\n[keys]\nmaster_key_file = \"master.key\"\n");
    assert_ne!(before, after);
    std::fs::write(&file, after).unwrap();
    let server = server.restart().await;
    let refreshed = app.refresh(tokens.refresh_token()).await.expect("grants stay");
    assert_eq!(app.userinfo(refreshed.access_token()).await.0, 200);
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200, "signed by the same keys");
    assert!(native.refresh(rotating.refresh_token()).await.is_ok());
    assert_eq!(app.redeem(&code).await.unwrap_err().error, "invalid_grant", "another epoch");
    let page = browser.post(waiting.url.clone(), &[("username", "alice")]).await;
    assert!(page.query("code").is_none(), "a page of before");
    let page = browser.open(app.authorize_url()).await;
    let code = page.query("code").expect("the browser is still signed in");
    assert!(app.redeem(&code).await.is_ok());
    for command in [&["backup", "x.db"][..], &["restore", "x.db"], &["store", "reopen"]] {
        let refused = server.command(&[command, &config].concat());
        assert!(words(&refused).contains("pg_basebackup"), "{}", words(&refused));
    }
    let plan = server.command(&[&["migrate", "--plan"][..], &config].concat());
    assert!(words(&plan).contains("Nothing to do"), "{}", words(&plan));
    let epoch = server.command(&[&["store", "new-epoch"][..], &config].concat());
    assert!(epoch.status.success(), "{}", words(&epoch));
    let page = browser.open(app.authorize_url()).await;
    assert!(page.is_sign_in(), "a restore by other means");
    assert!(app.refresh(tokens.refresh_token()).await.is_ok());
}

#[tokio::test]
async fn a_store_that_was_moved_is_served_again_when_the_operator_says_so() {
    let mut server = Keystile::start().await;
    server.stop();
    let config = ["--config", "keystile.toml"];
    let reopen = [&["store", "reopen"][..], &config].concat();
    assert!(words(&server.command(&reopen)).contains("was not moved"));
    // Nobody is there.
    let nowhere = ["store", "move", "--to", "postgres://nobody@127.0.0.1:1/none"];
    let refused = server.command(&[&nowhere[..], &config].concat());
    assert!(words(&refused).contains("Nothing was moved"), "{}", words(&refused));
    let odd = server.command(&[&["store", "move", "--to", "mysql://x"][..], &config].concat());
    assert!(words(&odd).contains("--to:"), "{}", words(&odd));
    let database = tokio::task::spawn_blocking(Database::fresh).await.unwrap();
    let url = database.url();
    let moved = server.command(&[&["store", "move", "--to", &url][..], &config].concat());
    assert!(moved.status.success(), "{}", words(&moved));
    assert!(server.command(&reopen).status.success());
    drop(server.restart().await);
}

//! The store that both versions share.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{
    App, Backend, Browser, Keystile, Place, command_in, free_port, previous_program,
};

/// A store that the version before this one made, and a grant in it.
struct OfPrevious {
    server: Keystile,
    app: App,
    token: String,
    /// It goes last.
    place: Place,
}

async fn of_previous(on: Backend) -> OfPrevious {
    let (place, port) = (Place::fresh(on), free_port());
    let issuer = format!("http://localhost:{port}");
    let directory = place.node(&issuer, port, "");
    let mut server = Keystile::start_of(previous_program(), directory, issuer).await;
    let app = server.app().with_scope("openid offline_access");
    let tokens = app.tokens(&mut Browser::new()).await;
    server.stop();
    OfPrevious { server, app, token: tokens.refresh_token().to_owned(), place }
}

fn run(directory: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json", "--config", "keystile.toml"]].concat();
    let output = command_in(directory, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn with_previous(directory: &Path) -> Output {
    let mut command = Command::new(previous_program());
    command.args(["user", "list", "--config", "keystile.toml"]).current_dir(directory);
    command.output().unwrap()
}

pub(super) async fn finding_30_migrations_say_what_they_do_and_are_additive_for_one_version(
    on: Backend,
) {
    let OfPrevious { server, app, token, place } = of_previous(on).await;
    let plan = run(&server.directory, &["migrate", "--plan"]);
    assert_eq!(run(&server.directory, &["migrate", "--plan"]), plan, "a plan changes nothing");
    let known = &plan["at"];
    for migration in plan["migrations"].as_array().unwrap() {
        assert!(migration["version"].as_i64() > known.as_i64(), "{migration}");
        assert!(migration["meaning"].as_str().unwrap().len() > 10, "{migration}");
        let readable = migration["readable_by"].as_i64();
        assert!(readable <= known.as_i64(), "the version before must go on: {migration}");
    }
    assert_eq!(run(&server.directory, &["migrate"])["done"], true);
    let after = run(&server.directory, &["migrate", "--plan"]);
    assert_eq!(after["at"], after["known"]);
    assert_eq!(after["migrations"], Value::Array(Vec::new()));
    let listed = with_previous(&server.directory);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let server = server.restart().await;
    assert!(app.refresh(&token).await.is_ok(), "what the version before granted");
    drop((server, place));
}

pub(super) async fn finding_30_the_version_before_goes_on_with_what_this_one_left(on: Backend) {
    let OfPrevious { server, app, token, place } = of_previous(on).await;
    let mut server = server.restart().await;
    let newest = app.tokens(&mut Browser::new()).await;
    server.stop();
    let (directory, issuer) = (server.directory.clone(), server.issuer.clone());
    let previous = Keystile::start_of(previous_program(), directory, issuer).await;
    for token in [&token, newest.refresh_token()] {
        assert!(app.refresh(token).await.is_ok());
    }
    assert_eq!(app.userinfo(newest.access_token()).await.0, 200);
    drop((previous, place));
}

pub(super) async fn a_version_that_is_too_old_for_the_store_is_refused_in_words(on: Backend) {
    let OfPrevious { server, place, .. } = of_previous(on).await;
    run(&server.directory, &["migrate"]);
    place.change("UPDATE meta SET value = 1000 WHERE name = 'readable_by'");
    let refused = with_previous(&server.directory);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("needs a newer program"), "{words}");
}

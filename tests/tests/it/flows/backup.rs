//! `keystile backup` and `keystile restore`, over the real program.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{App, Browser, Keystile, command_in, new_directory, program};

const CONFIG: [&str; 2] = ["--config", "keystile.toml"];

fn run(directory: &Path, arguments: &[&str]) -> Output {
    command_in(directory, &[arguments, &CONFIG].concat())
}

/// What the command said on standard output.
fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Why the command was refused.
fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert!(!output.status.success(), "done: {arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Everything in a directory but the log and lock files.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("log"))
        .filter(|path| !path.extension().is_some_and(|end| end == "lock" || end == "in-use"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A stopped server's directory with a backup of its store, and a grant that is in both.
async fn backed_up() -> (Keystile, App, String) {
    let mut server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access");
    let tokens = app.tokens(&mut Browser::new()).await;
    done(&server.directory, &["backup", "backup.db"]);
    server.stop();
    (server, app, tokens.refresh_token().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_holds_everything_that_was_acknowledged_before_it_began() {
    let mut server = Keystile::start().await;
    let (acknowledged, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let app = server.app().with_scope("openid offline_access");
            let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
            tokio::spawn(async move {
                let mut browser = Browser::new();
                while !stop.load(Ordering::Relaxed) {
                    let tokens = app.tokens(&mut browser).await;
                    acknowledged.lock().unwrap().push(tokens.refresh_token().to_owned());
                }
            })
        })
        .collect();
    let so_many = async |many: usize| {
        while acknowledged.lock().unwrap().len() < many {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    so_many(40).await;
    let before = acknowledged.lock().unwrap().len();
    let directory = server.directory.clone();
    let said =
        tokio::task::spawn_blocking(move || done(&directory, &["backup", "backup.db"])).await;
    let said = said.unwrap();
    let after = acknowledged.lock().unwrap().len();
    so_many(after + 20).await;
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    assert!(said.lines().last().unwrap().starts_with("The master key is not in it"), "{said}");
    assert_eq!(mode(&server.directory.join("backup.db")), 0o600);
    server.stop();
    done(&server.directory, &["restore", "backup.db"]);
    let server = server.restart().await;
    let app = server.app();
    let acknowledged = acknowledged.lock().unwrap().clone();
    for token in &acknowledged[..before] {
        assert!(app.refresh(token).await.is_ok());
    }
    let last = app.refresh(acknowledged.last().unwrap()).await;
    assert_eq!(last.unwrap_err().error, "invalid_grant", "granted after the backup");
}

#[tokio::test]
async fn finding_2_a_restore_within_a_codes_life_refuses_the_code_and_keeps_the_grants() {
    let mut server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let online = app.tokens(&mut browser).await;
    let offline = server.app().with_scope("openid offline_access").tokens(&mut browser).await;
    let (unused, used) = (app.code(&mut browser).await, app.code(&mut browser).await);
    let waiting = browser.open(app.authorize_url_with(&[("prompt", Some("login"))])).await;
    done(&server.directory, &["backup", "backup.db"]);
    // The store forgets this, and the code must not become good by it.
    assert!(app.redeem(&used).await.is_ok());
    server.stop();
    let said = done(&server.directory, &["restore", "backup.db"]);
    let server = server.restart().await;
    for code in [&unused, &used] {
        assert_eq!(app.redeem(code).await.unwrap_err().error, "invalid_grant");
    }
    assert!(app.refresh(offline.refresh_token()).await.is_ok());
    assert_eq!(app.userinfo(offline.access_token()).await.0, 200);
    assert_eq!(app.userinfo(online.access_token()).await.0, 200, "its session has not ended");
    assert!(browser.clone().open(app.authorize_url()).await.is_sign_in(), "the cookie is refused");
    let page = browser.post(waiting.url.clone(), &[("username", "alice")]).await;
    assert!(page.query("code").is_none(), "the waiting login is refused");
    assert!(app.redeem(&app.code(&mut Browser::new()).await).await.is_ok(), "and a new one works");
    let aside = files(&server.directory)
        .into_iter()
        .find(|(path, _)| path.to_string_lossy().contains(".before-restore-"));
    let (aside, _) = aside.expect("the store of before is kept");
    assert!(said.contains(aside.file_name().unwrap().to_str().unwrap()), "{said}");
    assert_eq!(mode(&aside), 0o600);
}

#[tokio::test]
async fn what_is_no_whole_backup_of_ours_is_refused_before_anything_is_touched() {
    let (server, ..) = backed_up().await;
    let folder = new_directory();
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let backup = std::fs::read(server.directory.join("backup.db")).unwrap();
    std::fs::write(path("notes.txt"), "a text that is no database ".repeat(100)).unwrap();
    std::fs::write(path("half.db"), &backup[..backup.len() / 2]).unwrap();
    let mut scribbled = backup.clone();
    let page = scribbled.len() / 4096 / 2 * 4096;
    scribbled[page..page + 4096].fill(0xFF);
    std::fs::write(path("scribbled.db"), scribbled).unwrap();
    std::fs::write(path("empty.db"), "").unwrap();
    let other = rusqlite::Connection::open(path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE meta (name TEXT, value INTEGER)").unwrap();
    std::fs::write(path("newer.db"), &backup).unwrap();
    let newer = rusqlite::Connection::open(path("newer.db")).unwrap();
    newer.execute_batch("UPDATE meta SET value = 1000 WHERE name = 'readable_by'").unwrap();
    drop(newer);
    std::fs::write(path("torn.db"), &backup).unwrap();
    std::fs::write(path("torn.db-wal"), "a part of it").unwrap();
    let before = files(&server.directory);
    for (name, words) in [
        ("nothing.db", "there is no"),
        ("notes.txt", "is not a Keystile store"),
        ("empty.db", "is not a Keystile store"),
        ("other.db", "is not a Keystile store"),
        ("half.db", "is damaged"),
        ("scribbled.db", "is damaged"),
        ("newer.db", "needs a newer program"),
        ("torn.db", "is not whole"),
    ] {
        let said = refused(&server.directory, &["restore", &path(name)]);
        assert!(said.contains(words), "{name}: {said}");
        assert!(files(&server.directory) == before, "{name} has touched something");
    }
    drop(server.restart().await);
}

#[tokio::test]
async fn finding_36_a_backup_whose_keys_cannot_be_read_is_refused_before_anything_is_touched() {
    let (server, ..) = backed_up().await;
    let backup = server.directory.join("backup.db").to_string_lossy().into_owned();
    // Another installation, with a master key of its own.
    let mut other = Keystile::start().await;
    other.stop();
    let config = std::fs::read(server.directory.join("keystile.toml")).unwrap();
    std::fs::write(other.directory.join("keystile.toml"), config).unwrap();
    let before = files(&other.directory);
    let said = refused(&other.directory, &["restore", &backup]);
    assert!(said.contains("another master key") && said.contains("master.key"), "{said}");
    assert!(files(&other.directory) == before);
    std::fs::remove_file(other.directory.join("master.key")).unwrap();
    let before = files(&other.directory);
    let said = refused(&other.directory, &["restore", &backup]);
    assert!(said.contains("--master-key"), "{said}");
    let missing = ["restore", &backup, "--master-key", "nothing.key"];
    assert!(refused(&other.directory, &missing).contains("there is no nothing.key"));
    assert!(files(&other.directory) == before);
}

#[tokio::test]
async fn a_running_server_keeps_its_store() {
    let server = Keystile::start().await;
    done(&server.directory, &["backup", "backup.db"]);
    let said = refused(&server.directory, &["restore", "backup.db"]);
    assert!(said.contains("stop the server first"), "{said}");
    assert!(server.app().redeem(&server.app().code(&mut Browser::new()).await).await.is_ok());
}

#[tokio::test]
async fn a_program_without_our_lock_that_has_the_store_open_keeps_it_too() {
    let (server, ..) = backed_up().await;
    drop(server.command(&["user", "list", "--config", "keystile.toml"]));
    let other = rusqlite::Connection::open(server.database()).unwrap();
    other.pragma_update(None, "journal_mode", "WAL").unwrap();
    let count = "SELECT COUNT(*) FROM clients";
    let clients: i64 = other.query_row(count, [], |row| row.get(0)).unwrap();
    assert!(clients > 0);
    let said = refused(&server.directory, &["restore", "backup.db"]);
    assert!(said.contains("stop the server first"), "{said}");
}

#[tokio::test]
async fn finding_36_backup_and_master_key_together_make_the_installation_anew() {
    let (server, app, token) = backed_up().await;
    let folder = new_directory();
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let said = done(
        &server.directory,
        &["backup", &path("backup.db"), "--with-master-key", &path("backup.key")],
    );
    assert!(said.lines().last().unwrap().contains("backup.key"), "{said}");
    assert_eq!(mode(Path::new(&path("backup.key"))), 0o600);
    let elsewhere = new_directory();
    let config = std::fs::read(server.directory.join("keystile.toml")).unwrap();
    std::fs::write(elsewhere.join("keystile.toml"), config).unwrap();
    let port = server.issuer.rsplit(':').next().unwrap().parse().unwrap();
    drop(server);
    let arguments = ["restore", &path("backup.db"), "--master-key", &path("backup.key")];
    done(&elsewhere, &arguments);
    assert_eq!(
        (mode(&elsewhere.join("data.db")), mode(&elsewhere.join("master.key"))),
        (0o600, 0o600)
    );
    let server = Keystile::start_in(elsewhere, port).await;
    let tokens = app.refresh(&token).await.expect("the grant is there");
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    drop(server);
}

#[tokio::test]
async fn a_store_that_is_damaged_is_set_aside_with_its_log() {
    let (server, app, token) = backed_up().await;
    std::fs::write(server.database(), "a disk wrote this ".repeat(1000)).unwrap();
    let log = server.directory.join("data.db-wal");
    std::fs::write(&log, "and this ".repeat(1000)).unwrap();
    let said = done(&server.directory, &["restore", "backup.db"]);
    assert!(said.contains(".before-restore-") && !log.exists(), "{said}");
    let log = files(&server.directory).into_iter().find(|(path, _)| {
        let name = path.to_string_lossy();
        name.contains(".before-restore-") && name.ends_with("-wal")
    });
    assert!(log.expect("its log is kept").1.starts_with(b"and this "));
    let server = server.restart().await;
    assert!(app.refresh(&token).await.is_ok());
    drop(server);
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_leaves_nothing_where_there_is_no_store() {
    let (server, ..) = backed_up().await;
    let before = files(&server.directory);
    assert!(refused(&server.directory, &["backup", "backup.db"]).contains("is there already"));
    let key = ["backup", "another.db", "--with-master-key", "master.key"];
    assert!(refused(&server.directory, &key).contains("is there already"));
    assert!(files(&server.directory) == before);
    let empty = new_directory();
    std::fs::copy(server.directory.join("keystile.toml"), empty.join("keystile.toml")).unwrap();
    assert!(refused(&empty, &["backup", "backup.db"]).contains("there is no"));
    assert_eq!(files(&empty).len(), 1, "no store was made");
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_store_of_before_or_that_of_the_backup() {
    let (server, _, _) = backed_up().await;
    let (mut old, mut new) = (0, 0);
    for round in 0..12_u64 {
        // A mark that the backup does not have.
        let store = rusqlite::Connection::open(server.database()).unwrap();
        store.execute_batch("INSERT OR REPLACE INTO meta VALUES ('mark', 1)").unwrap();
        drop(store);
        let mut child = Command::new(program())
            .args(["restore", "backup.db", "--config", "keystile.toml"])
            .current_dir(&server.directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From a moment in which nothing has happened yet to one when all is likely done.
        std::thread::sleep(Duration::from_millis(round * 8));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = rusqlite::Connection::open(server.database()).unwrap();
        let check: String =
            store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let ask = "SELECT COUNT(*) FROM meta WHERE name = 'mark'";
        match store.query_row(ask, [], |row| row.get::<_, i64>(0)).unwrap() {
            0 => new += 1,
            _ => old += 1,
        }
        let clients: i64 =
            store.query_row("SELECT COUNT(*) FROM clients", [], |row| row.get(0)).unwrap();
        assert!(clients > 0);
        // The name that the store of before gets has the second in it.
        for (path, _) in files(&server.directory) {
            if path.to_string_lossy().contains(".before-restore-") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    println!("restores killed: {old} before the rename, {new} after it");
    let server = server.restart().await;
    let page = server.app().callback(&mut Browser::new()).await;
    assert!(page.query("code").is_some(), "{}", page.text());
}

//! The servers that the other tests stand on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keystile_test_postgres::{Database, Network, Proxy, Server, several_hosts};

#[test]
fn a_database_is_fresh_and_its_server_syncs() {
    let (one, other) = (Database::fresh(), Database::fresh());
    one.sql("CREATE TABLE marks (mark text)");
    assert_eq!(other.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'marks'"), "0");
    assert_eq!(one.sql("SHOW fsync"), "on");
    assert_eq!(one.sql("SHOW synchronous_commit"), "on");
    assert_eq!(one.server().port(), other.server().port());
    assert_ne!(one.url(), other.url());
}

#[test]
fn a_server_that_takes_tls_alone_says_who_issued_its_certificate() {
    let database = Database::fresh_tls();
    assert!(database.url().contains("sslmode=verify-full"));
    assert!(database.server().authority().unwrap().exists());
    let over_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(ask(&database.url(), over_tls).as_deref(), Some("t"));
    assert_eq!(ask(&database.url().replace("verify-full", "disable"), over_tls), None);
}

#[test]
fn what_was_committed_survives_a_kill_and_a_restart() {
    let server = Server::start();
    server.sql("postgres", "CREATE TABLE marks (mark text)");
    server.sql("postgres", "INSERT INTO marks VALUES ('there')");
    server.kill();
    server.restart();
    assert_eq!(server.sql("postgres", "SELECT mark FROM marks"), "there");
    server.restart();
    assert_eq!(server.sql("postgres", "SELECT mark FROM marks"), "there");
}

#[test]
fn a_paused_server_does_not_answer_until_it_goes_on() {
    let server = Server::start();
    server.pause();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.sql("postgres", "SELECT 1"));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!asked.is_finished());
        server.resume();
        assert_eq!(asked.join().unwrap(), "1");
    });
}

#[test]
fn a_promoted_standby_has_what_its_killed_primary_acknowledged() {
    let primary = Server::start();
    primary.sql("postgres", "CREATE TABLE marks (mark text)");
    let standby = primary.standby();
    primary.sql("postgres", "INSERT INTO marks VALUES ('there')");
    primary.kill();
    standby.promote();
    assert_eq!(standby.sql("postgres", "SELECT mark FROM marks"), "there");
    standby.sql("postgres", "INSERT INTO marks VALUES ('and on it goes')");
    let url = several_hosts(&[primary.port(), standby.port()], "postgres");
    assert_eq!(ask(&url, "SELECT count(*) FROM marks").as_deref(), Some("2"));
}

/// What `psql` says through a proxy.
fn ask(url: &str, sql: &str) -> Option<String> {
    let output = Command::new("psql").args(["-tA", url, "-c", sql]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    output.status.success().then_some(said)
}

#[test]
fn a_bad_network_is_slow_or_silent_or_refuses_and_is_good_again() {
    let database = Database::fresh();
    let proxy = Proxy::start(database.server().port());
    let url = database.server().url_by(proxy.port(), database.name());
    assert_eq!(ask(&url, "SELECT 1").as_deref(), Some("1"));
    proxy.set(Network::Slow(Duration::from_millis(200)));
    let started = Instant::now();
    assert_eq!(ask(&url, "SELECT 1").as_deref(), Some("1"));
    assert!(started.elapsed() > Duration::from_millis(400), "each piece is late");
    proxy.set(Network::Refuses);
    assert_eq!(ask(&url, "SELECT 1"), None);
    proxy.set(Network::Silent);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&url, "SELECT 1"));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!asked.is_finished());
        proxy.set(Network::Good);
        assert_eq!(asked.join().unwrap().as_deref(), Some("1"));
    });
}

#[test]
fn what_was_said_before_its_answer_was_lost_has_happened() {
    let database = Database::fresh();
    database.sql("CREATE TABLE marks (mark text)");
    let proxy = Proxy::start(database.server().port());
    let url = database.server().url_by(proxy.port(), database.name());
    std::thread::scope(|scope| {
        let slow = "SELECT pg_sleep(1); INSERT INTO marks VALUES ('there')";
        let asked = scope.spawn(|| ask(&url, slow));
        let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
        database.server().wait_for(running, "1");
        proxy.lose_answers();
        assert_eq!(asked.join().unwrap(), None, "nobody told it");
    });
    assert_eq!(ask(&url, "SELECT mark FROM marks").as_deref(), Some("there"));
}

/// Not a test of its own: what [`nothing_is_left_when_the_test_process_is_killed`] kills.
#[test]
#[ignore = "waits to be killed"]
fn wait_to_be_killed() {
    let server = Server::start();
    let standby = server.standby();
    standby.pause();
    println!("\nrunning");
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn nothing_is_left_when_the_test_process_is_killed() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["wait_to_be_killed", "--ignored", "--exact", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).find(|line| line == "running").unwrap();
    let start = format!("keystile-postgres-{}-", child.id());
    let left = || {
        let named = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(&start);
        let folder = std::fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
        let directories = folder.filter(|entry| named(&entry.file_name())).count();
        let processes = Path::new("/proc").read_dir().unwrap().filter_map(Result::ok);
        let processes = processes.filter(|process| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&start)
        });
        (directories, processes.count())
    };
    assert_eq!(left().0, 2);
    assert!(left().1 > 2);
    child.kill().unwrap();
    let killed = Instant::now();
    while left() != (0, 0) {
        assert!(killed.elapsed() < Duration::from_secs(60), "left behind: {:?}", left());
        std::thread::sleep(Duration::from_millis(50));
    }
    child.wait().unwrap();
}

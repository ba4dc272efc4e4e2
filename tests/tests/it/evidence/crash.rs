//! `kill -9` at random moments under load: what was acknowledged is there afterwards, and no code
//! counts twice.

use std::time::{Duration, Instant};

use super::load::{Load, Random, SETTINGS};
use crate::harness::Keystile;

const PEOPLE: usize = 6;
const ENOUGH: Duration = Duration::from_secs(20);

/// A number from the environment, for longer runs and for the same run again.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The database as SQLite itself judges it.
fn assert_whole(server: &Keystile) {
    let file = rusqlite::Connection::open(server.database()).unwrap();
    let says: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(says, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_what_was_acknowledged_outlives_kill_9_and_no_code_counts_twice() {
    let asked = std::env::var_os("KEYSTILE_TEST_KILLS").is_some();
    let kills = number("KEYSTILE_TEST_KILLS", 10);
    let seed = number("KEYSTILE_TEST_SEED", u64::from(std::process::id()));
    println!("again with KEYSTILE_TEST_SEED={seed}");
    let begun = Instant::now();
    let mut random = Random::new(seed);
    let mut server = Keystile::start_with(SETTINGS).await;
    let mut load = Load::prepare(&[&server], PEOPLE, random.below(u64::MAX)).await;
    let mut killed = 0;
    // A slow machine tries fewer, unless somebody asks for them.
    while killed < kills && (asked || killed < 3 || begun.elapsed() < ENOUGH) {
        killed += 1;
        let running = load.start();
        tokio::time::sleep(Duration::from_millis(50 + random.below(900))).await;
        server.stop();
        load = running.join().await;
        server = server.restart().await;
        load.check(false).await;
        assert_whole(&server);
    }
    load.check(true).await;
    let counts = load.counts();
    println!("{killed} kills in {:?}: {counts:#?}", begun.elapsed());
    assert!(counts.logins > 0 && counts.refreshes > 0 && counts.revocations > 0);
    assert!(counts.registrations > 0 && counts.consents > 0 && counts.sessions > 0);
    assert!(counts.lost > 0, "people were in the middle of something");
}

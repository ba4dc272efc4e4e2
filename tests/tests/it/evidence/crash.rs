//! `kill -9` at random moments under load: what was acknowledged is there afterwards, and no code
//! counts twice.

#![allow(clippy::print_stdout, reason = "counts and seeds are shown by --nocapture")]

use std::time::{Duration, Instant};

use keystile_test_postgres::Server;
use tokio::task::block_in_place;

use super::ledger::Counts;
use super::load::{Load, Random, SETTINGS};
use crate::harness::{Cluster, Keystile, Plan};

const PEOPLE: usize = 6;
const ENOUGH: Duration = Duration::from_secs(20);
const AT_MOST: u64 = 100;

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

/// How often something is killed, and the choices of a run.
struct Trial {
    kills: u64,
    asked: bool,
    begun: Instant,
    killed: u64,
    random: Random,
}

impl Trial {
    fn begin() -> Self {
        let asked = std::env::var_os("KEYSTILE_TEST_KILLS").is_some();
        let kills = number("KEYSTILE_TEST_KILLS", 10);
        let seed = number("KEYSTILE_TEST_SEED", u64::from(std::process::id()));
        println!("again with KEYSTILE_TEST_SEED={seed}");
        Self { kills, asked, begun: Instant::now(), killed: 0, random: Random::new(seed) }
    }

    /// Whether there is one more. A slow machine tries fewer, unless somebody asks for them, but
    /// goes on until everything was done at least once.
    fn goes_on(&mut self, load: &Load) -> bool {
        let all = has_all(load.counts());
        let enough = self.killed >= 3 && self.begun.elapsed() >= ENOUGH && all;
        let more = self.killed < self.kills && (self.asked || !enough);
        let on = more || (!all && self.killed < AT_MOST);
        self.killed += u64::from(on);
        on
    }

    async fn a_random_moment(&mut self) {
        tokio::time::sleep(Duration::from_millis(50 + self.random.below(900))).await;
    }

    fn end(&self, load: &Load) {
        let counts = load.counts();
        println!("{} kills in {:?}: {counts:#?}", self.killed, self.begun.elapsed());
        assert!(has_all(counts), "people did everything, and were in the middle of something");
    }
}

fn has_all(counts: Counts) -> bool {
    let Counts { logins, refreshes, revocations, registrations, consents, sessions, lost, .. } =
        counts;
    [logins, refreshes, revocations, registrations, consents, sessions, lost]
        .iter()
        .all(|count| *count > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_what_was_acknowledged_outlives_kill_9_and_no_code_counts_twice() {
    let mut trial = Trial::begin();
    let mut server = Keystile::start_with(SETTINGS).await;
    let apps = [server.app(), server.native_app()];
    let mut load = Load::prepare(apps, PEOPLE, trial.random.below(u64::MAX)).await;
    while trial.goes_on(&load) {
        let running = load.start();
        trial.a_random_moment().await;
        server.stop();
        load = running.join().await;
        server = server.restart().await;
        load.check(false).await;
        assert_whole(&server);
    }
    load.check(true).await;
    trial.end(&load);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_on_postgresql_what_was_acknowledged_outlives_kill_9_of_nodes_and_of_the_database()
{
    let mut trial = Trial::begin();
    let database = block_in_place(Server::start);
    block_in_place(|| database.sql("postgres", "CREATE DATABASE keystile"));
    let store = database.url("keystile");
    let plan = Plan { store: Some(&store), more: SETTINGS, ..Plan::default() };
    let mut cluster = Cluster::start_with(plan).await.settled().await;
    let apps = [cluster.app(), cluster.native_app()];
    let mut load = Load::prepare(apps, PEOPLE, trial.random.below(u64::MAX)).await;
    while trial.goes_on(&load) {
        let running = load.start();
        trial.a_random_moment().await;
        if trial.killed.is_multiple_of(2) {
            block_in_place(|| database.kill());
            load = running.join().await;
            block_in_place(|| database.restart());
        } else {
            // The other one goes on for a moment.
            cluster.nodes[1].stop();
            trial.a_random_moment().await;
            cluster.nodes[0].stop();
            load = running.join().await;
            cluster = cluster.restarted().await;
        }
        cluster.answers_again().await;
        load.check(false).await;
    }
    load.check(true).await;
    trial.end(&load);
}

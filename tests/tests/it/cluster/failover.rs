//! Two servers with synchronous replication: the first is killed under load, the second takes over.

use std::io::Write;
use std::time::Duration;

use keystile_test_postgres::{Server, several_hosts};
use tokio::task::block_in_place;

use super::load::{Counts, MORE, Phase, Stage, work};
use super::{offline, wait_until};
use crate::harness::{Browser, Cluster, Plan};

const WORKERS: usize = 6;

/// Grants before the primary is killed, and as many more afterwards. By then each worker is
/// somewhere else in its round.
const GRANTS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_loses_nothing_that_was_acknowledged_and_no_code_is_redeemed_twice() {
    let primary = block_in_place(Server::start);
    let standby = block_in_place(|| primary.standby());
    let store = several_hosts(&[primary.port(), standby.port()], "postgres");
    let plan = Plan { store: Some(&store), more: MORE, ..Plan::default() };
    let cluster = Cluster::start_with(plan).await;
    let app = offline(&cluster);
    let mut browser = Browser::new();
    app.code(&mut browser).await;

    let stage = Stage::new();
    let workers: Vec<_> =
        (0..WORKERS).map(|_| tokio::spawn(work(cluster.url(""), stage.clone()))).collect();
    wait_until("there is load", async || stage.grants() >= GRANTS).await;
    let mut outstanding = Vec::new();
    for _ in 0..5 {
        outstanding.push(app.code(&mut browser).await);
    }
    stage.set(Phase::Away);
    block_in_place(|| primary.kill());
    tokio::time::sleep(Duration::from_secs(1)).await;
    block_in_place(|| standby.promote());
    for code in &outstanding {
        let refused = loop {
            match app.redeem(code).await {
                Err(error) if error.status == 503 => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                answer => break answer.expect_err("a code of before the promotion"),
            }
        };
        assert_eq!(refused.error, "invalid_grant");
    }
    for node in &cluster.nodes {
        wait_until("the node is ready again", async || {
            reqwest::get(node.url("/readyz")).await.unwrap().status() == 200
        })
        .await;
    }
    stage.set(Phase::After);
    let before = stage.grants();
    wait_until("the load goes on", async || stage.grants() >= before + GRANTS).await;
    stage.set(Phase::Over);

    let mut all = Counts::default();
    let mut kept = Vec::new();
    for worker in workers {
        let worker = worker.await.unwrap();
        all.add(worker.counts);
        kept.push(worker);
    }
    writeln!(std::io::stderr(), "failover: {all:?}").unwrap();
    assert!(all.unavailable > 0, "the database was away: {all:?}");
    for worker in kept {
        worker.verify().await;
    }
}

//! Several nodes on one PostgreSQL: without sticky sessions and without a word from node to node.

mod changes;
mod clocks;
mod failover;
mod faults;
mod load;
mod nodes;

use crate::harness::{App, Cluster};

/// Asks again and again until it is so, much longer than it should take.
async fn wait_until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let started = std::time::Instant::now();
    while !so().await {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(60),
            "not within a minute: {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The app of the configuration, allowed to go on without its user.
fn offline(cluster: &Cluster) -> App {
    cluster.app().with_scope("openid offline_access photos:read")
}

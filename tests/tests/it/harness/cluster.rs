//! Several nodes on one store, behind a balancer.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use keystile_test_postgres::Database;

use super::balancer::Balancer;
use super::program::{config_for, new_directory};
use super::{App, Keystile, free_port};

/// Nodes that share nothing but their store and their master key.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Keystile>,
    balancer: Balancer,
    /// It goes last.
    _database: Option<Database>,
}

/// What a cluster is made of.
pub(crate) struct Plan<'a> {
    pub(crate) nodes: usize,
    /// A connection string, or nothing for a fresh database on the shared server.
    pub(crate) store: Option<&'a str>,
    /// More in the configuration of each node.
    pub(crate) more: &'a str,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self { nodes: 2, store: None, more: "" }
    }
}

impl Cluster {
    /// Two nodes on a fresh database.
    pub(crate) async fn start() -> Self {
        Self::start_with(Plan::default()).await
    }

    /// Starts all nodes at once, as a machine room does after a power cut.
    pub(crate) async fn start_with(plan: Plan<'_>) -> Self {
        let (listener, issuer) = Balancer::listen().await;
        let database = plan.store.is_none().then(Database::fresh);
        let fresh = database.as_ref().map(Database::url);
        let store = plan.store.or(fresh.as_deref()).unwrap();
        let mut starting = Vec::new();
        for _ in 0..plan.nodes {
            let (directory, port) = (new_directory(), free_port());
            let more = format!("{}\n{}", with_shared_key(&directory), plan.more);
            let config = config_for(&issuer, port, store, &more);
            std::fs::write(directory.join("keystile.toml"), config).unwrap();
            starting.push(tokio::spawn(Keystile::start_in(directory, port)));
        }
        let mut nodes = Vec::new();
        for node in starting {
            nodes.push(node.await.unwrap());
        }
        let urls = nodes.iter().map(|node| node.issuer.clone()).collect();
        Self { nodes, balancer: Balancer::start(listener, issuer, urls), _database: database }
    }

    /// Waits for all keys of the first start and starts the nodes again: nothing changes from here
    /// on that would have them forget clients.
    pub(crate) async fn settled(mut self) -> Self {
        for node in std::mem::take(&mut self.nodes) {
            self.nodes.push(node.with_all_keys().await.restart().await);
        }
        self
    }

    /// Starts the nodes again, as they were.
    pub(crate) async fn restarted(mut self) -> Self {
        for node in std::mem::take(&mut self.nodes) {
            self.nodes.push(node.restart().await);
        }
        self
    }

    /// Waits until each connection of each node to its database answers again.
    pub(crate) async fn answers_again(&self) {
        for node in &self.nodes {
            let started = Instant::now();
            let mut in_a_row = 0;
            while in_a_row < 16 {
                assert!(started.elapsed() < Duration::from_secs(60), "not ready\n{}", node.log());
                let ready = reqwest::get(node.url("/readyz")).await.unwrap();
                in_a_row = if ready.status() == 200 { in_a_row + 1 } else { 0 };
                if in_a_row == 0 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// From now on the balancer sends everything to this node.
    pub(crate) fn only(&self, node: usize) {
        self.balancer.only(node);
    }

    /// From now on each node gets its turn, as in the beginning.
    pub(crate) fn in_turn(&self) {
        self.balancer.in_turn();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.balancer.url)
    }

    /// The app of the configuration, which knows the balancer alone.
    pub(crate) fn app(&self) -> App {
        self.nodes[0].app().at(&self.balancer.url)
    }

    /// The public, native app of the configuration.
    pub(crate) fn native_app(&self) -> App {
        self.nodes[0].native_app().at(&self.balancer.url)
    }
}

/// Gives a node the master key that all of them have, for the operator's eyes alone, and says what
/// its configuration needs for that.
pub(super) fn with_shared_key(directory: &Path) -> &'static str {
    let file = directory.join("shared.key");
    std::fs::write(&file, format!("1:{}\n", "5a".repeat(32))).unwrap();
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    "[keys]\nmaster_key_file = \"shared.key\""
}

//! The version before this one and this one, on one store behind one balancer.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::balancer::Balancer;
use super::place::{Backend, Place};
use super::program::program;
use super::{App, Keystile, free_port};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// It runs the program of the version before this one.
    Previous,
    /// It runs this version's.
    Today,
}

impl Node {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Previous => Self::Today,
            Self::Today => Self::Previous,
        }
    }
}

/// Both versions. The one before made the store, and this one brought it up to date.
pub(crate) struct Both {
    _previous: Keystile,
    pub(crate) today: Keystile,
    balancer: Balancer,
    /// It goes last.
    _place: Place,
}

impl Both {
    /// Starts the version before this one first, and this one while that serves.
    pub(crate) async fn start(on: Backend, more: &str) -> Self {
        let (listener, issuer) = Balancer::listen().await;
        let place = Place::fresh(on);
        let start = async |program: &Path| {
            let port = free_port();
            let directory = place.node(&issuer, port, more);
            Keystile::start_of(program, directory, format!("http://localhost:{port}")).await
        };
        let previous = start(previous_program()).await.with_all_keys().await;
        let today = start(program()).await;
        let urls = vec![previous.issuer.clone(), today.issuer.clone()];
        let balancer = Balancer::start(listener, issuer, urls);
        Self { _previous: previous, today, balancer, _place: place }
    }

    /// From now on everything comes to this node.
    pub(crate) fn only(&self, node: Node) {
        self.balancer.only(node as usize);
    }

    /// From now on each request comes to the node that did not get the one before.
    pub(crate) fn in_turn(&self) {
        self.balancer.in_turn();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.balancer.url)
    }

    pub(crate) fn app(&self) -> App {
        self.today.app().at(&self.balancer.url)
    }

    pub(crate) fn native_app(&self) -> App {
        self.today.native_app().at(&self.balancer.url)
    }
}

/// The program of the version before this one, which `cargo xtask` builds.
pub(crate) fn previous_program() -> &'static Path {
    static PROGRAM: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let named = std::fs::read_to_string(root.join("tests/previous-version")).unwrap();
        let commit = named.lines().find(|line| !line.starts_with('#')).unwrap().trim();
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        let path = target.join("previous").join(commit).join("keystile");
        if path.exists() {
            return path;
        }
        let mut look = Command::new("git");
        look.args(["cat-file", "-e", &format!("{commit}^{{commit}}")]).current_dir(root);
        let known = look.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        let how = if known {
            "it is not built yet: cargo xtask previous"
        } else {
            "this clone does not have its commit: git fetch --unshallow, then cargo xtask previous"
        };
        panic!("the upgrade test runs the program of {commit}, and {how}");
    })
}

//! `keystile demo`: the three parties, as a new user starts them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::free_ports;
use super::program::{Process, new_directory, start_program};

/// A running demo.
pub(crate) struct Demo {
    process: Process,
    pub(crate) base: u16,
    pub(crate) directory: PathBuf,
}

impl Demo {
    pub(crate) async fn start() -> Self {
        Self::start_in(new_directory(), free_ports(3)).await
    }

    pub(crate) async fn start_in(directory: PathBuf, base: u16) -> Self {
        let arguments = ["demo", "--port-base", &base.to_string(), "--state", "state"];
        let process = start_program(&directory, &arguments);
        let mut demo = Self { process, base, directory };
        let started = Instant::now();
        // It greets once all three listen; the app may answer a moment before.
        while reqwest::get(demo.app("/")).await.is_err() || !demo.log().contains("Ctrl-C") {
            let log = demo.log();
            demo.process.must_run(&log);
            assert!(started.elapsed() < Duration::from_secs(60), "not ready\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        demo
    }

    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://localhost:{}", self.base)
    }

    /// An address of the app.
    pub(crate) fn app(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.base + 1)
    }

    /// An address of the API.
    pub(crate) fn api(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.base + 2)
    }

    /// A file of its state.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.directory.join("state").join(self.base.to_string()).join(name)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.directory.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

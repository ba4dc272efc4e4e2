//! Chromium behind chromedriver, headless.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::harness::{Process, free_port};

/// A running chromedriver with one browser.
pub(crate) struct Chromium {
    _process: Process,
    pub(crate) client: Client,
}

/// How a browser is set up.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) javascript: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self { javascript: true, width: 1280, height: 900 }
    }
}

impl Chromium {
    pub(crate) async fn start(setup: Setup) -> Self {
        let driver = "/usr/bin/chromedriver";
        assert!(Path::new(driver).exists(), "{driver} is missing: 'cargo xtask test' installs it");
        let port = free_port();
        let quiet = Stdio::null;
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdout(quiet()).stderr(quiet());
        let process = Process(command.spawn().unwrap());
        let capabilities = capabilities(setup);
        let address = format!("http://127.0.0.1:{port}");
        for _ in 0..100 {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            let connected = builder.capabilities(capabilities.clone()).connect(&address).await;
            if let Ok(client) = connected {
                return Self { _process: process, client };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no browser could be started");
    }

    /// Keeps a picture where `KEYSTILE_SCREENSHOTS` says, for people to look at.
    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("KEYSTILE_SCREENSHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            let png = self.client.screenshot().await.unwrap();
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
        }
    }

    /// What a person reads on the page.
    pub(crate) async fn text(&self) -> String {
        self.client.find(fantoccini::Locator::Css("body")).await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn close(self) {
        let _ = self.client.close().await;
    }
}

fn capabilities(setup: Setup) -> serde_json::Map<String, serde_json::Value> {
    let javascript = if setup.javascript { 1 } else { 2 };
    let options = json!({
        "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage",
            format!("--window-size={},{}", setup.width, setup.height),
        ],
        "prefs": { "profile.managed_default_content_settings.javascript": javascript },
    });
    let mut capabilities = serde_json::Map::new();
    capabilities.insert("browserName".into(), json!("chrome"));
    capabilities.insert("goog:chromeOptions".into(), options);
    capabilities
}

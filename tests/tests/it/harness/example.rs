//! Apps that use the client crate: registered, and started as a user starts them or in the test's
//! own process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::free_port;
use super::program::{Keystile, PASSWORD, Process, QUICK_HASH, built_program, new_directory};

const DEMO: &str = include_str!("../../../../apps/keystile/src/demo/keystile.toml");

/// What the registration of each has.
pub(crate) const EXAMPLE_SECRET: &str = "pGq7TzW0dKx3VbN8sYc2LmRf6HjEa4Uo";

/// The web app's registration, for more of the configuration.
pub(crate) fn web_app_registered(url: &str) -> String {
    registered("web-app", url, "openid profile email")
}

/// The notebook's, and its API's.
pub(crate) fn notebook_registered(app: &str, api: &str) -> String {
    notes_registered("notebook", app, api)
}

/// The noticeboard's, and its API's.
pub(crate) fn noticeboard_registered(app: &str, api: &str) -> String {
    notes_registered("noticeboard", app, api)
}

fn notes_registered(client_id: &str, app: &str, api: &str) -> String {
    let scope = "openid profile offline_access notes:read notes:write";
    let client = registered(client_id, app, scope);
    format!(
        r#"{client}
[[apis]]
audience = "{api}"
scopes = ["notes:read", "notes:write"]
[[scopes]]
name = "notes:read"
title = "read your notes"
[[scopes]]
name = "notes:write"
title = "add notes"
optional = true
"#
    )
}

fn registered(client_id: &str, url: &str, scope: &str) -> String {
    format!(
        r#"
[[clients]]
client_id = "{client_id}"
client_secret = "{EXAMPLE_SECRET}"
client_name = "An example"
redirect_uris = ["{url}/callback"]
post_logout_redirect_uris = ["{url}/"]
backchannel_logout_uri = "{url}/backchannel-logout"
grant_types = ["authorization_code", "refresh_token"]
scope = "{scope}"
"#
    )
}

/// Starts a program of an example, and waits until it listens at `url`.
pub(crate) async fn start_example(
    program: PathBuf,
    directory: &Path,
    settings: &[(&str, &str)],
    url: &str,
) -> Process {
    let mut command = Command::new(&program);
    command.current_dir(directory).envs(settings.iter().copied()).stdin(Stdio::null());
    let mut process = Process(command.spawn().unwrap());
    let started = Instant::now();
    while reqwest::get(url).await.is_err() {
        process.must_run(&program.display().to_string());
        assert!(started.elapsed() < Duration::from_secs(60), "{url} does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    process
}

/// The noticeboard as a user starts it: an app, its API, and their authorization server.
pub(crate) struct Noticeboard {
    pub(crate) app: String,
    pub(crate) api: String,
    _processes: [Process; 2],
    _server: Keystile,
}

impl Noticeboard {
    pub(crate) async fn start() -> Self {
        let (app, api) = (localhost(free_port()), localhost(free_port()));
        let server = Keystile::start_with(&noticeboard_registered(&app, &api)).await;
        let settings = [
            ("ISSUER", server.issuer.as_str()),
            ("CLIENT_ID", "noticeboard"),
            ("CLIENT_SECRET", EXAMPLE_SECRET),
            ("APP", &app),
            ("API", &api),
        ];
        let start = async |name, url| {
            let program = built_program("keystile-example-bff", name);
            start_example(program, &server.directory, &settings, url).await
        };
        let processes =
            [start("noticeboard-api", &api).await, start("noticeboard-app", &app).await];
        Self { app, api, _processes: processes, _server: server }
    }
}

/// The address of a port of this machine.
pub(crate) fn localhost(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// A party that runs in this process, and ends with the test.
pub(crate) struct Serving(AbortHandle);

impl Serving {
    pub(crate) async fn start(port: u16, router: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let serving = async move { axum::serve(listener, router).await.unwrap() };
        Self(tokio::spawn(serving).abort_handle())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Keystile {
    /// The server of `keystile demo`, with a hash of passwords that is quick.
    pub(crate) async fn start_for_demo(port: u16, [issuer, app, api]: &[String; 3]) -> Self {
        let directory = new_directory();
        let config = DEMO
            .replacen("issuer = ", &format!("listen = \"127.0.0.1:{port}\"\nissuer = "), 1)
            .replace("{issuer}", issuer)
            .replace("{app}", app)
            .replace("{api}", api)
            .replace("{client_id}", "photo-printer")
            .replace("{client_secret}", EXAMPLE_SECRET)
            .replace("{username}", "alice")
            .replace("{password}", PASSWORD);
        std::fs::write(directory.join("keystile.toml"), config + QUICK_HASH).unwrap();
        Self::start_in(directory, port).await
    }
}

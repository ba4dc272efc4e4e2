//! `keystile serve`, started on a free port in a directory of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{App, free_port};

/// The password of `alice`, and of `bob`.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A hash of [`PASSWORD`] that is quick to check: what these tests are about is not the hash.
pub(crate) const QUICK_HASH: &str = "[password_hash]\nmemory_kib = 256\niterations = 1\n";

/// A process that ends with its owner.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Kills it at once.
    pub(crate) fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Panics with its log if it has ended.
    pub(crate) fn must_run(&mut self, log: &str) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {ended:?}\n{log}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the program in a directory, where it writes its log.
pub(crate) fn start_program(directory: &Path, arguments: &[&str]) -> Process {
    start(program(), directory, arguments)
}

fn start(program: &Path, directory: &Path, arguments: &[&str]) -> Process {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("log"));
    let log = log.unwrap();
    let mut command = Command::new("sh");
    // A file that may grow no more is an error to be answered, and not a signal that kills.
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    Process(command.spawn().unwrap())
}

/// A running authorization server.
pub(crate) struct Keystile {
    process: Process,
    pub(crate) directory: PathBuf,
    pub(crate) issuer: String,
}

impl Keystile {
    /// The server that most tests want: two users, an app, an API.
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// The same with more in its configuration.
    pub(crate) async fn start_with(more: &str) -> Self {
        let directory = new_directory();
        let port = free_port();
        std::fs::write(directory.join("keystile.toml"), config(port, more)).unwrap();
        Self::start_in(directory, port).await
    }

    /// Starts the program on what is in the directory.
    pub(crate) async fn start_in(directory: PathBuf, port: u16) -> Self {
        Self::start_at(directory, format!("http://localhost:{port}")).await
    }

    /// The same for a configuration with TLS.
    pub(crate) async fn start_https_in(directory: PathBuf, port: u16) -> Self {
        Self::start_at(directory, format!("https://localhost:{port}")).await
    }

    async fn start_at(directory: PathBuf, issuer: String) -> Self {
        Self::start_of(program(), directory, issuer).await
    }

    /// The same with another version of the program.
    pub(crate) async fn start_of(program: &Path, directory: PathBuf, issuer: String) -> Self {
        let process = start(program, &directory, &["serve", "--config", "keystile.toml"]);
        let mut server = Self { process, directory, issuer };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&mut self) {
        let started = Instant::now();
        let client =
            reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
        loop {
            let ready = client.get(self.url("/readyz")).send().await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            let log = self.log();
            self.process.must_run(&log);
            assert!(started.elapsed() < Duration::from_secs(60), "not ready\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the RSA keys too, which the first start makes in the background.
    pub(crate) async fn with_all_keys(self) -> Self {
        self.wait_for_keys().await;
        self
    }

    /// The same: a set that is not whole is not to be kept.
    pub(crate) async fn wait_for_keys(&self) {
        loop {
            let keys = reqwest::get(self.url("/jwks")).await.unwrap();
            if keys.status() == 200 && keys.headers()["cache-control"] != "no-cache" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Another process that serves the same issuer from the same store, at a port of its own.
    pub(crate) async fn another_node(&self) -> Node {
        let (port, name) = (free_port(), "another-node.toml");
        let config = std::fs::read_to_string(self.directory.join("keystile.toml")).unwrap();
        let (before, after) = config.split_once("listen = \"").unwrap();
        let after = after.split_once('"').unwrap().1;
        let config = format!("{before}listen = \"127.0.0.1:{port}\"{after}");
        std::fs::write(self.directory.join(name), config).unwrap();
        let process = start_program(&self.directory, &["serve", "--config", name]);
        let node = Node { _process: process, url: format!("http://127.0.0.1:{port}") };
        let started = Instant::now();
        while !reqwest::get(node.url("/readyz")).await.is_ok_and(|answer| answer.status() == 200) {
            assert!(started.elapsed() < Duration::from_secs(60), "not ready\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        node
    }

    /// Stops it and starts it again on the same store.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop();
        let directory = std::mem::take(&mut self.directory);
        let port = self.issuer.rsplit(':').next().unwrap().parse().unwrap();
        drop(self);
        Self::start_in(directory, port).await
    }

    /// Kills the process at once.
    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }

    /// Lets no file of the process grow beyond that many bytes; nothing: as it was.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.process.0.id().to_string();
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &pid, &format!("--fsize={limit}:")]);
        assert!(prlimit.status().unwrap().success(), "prlimit, of Debian's util-linux");
    }

    /// The threads of the process by name, and how nice each is to the others (Linux).
    pub(crate) fn threads(&self) -> Vec<(String, i32)> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.0.id())).unwrap();
        // One may end while it is looked at.
        let stats =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let thread = |stat: String| {
            let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(") ").unwrap();
            (name.to_owned(), rest.split(' ').nth(16).unwrap().parse().unwrap())
        };
        stats.map(thread).collect()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// The app of the configuration.
    pub(crate) fn app(&self) -> App {
        App::new(&self.issuer, "app", Some(APP_SECRET), "https://app.example/callback")
    }

    /// Another app of the configuration.
    pub(crate) fn other_app(&self) -> App {
        App::new(&self.issuer, "other", Some(OTHER_SECRET), "https://other.example/callback")
    }

    /// The public, native app of the configuration.
    pub(crate) fn native_app(&self) -> App {
        App::new(&self.issuer, "native", None, "http://127.0.0.1:50123/callback")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("data.db")
    }

    /// Runs the program's command line on the same store.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        command_in(&self.directory, arguments)
    }
}

/// A process beside a [`Keystile`].
pub(crate) struct Node {
    _process: Process,
    url: String,
}

impl Node {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for Keystile {
    fn drop(&mut self) {
        if !self.directory.as_os_str().is_empty() && !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// Runs the program in a directory.
pub(crate) fn command_in(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).current_dir(directory).output().unwrap()
}

/// The same with a variable in its environment.
pub(crate) fn command_with(
    directory: &Path,
    (name, value): (&str, &str),
    arguments: &[&str],
) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(directory).env(name, value).output().unwrap()
}

/// A new, empty directory.
pub(crate) fn new_directory() -> PathBuf {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("keystile-test-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The program, built once with this run's profile.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("keystile"))
}

/// A program of this workspace, which has its package's name.
pub(crate) fn built(package: &str) -> PathBuf {
    built_program(package, package)
}

/// A program of a package that has several.
pub(crate) fn built_program(package: &str, program: &str) -> PathBuf {
    build(package, &["--bin", program], program)
}

/// An example of a package.
pub(crate) fn built_example(package: &str, example: &str) -> PathBuf {
    build(package, &["--example", example], &format!("examples/{example}"))
}

fn build(package: &str, target: &[&str], program: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", package]).args(target);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    build.env("CARGO_TARGET_DIR", profile.parent().unwrap());
    assert!(build.status().unwrap().success(), "{package} does not build");
    profile.join(program)
}

const APP_SECRET: &str = "the secret of the app, forty characters long";
const OTHER_SECRET: &str = "the secret of the other app, just as long ok";

fn config(port: u16, more: &str) -> String {
    config_for(&format!("http://localhost:{port}"), port, "sqlite://data.db", more)
}

/// The configuration of a server that others may reach by another address than its own.
pub(crate) fn config_for(issuer: &str, port: u16, store: &str, more: &str) -> String {
    let mut config = format!(
        r#"
issuer = "{issuer}"
listen = "127.0.0.1:{port}"

[store]
url = "{store}"

{QUICK_HASH}
[[apis]]
audience = "https://photos.example"
scopes = ["photos:read", "photos:order"]

[[scopes]]
name = "photos:read"
title = "see your photos"

[[scopes]]
name = "photos:order"
title = "order prints of your photos"
optional = true

[[clients]]
client_id = "app"
client_secret = "{APP_SECRET}"
client_name = "Photo App"
redirect_uris = ["https://app.example/callback"]
post_logout_redirect_uris = ["https://app.example/bye"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
scope = "openid profile email offline_access photos:read photos:order"
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "other"
client_secret = "{OTHER_SECRET}"
token_endpoint_auth_method = "client_secret_post"
redirect_uris = ["https://other.example/callback", "https://other.example/second"]
scope = "openid photos:read"

[[clients]]
client_id = "native"
token_endpoint_auth_method = "none"
application_type = "native"
redirect_uris = ["http://127.0.0.1/callback", "com.example.app:/callback"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access photos:read"
id_token_signed_response_alg = "EdDSA"

[[clients]]
client_id = "machine"
client_secret = "{APP_SECRET}"
grant_types = ["client_credentials"]
scope = "photos:read"
"#
    );
    for (username, name) in [("alice", "Alice Example"), ("bob", "Bob Example")] {
        write!(
            config,
            "\n[[users]]\nusername = \"{username}\"\npassword = \"{PASSWORD}\"\nname = \
             \"{name}\"\nemail = \"{username}@example.com\"\nemail_verified = true\n"
        )
        .unwrap();
    }
    format!("{config}\n{more}\n")
}

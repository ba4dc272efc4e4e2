//! One server, from its birth to its end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::directory::Directory;
use crate::ports::free_port;
use crate::programs::{finish, program, server_command};
use crate::{processes, tls};

/// The superuser of every server here.
pub const USER: &str = "keystile";

/// Its password.
pub const PASSWORD: &str = "the-password-of-the-test-database";

/// Everything that is done here is quick, but the machine may have other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server is started with, beside where it listens.
const SETTINGS: &[&str] = &[
    "listen_addresses=localhost",
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=16MB",
    "max_connections=100",
    "max_wal_size=64MB",
    "dynamic_shared_memory_type=mmap",
    "jit=off",
    "timezone=UTC",
];

/// The files are beside the folder of the data.
const TLS_SETTINGS: &[&str] =
    &["ssl=on", "ssl_cert_file=../server.crt", "ssl_key_file=../server.key"];

/// A PostgreSQL server, which ends with this value or with the process.
pub struct Server {
    pub(crate) directory: Directory,
    process: Mutex<Option<Child>>,
    port: u16,
    authority: Option<PathBuf>,
}

impl Server {
    /// Starts a server of one's own.
    pub fn start() -> Self {
        let mut server = Self::empty();
        server.make_database();
        server.start_on_free_port();
        server
    }

    /// The same, but it takes its users by TLS alone. Its certificate is for `localhost`.
    pub fn start_tls() -> Self {
        let mut server = Self::empty();
        server.make_database();
        server.authority = Some(tls::set_up(&server.directory));
        server.start_on_free_port();
        server
    }

    pub(crate) fn empty() -> Self {
        let directory = Directory::new();
        Self { directory, process: Mutex::new(None), port: 0, authority: None }
    }

    fn make_database(&self) {
        let password = self.directory.write("password", PASSWORD);
        finish(
            server_command("initdb")
                .args(["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--wal-segsize=1"])
                .args(["--auth=scram-sha-256", "--username", USER, "--pwfile"])
                .arg(password)
                .arg("--pgdata")
                .arg(self.directory.data()),
        );
    }

    /// A port that was free a moment ago may be taken by the time it is wanted.
    pub(crate) fn start_on_free_port(&mut self) {
        for _ in 0..10 {
            self.port = free_port();
            if self.launch() {
                return;
            }
            assert!(self.log().contains("could not bind"), "it does not start\n{}", self.log());
        }
        panic!("no free port\n{}", self.log());
    }

    /// Starts the process; says whether it came to answer.
    fn launch(&self) -> bool {
        let log = self.directory.path.join("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = server_command("postgres");
        command.arg("-D").arg(self.directory.data()).args(["-p", &self.port.to_string()]);
        let name = format!("cluster_name={}", self.directory.name);
        let socket = format!("unix_socket_directories={}", self.directory.path.display());
        let tls = if self.authority.is_some() { TLS_SETTINGS } else { &[] };
        let own = [name.as_str(), socket.as_str()];
        for setting in SETTINGS.iter().chain(tls).chain(&own) {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = command.spawn().unwrap();
        let started = Instant::now();
        while !self.answers() {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(started.elapsed() < PATIENCE, "it does not answer\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        true
    }

    fn answers(&self) -> bool {
        let mut ask = Command::new(program("pg_isready"));
        ask.arg("--quiet").arg("--host").arg(&self.directory.path);
        ask.args(["--port", &self.port.to_string()]).status().unwrap().success()
    }

    /// Where it listens, on the loopback addresses.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connection string of one of its databases.
    pub fn url(&self, database: &str) -> String {
        self.url_by(self.port, database)
    }

    /// The same by way of another port, such as a [`crate::Proxy`]'s.
    pub fn url_by(&self, port: u16, database: &str) -> String {
        let url = format!("postgres://{USER}:{PASSWORD}@localhost:{port}/{database}");
        match &self.authority {
            None => url,
            Some(file) => format!("{url}?sslmode=verify-full&sslrootcert={}", file.display()),
        }
    }

    /// The certificate of the authority that issued its own, PEM, if it has one.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// Runs SQL as its superuser; rows come as lines, columns with `|` between them.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        psql.args(["--set", "ON_ERROR_STOP=1", "--username", USER, "--dbname", database]);
        psql.args(["--port", &self.port.to_string(), "--command", sql]).arg("--host");
        psql.arg(&self.directory.path).env("PGPASSWORD", PASSWORD);
        finish(&mut psql).trim_end().to_owned()
    }

    /// Asks until the answer is the wanted one.
    pub fn wait_for(&self, sql: &str, wanted: &str) {
        let started = Instant::now();
        loop {
            let answer = self.sql("postgres", sql);
            if answer == wanted {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{sql}: {answer}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in good order: what runs is cut off, what was committed is there.
    pub fn stop(&self) {
        self.resume();
        self.end("INT");
    }

    /// Kills all its processes at once, as a power cut would.
    pub fn kill(&self) {
        self.end("KILL");
    }

    fn end(&self, first: &str) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut process) = process else { return };
        if first == "KILL" {
            processes::signal(&self.directory.name, first);
        } else {
            // The first process tells the others.
            let pid = process.id().to_string();
            let _ = Command::new("kill").args(["-s", first, &pid]).output().unwrap();
        }
        let _ = process.wait();
        assert!(processes::gone(&self.directory.name, PATIENCE), "it does not end\n{}", self.log());
    }

    /// Starts it again on the same port.
    pub fn restart(&self) {
        self.stop();
        assert!(self.launch(), "it does not start again\n{}", self.log());
    }

    /// Holds all its processes still: connections stay open, and nothing answers.
    pub fn pause(&self) {
        processes::signal(&self.directory.name, "STOP");
    }

    /// Lets them go on.
    pub fn resume(&self) {
        processes::signal(&self.directory.name, "CONT");
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        self.directory.text("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the database's log:\n{}", self.log());
        }
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut process) = process {
            // Its watchdog removes what an end without ado leaves.
            processes::signal(&self.directory.name, "KILL");
            let _ = process.wait();
        }
    }
}

/// One connection string for several servers with the same databases.
pub fn several_hosts(ports: &[u16], database: &str) -> String {
    let hosts: Vec<_> = ports.iter().map(|port| format!("localhost:{port}")).collect();
    let hosts = hosts.join(",");
    format!("postgres://{USER}:{PASSWORD}@{hosts}/{database}?target_session_attrs=read-write")
}

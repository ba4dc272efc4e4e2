//! Fresh databases.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::Server;

/// A database of a test's own, which goes with this value.
pub struct Database {
    name: String,
    server: &'static Server,
}

impl Database {
    /// An empty one, on the server that all tests of this process share. Do not hurt that server.
    pub fn fresh() -> Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        Self::fresh_on(SHARED.get_or_init(Server::start))
    }

    /// An empty one, on the shared server that takes its users by TLS alone.
    pub fn fresh_tls() -> Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        Self::fresh_on(SHARED.get_or_init(Server::start_tls))
    }

    fn fresh_on(server: &'static Server) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        Self { name, server }
    }

    /// Its connection string.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that it is on.
    pub fn server(&self) -> &'static Server {
        self.server
    }

    /// Runs SQL in it, as [`Server::sql`] does.
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failed test may want to look at it, and a second panic would hide the first.
        if !std::thread::panicking() {
            self.server.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

//! A second server that has everything the first one acknowledged.

use crate::programs::{finish, server_command};
use crate::server::{PASSWORD, Server, USER};

impl Server {
    /// Starts a standby. From here on this server acknowledges nothing that the standby has not on
    /// its disk.
    pub fn standby(&self) -> Self {
        let mut standby = Self::empty();
        // Before the copy: both have the same settings, as two servers that change roles do.
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        finish(
            server_command("pg_basebackup")
                .args(["--no-sync", "--checkpoint=fast", "--wal-method=stream"])
                .arg("--write-recovery-conf")
                .args(["--host", "localhost", "--port", &self.port().to_string()])
                .args(["--username", USER, "--pgdata"])
                .arg(standby.directory.data())
                .env("PGPASSWORD", PASSWORD),
        );
        standby.start_on_free_port();
        self.sql("postgres", "SELECT pg_reload_conf()");
        self.wait_for("SELECT sync_state FROM pg_stat_replication", "sync");
        standby
    }

    /// Makes a standby the server that is written to, and no longer wait for one of its own.
    pub fn promote(&self) {
        self.sql("postgres", "SELECT pg_promote()");
        // A promoted server that waits for a standby which is not there hangs in every commit.
        self.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
        self.sql("postgres", "SELECT pg_reload_conf()");
        self.wait_for("SHOW synchronous_standby_names", "");
    }
}

//! A store on either backend, which several programs have.

use std::path::PathBuf;

use keystile_test_postgres::Database;

use super::cluster::with_shared_key;
use super::program::{config_for, new_directory};

/// What a store is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A store of its own, empty. It goes with this value.
pub(crate) enum Place {
    File(PathBuf),
    Database(Database),
}

impl Place {
    pub(crate) fn fresh(on: Backend) -> Self {
        match on {
            Backend::Sqlite => Self::File(new_directory().join("data.db")),
            Backend::Postgres => Self::Database(Database::fresh()),
        }
    }

    /// A new directory with the configuration of a node on it. The master key of a file is beside
    /// it; a database's nodes are given theirs.
    pub(crate) fn node(&self, issuer: &str, port: u16, more: &str) -> PathBuf {
        let directory = new_directory();
        let (url, keys) = match self {
            Self::File(path) => (format!("sqlite://{}", path.display()), ""),
            Self::Database(database) => (database.url(), with_shared_key(&directory)),
        };
        let config = config_for(issuer, port, &url, &format!("{keys}\n{more}"));
        std::fs::write(directory.join("keystile.toml"), config).unwrap();
        directory
    }

    /// Changes something behind the programs' backs.
    pub(crate) fn change(&self, sql: &str) {
        match self {
            Self::File(path) => {
                rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
            }
            Self::Database(database) => drop(database.sql(sql)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::File(path) = self
            && !std::thread::panicking()
        {
            let _ = std::fs::remove_dir_all(path.parent().unwrap());
        }
    }
}

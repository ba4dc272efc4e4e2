//! `[store]`.

use std::fmt;
use std::path::{Path, PathBuf};

use keystile_store::postgres::Address;

use super::DEFAULT_STORE;
use super::file;
use super::source::{SettingsError, Source};

/// The variable that PostgreSQL's own programs take a password from.
const PASSWORD: &str = "PGPASSWORD";

/// Where the database is.
#[derive(Clone, Debug)]
pub enum StorePlace {
    /// SQLite's file.
    File(PathBuf),
    /// PostgreSQL.
    Postgres(Address),
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(address) => f.write_str(&address.shown()),
        }
    }
}

/// The database.
pub(super) fn database(store: &file::Store, source: &Source) -> Result<StorePlace, SettingsError> {
    let place = source.root().key("store").key("url");
    let Some(url) = store.url.as_deref() else {
        return Ok(StorePlace::File(source.beside(DEFAULT_STORE)));
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let password = std::env::var(PASSWORD).ok();
        let address = Address::parse(url, password.as_deref()).or_else(|why| place.wrong(why))?;
        return Ok(StorePlace::Postgres(address.beside(&source.beside(""))));
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.is_empty() && !path.ends_with('/') && path != ":memory:" => {
            Ok(StorePlace::File(source.beside(path)))
        }
        _ => place.wrong(
            "it is neither sqlite://PATH with a file's path, such as \
             sqlite://keystile-data/keystile.db or sqlite:///var/lib/keystile/keystile.db, nor \
             postgres://USER@HOST/DATABASE",
        ),
    }
}

/// The folder for what lies beside the database; with PostgreSQL, where the file would be.
pub(super) fn data_folder(store: &StorePlace, source: &Source) -> PathBuf {
    let file = match store {
        StorePlace::File(path) => path.clone(),
        StorePlace::Postgres(_) => source.beside(DEFAULT_STORE),
    };
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => Path::new(".").to_owned(),
    }
}

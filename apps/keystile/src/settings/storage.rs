//! `[store]`.

use std::path::PathBuf;

use super::DEFAULT_STORE;
use super::file;
use super::source::{SettingsError, Source};

/// The database's file.
pub(super) fn database(store: &file::Store, source: &Source) -> Result<PathBuf, SettingsError> {
    let place = source.root().key("store").key("url");
    let Some(url) = store.url.as_deref() else { return Ok(source.beside(DEFAULT_STORE)) };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return place.wrong(
            "PostgreSQL comes with a later release; use sqlite://PATH, such as \
             sqlite://keystile-data/keystile.db",
        );
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.is_empty() && !path.ends_with('/') && path != ":memory:" => {
            Ok(source.beside(path))
        }
        _ => place.wrong(
            "it is not sqlite://PATH with a file's path, such as \
             sqlite://keystile-data/keystile.db or sqlite:///var/lib/keystile/keystile.db",
        ),
    }
}

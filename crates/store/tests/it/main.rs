//! The store's contract, and what is SQLite's own.

mod contract;
mod formats;
mod measure;
mod sqlite;
mod sqlite_alone;

//! The store's contract, and what is SQLite's own.

mod contract;
mod measure;
mod model;
mod soak;
mod sqlite;
mod sqlite_alone;

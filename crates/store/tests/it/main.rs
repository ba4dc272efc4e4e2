//! The store's contract, and what each backend has of its own.

mod contract;
mod formats;
mod measure;
mod moving;
mod postgres;
mod sqlite;
mod sqlite_alone;

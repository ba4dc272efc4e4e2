//! The store's contract, and what each backend has of its own.

mod contract;
mod formats;
mod measure;
mod moving;
mod postgres;
mod postgres_alone;
mod sqlite;
mod sqlite_alone;

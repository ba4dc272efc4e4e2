//! The store's contract, and what each backend has of its own.

mod contract;
mod formats;
mod measure;
mod model;
mod moving;
mod postgres;
mod postgres_alone;
mod soak;
mod sqlite;
mod sqlite_alone;

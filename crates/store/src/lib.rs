//! The authorization server's memory: authority's `Store` and `Registry` on SQLite.
//!
//! Each subject (clients, accounts, sessions, consents, grants, …) has a file with its SQL, the
//! way from rows to records, and its operations. They speak to a backend through
//! `statements::Statements` and know nothing of it; what a backend needs (writer thread, readers,
//! file, migrations) lies in [`sqlite`].

mod accounts;
mod approved_clients;
mod clients;
mod consents;
mod decryption_keys;
mod grants;
mod incidents;
mod initial_access_tokens;
mod keys;
mod leases;
mod logos;
mod logout_messages;
mod meta;
mod parked;
mod pending;
mod pings;
mod registrations;
mod revoked_tokens;
mod sessions;
pub mod sqlite;
mod statements;
mod sweep;
mod used_once;

pub use leases::Work;
pub use sqlite::{OpenError, Options, SqliteStore};
pub use sweep::{Sweeping, Swept};

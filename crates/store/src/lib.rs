//! The authorization server's memory: authority's `Store` and `Registry` in a database.
//!
//! Each subject (clients, accounts, sessions, consents, grants, …) has a file with its SQL, the
//! way from rows to records, and its operations. They speak to a backend through
//! `statements::Statements` and know nothing of it. The ports are implemented once, in `ports`, for
//! the one [`Database`]; what a backend needs (connections, writer, migrations) lies in [`sqlite`]
//! and [`postgres`].

mod accounts;
mod approved_clients;
mod clients;
mod consents;
mod database;
mod decryption_keys;
mod grants;
mod incidents;
mod initial_access_tokens;
mod key_table;
mod keys;
mod keys_at_rest;
mod leases;
mod logos;
mod logout_messages;
mod master_keys;
mod memory;
mod meta;
mod migrations;
mod parked;
mod passing_clients;
mod pending;
mod pings;
mod ports;
pub mod postgres;
mod registrations;
mod revoked_tokens;
mod sessions;
pub mod sqlite;
mod statements;
mod sweep;
mod sweeper;
mod tables;
mod used_once;

pub use database::Database;
pub use leases::Work;
pub use migrations::{MigrationPlan, PlannedMigration};
pub use sweep::{Sweeping, Swept};

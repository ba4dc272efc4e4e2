//! Real PostgreSQL servers for tests: Debian's `postgresql`, started on a free port in a directory
//! of its own, with fsync on and never as root. No server and no directory is left behind when the
//! test process ends or is killed.
//!
//! Most tests want [`Database::fresh`], on one server that the whole test process shares. Those
//! that hurt a server start a [`Server`] of their own. Everything here blocks. Ports for servers of
//! any kind are [`free_port`]'s.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod database;
mod directory;
mod ports;
mod processes;
mod programs;
mod proxy;
mod server;
mod standby;
mod tls;

pub use database::Database;
pub use ports::{free_port, free_ports};
pub use proxy::{Network, Proxy};
pub use server::{PASSWORD, Server, USER, several_hosts};

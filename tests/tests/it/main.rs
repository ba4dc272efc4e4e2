//! Black-box tests: the real program, real HTTP, a client that behaves as a browser does, and a
//! real browser. The number in a test's name is the row of the mission that it proves (README,
//! "What works").

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod cluster;
mod evidence;
mod flows;
mod harness;
mod repository;
mod upgrade;

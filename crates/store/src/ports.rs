//! `authority`'s ports, each on whichever backend there is.

mod keys_at_rest;
mod logos;
mod logout_outbox;
mod parking;
mod pending;
mod pings;
mod registrations;
mod registry;
mod store;

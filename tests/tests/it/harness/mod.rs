//! What the tests stand on.

mod app;
mod browser;
mod demo;
mod html;
mod keys;
mod payments;
mod program;

pub(crate) use app::{App, ErrorAnswer, Tokens, claims, form, tokens};
pub(crate) use browser::{Browser, Page};
pub(crate) use demo::Demo;
pub(crate) use keys::{ClientKey, now};
pub(crate) use payments::{large_payment, payment, payment_with};
pub(crate) use program::{Keystile, PASSWORD, Process, command_in, free_port, new_directory};

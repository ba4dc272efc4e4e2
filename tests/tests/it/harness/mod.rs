//! What the tests stand on.

mod app;
mod browser;
mod demo;
mod documents;
mod html;
mod keys;
mod program;

pub(crate) use app::{App, ErrorAnswer, Tokens, form, tokens};
pub(crate) use browser::{Browser, Page};
pub(crate) use demo::Demo;
pub(crate) use documents::Documents;
pub(crate) use keys::ClientKey;
pub(crate) use program::{Keystile, PASSWORD, Process, command_in, free_port, new_directory};

//! An authorization server, an API, an app and a browser.

mod api;
mod app;
mod browser;
mod grants;
mod postgres;
mod server;

pub(crate) use api::{Front, OWN_ORIGIN, Pieces, pieces};
pub(crate) use app::{APP, Setup, query_of};
pub(crate) use browser::{Answer, Browser, at_once};
pub(crate) use postgres::Postgres;
pub(crate) use server::{Answering, Server};

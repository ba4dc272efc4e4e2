//! One file for each kind of request: what came in becomes values, answers become responses.

pub(crate) mod account;
pub(crate) mod assets;
pub(crate) mod authorize;
pub(crate) mod client_endpoints;
pub(crate) mod device;
pub(crate) mod errors;
pub(crate) mod health;
pub(crate) mod logos;
pub(crate) mod logout;
pub(crate) mod metadata;
pub(crate) mod pages;
pub(crate) mod registration;
pub(crate) mod requests;
pub(crate) mod userinfo;

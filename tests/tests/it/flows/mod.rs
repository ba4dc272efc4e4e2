//! Flows over real HTTP.

mod account;
mod bad_input;
mod code_grant;
mod demo;
mod errors;
mod experience;
mod grants;
mod https;
mod logout;
mod logout_messages;
mod metadata;
mod pages;
mod program;
mod security;
mod setting;
mod sign_in;

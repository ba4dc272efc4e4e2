//! Flows over real HTTP.

mod account;
mod bad_input;
mod client_assertions;
mod code_grant;
mod demo;
mod dpop;
mod errors;
mod experience;
mod grants;
mod https;
mod jarm;
mod logos;
mod logout;
mod logout_messages;
mod mcp;
mod metadata;
mod openid;
mod pages;
mod program;
mod pushed_requests;
mod registration;
mod request_objects;
mod security;
mod setting;
mod sign_in;

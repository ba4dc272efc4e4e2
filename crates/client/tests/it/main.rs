//! The whole client against an authorization server and an API that run in the test.
#![allow(missing_docs, reason = "tests are named by what they prove")]

mod api;
mod backchannel_logout;
mod bench;
mod cookies;
mod discovery;
mod errors;
mod frontchannel_logout;
mod id_token;
mod leak_proof;
mod leaks;
mod login;
mod logout;
mod mix_up;
mod nodes;
mod profiles;
mod proxy;
mod retries;
mod step_up;
mod store_contract;
mod streams;
mod tools;
mod userinfo;

//! The guard in front of an API, over HTTP, with an issuer that the tests play.

mod announced;
mod certificates;
mod details;
mod dpop;
mod examples;
mod foreign;
mod introspection;
mod issuer;
mod keys;
mod refusals;
mod scopes;
mod step_up;
mod tricks;

//! The guard in front of an API, over HTTP, with an issuer that the tests play.

mod announced;
mod certificates;
mod issuer;
mod keys;
mod refusals;
mod scopes;
mod step_up;

//! The rules: plain functions from facts to a decision, in the order in which they apply. None of
//! them waits, reads a clock or draws a random number.

pub mod acr;
pub mod asked_claims;
pub mod claims;
pub mod client_assertion;
pub mod client_auth;
pub mod client_credentials;
pub mod client_facts;
pub mod client_keys;
pub mod code;
pub mod consent;
pub mod dpop;
pub mod dynamic_registration;
pub mod introspect;
pub mod logo;
pub mod logout;
pub mod logout_channels;
pub mod logout_message;
pub mod next_step;
pub mod outbound;
pub mod pushed_request;
pub mod redirect;
pub mod refresh;
pub mod registration;
pub mod request;
pub mod request_object;
pub mod revoke;
pub mod scope;
pub mod subject;

//! What an authorization server may and must do.
//!
//! *Read facts → decide (pure) → commit (atomic)*. The rules ([`rules`]) are plain functions; the
//! endpoints ([`endpoints`]) read facts through the [`ports`], ask the rules in the order in which
//! they apply, and hand the decision to the store. Nothing here knows HTTP, SQL, a runtime, a
//! clock or a source of randomness.

pub mod at_rest;
pub mod certificate;
pub mod ciba;
pub mod decisions;
pub mod endpoints;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod ids;
pub mod incident;
pub mod keys;
pub mod logout_message;
pub mod mint;
pub mod opaque_token;
pub mod pending;
pub mod ping;
pub mod policy;
pub mod ports;
mod recognised;
pub mod records;
pub mod refresh_token;
pub mod registered;
pub mod rules;
pub mod sealed;
pub mod throttle;
pub mod user_code;

pub use endpoints::Authority;

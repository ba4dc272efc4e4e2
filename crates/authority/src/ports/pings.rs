//! Pings between a user's answer and their delivery.

use async_trait::async_trait;

use super::Stored;
use crate::ping::{Ping, PingClaim, PingSettled};

/// The part of the store that keeps pings (OpenID Connect CIBA Core 1.0 section 10.2).
///
/// Nobody adds one: [`super::PendingAuthorizations::open_pending`] writes it with the request that
/// it is about, due at that one's end, and the user's word makes it due at once.
#[async_trait]
pub trait PingOutbox: Send + Sync {
    /// Takes pings that are due: nobody else gets them before the lease runs out, and a node that
    /// dies leaves them to the next one.
    async fn claim_pings(&self, claim: PingClaim) -> Stored<Vec<Ping>>;
    /// Notes what became of a ping. One that is settled for good is forgotten.
    async fn settle_ping(&self, settled: PingSettled) -> Stored<()>;
}

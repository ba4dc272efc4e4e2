//! Logout messages between the end of a session and their delivery.

use async_trait::async_trait;
use keystile_protocol::{ClientId, Timestamp};

use super::Stored;
use crate::ids::SessionId;
use crate::logout_message::{Claim, DeliveryRecord, LogoutMessage, Settled};

/// The part of the store that keeps logout messages (OpenID Connect Back-Channel Logout 1.0).
///
/// Nobody adds a message: the operations of [`super::Store`] and [`super::Registry`] that end a
/// session write one for each client of its list that wants them, in the same transaction.
#[async_trait]
pub trait LogoutOutbox: Send + Sync {
    /// The clients that got tokens in a session.
    async fn clients_of_session(&self, session: &SessionId) -> Stored<Vec<ClientId>>;
    /// Takes messages that are due: nobody else gets them before the lease runs out, and a node
    /// that dies leaves them to the next one.
    async fn claim_logout_messages(&self, claim: Claim) -> Stored<Vec<LogoutMessage>>;
    /// Notes what became of a message.
    async fn settle_logout_message(&self, settled: Settled) -> Stored<()>;
    /// Forgets up to `limit` messages that were settled for good before that time.
    async fn forget_logout_messages(&self, before: Timestamp, limit: u32) -> Stored<()>;
    /// What became of a client's messages, the latest first.
    async fn logout_deliveries(&self, client: &ClientId, limit: u32)
    -> Stored<Vec<DeliveryRecord>>;
}

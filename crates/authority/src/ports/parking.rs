//! Where what is too large to travel waits.

use async_trait::async_trait;
use keystile_protocol::Timestamp;

use super::Stored;
use crate::decisions::{Park, Parked};
use crate::ids::ParkedId;

/// The table of what waits: of bounded size, and swept.
#[async_trait]
pub trait Parking: Send + Sync {
    /// Keeps it, if there is room.
    async fn park(&self, park: Park) -> Stored<Parked>;
    /// What was kept, unless it has expired.
    async fn parked(&self, id: &ParkedId, now: Timestamp) -> Stored<Option<String>>;
}

//! Whether this node can do its work.

use super::Authority;
use crate::mint::ACCESS_TOKEN_ALGORITHM;
use crate::ports::StoreError;
use crate::rules::clocks::{self, ClocksDiffer, Looked};

/// Why a node should get no requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No access token could be signed.
    #[error("no signing key yet")]
    NoKey,
    /// Nothing could be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Other nodes would not believe what it says of time, nor it them.
    #[error(transparent)]
    Clock(#[from] ClocksDiffer),
}

impl Authority {
    /// Whether there is a key to sign with, the store answers, and its clock agrees with ours.
    pub async fn ready(&self) -> Result<(), NotReady> {
        if self.keys().signing(ACCESS_TOKEN_ALGORITHM).is_none() {
            return Err(NotReady::NoKey);
        }
        let asked = self.clock.now();
        if let Some(database) = self.store.ping().await? {
            clocks::agree(Looked { asked, database, answered: self.clock.now() })?;
        }
        Ok(())
    }
}

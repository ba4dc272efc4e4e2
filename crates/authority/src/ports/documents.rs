//! Documents that clients name, fetched through [`super::Outbound`] and kept for a while.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Fetched, Fetching, OutboundError};

/// Documents by their addresses: kept ones, or fetched.
///
/// Whatever stands behind it bounds what it keeps, has one request for an address under way and no
/// more, and lets no slow address hold up another.
#[async_trait]
pub trait Documents: Send + Sync {
    /// The document, for a use that a kept one can serve: it is fetched only where there is none.
    /// One that is no longer fresh still serves for [`Keeping::stale`], and is fetched beside.
    async fn document(
        &self,
        url: &str,
        keeping: &'static Keeping,
    ) -> Result<Arc<Fetched>, DocumentError>;

    /// The document, for a use that the kept one did not serve: it is fetched, unless that was
    /// done less than [`Keeping::again_after`] ago.
    async fn newer(
        &self,
        url: &str,
        keeping: &'static Keeping,
    ) -> Result<Arc<Fetched>, DocumentError>;
}

/// How documents of one kind are kept. An address is kept for each kind by itself.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// The registered member that names them, such as `jwks_uri`.
    pub member: &'static str,
    /// What is asked for.
    pub kind: Fetching,
    /// How long one is fresh at least, whatever its headers say.
    pub least: Duration,
    /// How long at most.
    pub greatest: Duration,
    /// How much longer it may serve, while it is fetched anew or its origin is away.
    pub stale: Duration,
    /// How often [`Documents::newer`] fetches.
    pub again_after: Duration,
    /// Whether an answer is such a document. One that is not takes no other's place.
    pub check: fn(&Fetched) -> Result<(), String>,
}

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// There was no answer.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The answer is a redirect, which is not followed, or an error.
    #[error("the answer's status is {0}")]
    Status(u16),
    /// The answer is something else.
    #[error("{0}")]
    Unusable(String),
    /// Too many requests of ours are under way, or wait for this one.
    #[error("too many requests are under way; try again shortly")]
    Busy,
}

impl DocumentError {
    /// What a client is told. How a connection failed is for the log alone: it would tell a
    /// stranger what can be reached from here.
    pub fn told(&self) -> String {
        match self {
            Self::Outbound(OutboundError::NoAnswer(_)) => {
                "nobody answered in time, with a certificate that is trusted".to_owned()
            }
            other => other.to_string(),
        }
    }
}

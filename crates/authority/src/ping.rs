//! Telling a client that its user has answered (OpenID Connect CIBA Core 1.0 section 10.2): what
//! waits to be told, and what became of it.

use keystile_protocol::seal::{Sealable, Sealed};
use keystile_protocol::{ClientId, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::GrantId;

/// What a client is told, and what we prove by that it is us. The store has it sealed: of the
/// request's name only the digest is there otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingCall {
    /// [`crate::sealed::FORMAT`].
    pub format: u8,
    /// `auth_req_id`.
    pub auth_req_id: Secret,
    /// `client_notification_token`.
    pub token: Secret,
}

impl Sealable for PingCall {
    const PURPOSE: &'static str = "ping";
    const FORMAT: Option<u8> = Some(crate::sealed::FORMAT);
}

/// A ping that waits to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The request that it is about.
    pub request: GrantId,
    /// To whom.
    pub client: ClientId,
    /// What it says.
    pub call: Sealed<PingCall>,
    /// How often it was tried, this time among them.
    pub tries: u32,
}

/// Which pings are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingClaim {
    /// Those that are due by then.
    pub now: Timestamp,
    /// Nobody else gets them before.
    pub lease_until: Timestamp,
    /// At most so many.
    pub limit: u32,
}

/// What became of a ping at one try. Only [`crate::rules::ping`] makes these.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PingSettled {
    /// The request that it is about.
    pub request: GrantId,
    /// When it is tried again; nothing if it is settled for good.
    pub next_try_at: Option<Timestamp>,
    /// What happened, in words.
    pub outcome: String,
}

impl PingSettled {
    pub(crate) fn new(request: GrantId, next_try_at: Option<Timestamp>, outcome: String) -> Self {
        Self { request, next_try_at, outcome }
    }
}

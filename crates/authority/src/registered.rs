//! Clients that registered themselves (RFC 7591): what the store keeps of that beside the client,
//! and what the rules decided about it.

use keystile_protocol::{ClientId, Timestamp};

use crate::records::{Client, ClientOrigin};
use crate::rules::logo::Logo;

/// A registration's members as a client is told them, without its credentials.
pub type Members = serde_json::Map<String, serde_json::Value>;

/// A client's own registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Whose.
    pub client: ClientId,
    /// SHA-256 of the registration access token (RFC 7592 section 1.2).
    pub token_digest: [u8; 32],
    /// What it is registered as.
    pub metadata: Members,
    /// `client_id_issued_at`.
    pub created_at: Timestamp,
}

/// A client that may be registered, if there is room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewRegistration {
    /// The client.
    pub client: Client,
    /// Its registration.
    pub registration: Registration,
    /// By whose leave.
    pub admission: Admission,
    /// Its logo, where it has one.
    pub logo: Option<Logo>,
}

impl NewRegistration {
    pub(crate) fn new(
        client: Client,
        registration: Registration,
        admission: Admission,
        logo: Option<Logo>,
    ) -> Self {
        Self { client, registration, admission, logo }
    }
}

/// By whose leave a client registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has an initial access token, of which this is the digest (RFC 7591 section 3).
    Token {
        /// SHA-256 of it.
        digest: [u8; 32],
        /// When it is presented.
        at: Timestamp,
    },
    /// Nobody's: as long as there are not too many of its kind.
    Open {
        /// Its network: /24 or /56 of its address.
        network: String,
        /// Registrations of that network are counted from here on.
        since: Timestamp,
        /// How many of them there may be.
        per_network: u32,
        /// How many there may be in all that nobody has used yet.
        unused_at_most: u32,
    },
}

impl Admission {
    /// Whose word it is then that there is such a client.
    pub const fn origin(&self) -> ClientOrigin {
        match self {
            Self::Token { .. } => ClientOrigin::Token,
            Self::Open { .. } => ClientOrigin::Open,
        }
    }
}

/// A client of a metadata document that a person has let in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApprovedClient {
    /// The client.
    pub client: Client,
    /// When.
    pub at: Timestamp,
}

impl ApprovedClient {
    pub(crate) fn new(client: Client, at: Timestamp) -> Self {
        Self { client, at }
    }
}

/// Whether there was room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// There was, or there is.
    Done,
    /// The initial access token is unknown, spent or has expired.
    NoToken,
    /// Too many came from that network lately.
    NetworkFull,
    /// Too many wait for their first use.
    Full,
}

/// A registration as it shall be from now on (RFC 7592 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedRegistration {
    /// The client.
    pub client: Client,
    /// It counts only while this is its registration access token.
    pub token_digest: [u8; 32],
    /// What it is registered as.
    pub metadata: Members,
    /// Its logo, where it is another one.
    pub logo: Option<Logo>,
}

impl ChangedRegistration {
    pub(crate) fn new(
        client: Client,
        token_digest: [u8; 32],
        metadata: Members,
        logo: Option<Logo>,
    ) -> Self {
        Self { client, token_digest, metadata, logo }
    }
}

/// An initial access token (RFC 7591 section 1.2) as the operator sees it: the token itself is
/// shown once and kept as a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialAccessToken {
    /// What the operator calls it by; the beginning of its digest.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// How many clients it can still register.
    pub uses_left: u32,
}

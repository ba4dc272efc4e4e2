//! Clients that register themselves, and what they may do it with.

use async_trait::async_trait;
use keystile_protocol::{ClientId, Timestamp};

use super::Stored;
use crate::registered::{
    Admission, ApprovedClient, ChangedRegistration, InitialAccessToken, NewRegistration,
    Registered, Registration,
};

/// The part of the store that keeps registrations (RFC 7591, RFC 7592).
///
/// Strangers' clients that nobody has used go by themselves (see [`OPEN_STAYS`]); whatever removes
/// a client removes its registration too.
#[async_trait]
pub trait Registrations: Send + Sync {
    /// Whether there is room right now: asked before anything that costs more.
    async fn may_register(&self, admission: &Admission) -> Stored<Registered>;
    /// Adds a client with its registration, if there is room. An initial access token has one use
    /// less afterwards.
    async fn register(&self, new: NewRegistration) -> Stored<Registered>;
    /// A client's own registration.
    async fn registration(&self, client: &ClientId) -> Stored<Option<Registration>>;
    /// Replaces a registration and its client. False: it is not there any more.
    async fn change_registration(&self, changed: ChangedRegistration) -> Stored<bool>;
    /// Removes a client by its registration access token's digest. False: it is not there any
    /// more.
    async fn remove_registration(&self, client: &ClientId, token_digest: [u8; 32]) -> Stored<bool>;
    /// Keeps a client of a metadata document; not where somebody registered one of that name. It
    /// goes as open registrations do.
    async fn keep_approved_client(&self, approved: ApprovedClient) -> Stored<()>;
    /// Notes that a stranger's client got tokens, so that it stays.
    async fn note_first_use(&self, client: &ClientId, now: Timestamp) -> Stored<()>;

    /// Keeps an initial access token by its digest.
    async fn add_initial_access_token(
        &self,
        digest: [u8; 32],
        token: &InitialAccessToken,
    ) -> Stored<()>;
    /// The initial access tokens that can still be used.
    async fn initial_access_tokens(&self, now: Timestamp) -> Stored<Vec<InitialAccessToken>>;
    /// Ends an initial access token. False if there is none of that name.
    async fn revoke_initial_access_token(&self, name: &str) -> Stored<bool>;
}

/// How long an open registration waits for its first use.
pub const OPEN_STAYS: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

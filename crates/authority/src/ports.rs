//! What the decisions need of the world, as traits. Whatever spawns, sleeps, times out or queues
//! sits behind one of these.

mod documents;
mod keys_at_rest;
mod logos;
mod logout_outbox;
mod outbound;
mod parking;
mod pending;
mod pings;
mod registrations;

use std::sync::Arc;

use async_trait::async_trait;
use keystile_protocol::{ClientId, Secret, Timestamp};

use crate::decisions::{
    ConsentGiven, OnceKind, Redeemed, Redemption, Rotated, Rotation, SessionOpened, SignedUp,
    UsedOnce,
};
use crate::ids::{AccountId, GrantId, SessionId};
use crate::incident::Incident;
use crate::records::{
    Account, AppAccess, Client, Credentials, GrantNow, Session, Situation, StoredDecryptionKey,
    StoredKey, UserClaims,
};

pub use documents::{DocumentError, Documents, Keeping};
pub use keys_at_rest::{Kept, KeysAtRest, Resealed};
pub use logos::Logos;
pub use logout_outbox::LogoutOutbox;
pub use outbound::{Fetched, Fetching, Outbound, OutboundError};
pub use parking::Parking;
pub use pending::PendingAuthorizations;
pub use pings::PingOutbox;
pub use registrations::{OPEN_STAYS, Registrations};

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is away, busy or full, and nothing was written. Worth another try.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A write was sent and its answer was lost: it may be on disk, or not.
    #[error("the store did not say whether it wrote: {0}")]
    InDoubt(String),
    /// It holds something that this program cannot read, or does not understand the question.
    #[error("the store failed: {0}")]
    Broken(String),
    /// What was to be added is there already, or what was to be changed is not there.
    #[error("{0}")]
    Conflict(String),
}

/// What a store answers.
pub type Stored<T> = Result<T, StoreError>;

/// The memory: whole domain operations, each one transaction.
#[async_trait]
pub trait Store:
    KeysAtRest
    + LogoutOutbox
    + Parking
    + PendingAuthorizations
    + PingOutbox
    + Registrations
    + Logos
    + Send
    + Sync
{
    /// A number that a restore or a promotion raises: what was sealed in an earlier epoch is
    /// refused.
    fn epoch(&self) -> u64;

    /// A client, switched off or not. May be answered from memory that is a second old;
    /// `fresh` reads the row.
    async fn client(&self, id: &ClientId, fresh: bool) -> Stored<Option<Arc<Client>>>;
    /// The session with that handle, if it is alive and its account is enabled, and what its
    /// user allowed the client.
    async fn situation(
        &self,
        handle: &SessionHandle,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> Stored<Situation>;
    /// What a sign-in needs.
    async fn credentials(&self, username: &str) -> Stored<Option<Credentials>>;
    /// An account.
    async fn account(&self, id: &AccountId) -> Stored<Option<Account>>;
    /// A grant and its life, and whether the access token `jti` was revoked by itself.
    async fn grant(
        &self,
        id: &GrantId,
        jti: Option<&str>,
        now: Timestamp,
    ) -> Stored<Option<GrantNow>>;
    /// Whether an access token without a grant was revoked.
    async fn token_revoked(&self, jti: &str) -> Stored<bool>;

    /// Redeems a code: one statement, durable when it returns. Where the answer is lost, the store
    /// sends the same redemption again for a while, which finds its own row and is Done; only what
    /// cannot be settled so is [`StoreError::InDoubt`].
    async fn redeem_code(&self, redemption: Redemption) -> Stored<Redeemed>;
    /// Revokes the grant of a code that came again after its life, if that very code was ever
    /// redeemed: another approval of the same pushed request leaves the grant alone.
    async fn revoke_redeemed(
        &self,
        id: &GrantId,
        approval: Option<[u8; 16]>,
        now: Timestamp,
    ) -> Stored<()>;
    /// Revokes a grant, if there is one.
    async fn revoke_grant(&self, id: &GrantId, now: Timestamp) -> Stored<()>;
    /// Notes what may be used once. Nothing: all of it is `by`'s, 16 random bytes of the request.
    /// Otherwise: what another request used before.
    async fn use_once(&self, once: Vec<UsedOnce>, by: [u8; 16]) -> Stored<Option<OnceKind>>;
    /// Moves a refresh token's counter, if it is still where it was.
    async fn rotate(&self, rotation: Rotation) -> Stored<Rotated>;
    /// Notes that a grant was used.
    async fn touch_grant(&self, id: &GrantId, now: Timestamp) -> Stored<()>;
    /// Revokes one access token until it expires.
    async fn revoke_token(&self, jti: &str, expires_at: Timestamp) -> Stored<()>;

    /// Opens a session and ends the one before it.
    async fn open_session(&self, opened: SessionOpened) -> Stored<()>;
    /// Notes that a session was used and when it now ends.
    async fn touch_session(
        &self,
        id: &SessionId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Stored<()>;
    /// Ends a session of the account.
    async fn end_session(&self, id: &SessionId, account: &AccountId, now: Timestamp) -> Stored<()>;
    /// Remembers a consent.
    async fn remember_consent(&self, given: ConsentGiven) -> Stored<()>;
    /// Takes a consent back; the client's grants die with it.
    async fn withdraw_consent(
        &self,
        account: &AccountId,
        client: &ClientId,
        now: Timestamp,
    ) -> Stored<()>;
    /// Sets a password's hash, and with it ends all sessions and grants of the account.
    async fn change_password(&self, account: &AccountId, hash: &str, now: Timestamp) -> Stored<()>;
    /// Replaces a password's hash by a stronger one of the same password, unless the password was
    /// changed meanwhile.
    async fn strengthen_password(&self, account: &AccountId, from: &str, to: &str) -> Stored<()>;
    /// Adds an account that a person made. False: somebody has the user name.
    async fn sign_up(&self, made: SignedUp) -> Stored<bool>;
    /// Ends all sessions and grants of the account.
    async fn sign_out_everywhere(&self, account: &AccountId, now: Timestamp) -> Stored<()>;

    /// The apps that a user allowed something.
    async fn apps_of(&self, account: &AccountId) -> Stored<Vec<AppAccess>>;
    /// A user's live sessions.
    async fn sessions_of(&self, account: &AccountId, now: Timestamp) -> Stored<Vec<Session>>;

    /// All signing keys.
    async fn keys(&self) -> Stored<Vec<StoredKey>>;
    /// Adds a signing key, unless another node added one for its algorithm meanwhile.
    async fn add_key(&self, key: StoredKey) -> Stored<()>;
    /// All keys that decrypt.
    async fn decryption_keys(&self) -> Stored<Vec<StoredDecryptionKey>>;
    /// Adds a key that decrypts, unless another node added one of its type meanwhile.
    async fn add_decryption_key(&self, key: StoredDecryptionKey) -> Stored<()>;
    /// Keeps an incident for `keystile explain`, in a table of fixed size.
    async fn record_incident(&self, incident: &Incident) -> Stored<()>;
    /// Whether the store answers, for the readiness check; and what time it is by its clock, where
    /// that is not this machine's own.
    async fn ping(&self) -> Stored<Option<Timestamp>>;
}

/// What the operator's tools need of the store beside [`Store`]: the command line and the
/// configuration file.
#[async_trait]
pub trait Registry: Send + Sync {
    /// All clients, by identifier.
    async fn clients(&self) -> Stored<Vec<Client>>;
    /// Adds or replaces a client.
    async fn put_client(&self, client: &Client) -> Stored<()>;
    /// Removes a client; its grants are dead. False if there is none.
    async fn remove_client(&self, id: &ClientId) -> Stored<bool>;
    /// All accounts, by name.
    async fn accounts(&self) -> Stored<Vec<Account>>;
    /// Adds an account.
    async fn add_account(&self, account: &Account, password_hash: Option<&str>) -> Stored<()>;
    /// Switches an account on or off; while it is off its sessions and grants are dead.
    async fn set_account_enabled(&self, id: &AccountId, enabled: bool) -> Stored<()>;
    /// Replaces an account's claims.
    async fn set_claims(&self, account: &AccountId, claims: &UserClaims) -> Stored<()>;
    /// Removes an account; its sessions and grants are dead. False if there is none.
    async fn remove_account(&self, id: &AccountId) -> Stored<bool>;
    /// Adds a signing key after others of its algorithm, however new those are.
    async fn rotate_key(&self, key: &StoredKey) -> Stored<()>;
    /// Adds a key that decrypts after others of its type, however new those are.
    async fn rotate_decryption_key(&self, key: &StoredDecryptionKey) -> Stored<()>;
    /// The incident of that reference.
    async fn incident(&self, reference: &str) -> Stored<Option<Incident>>;
}

/// What a session cookie holds: the session's key and a secret of 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionHandle {
    /// The key.
    pub id: SessionId,
    /// SHA-256 of the secret.
    pub secret_digest: [u8; 32],
}

impl std::fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionHandle({})", self.id)
    }
}

impl SessionHandle {
    /// Reads a cookie's value; nothing if it is not one of ours.
    pub fn from_cookie(value: &str) -> Option<Self> {
        let bytes = keystile_protocol::encoding::from_base64url(value)?;
        let (id, secret) = bytes.split_at_checked(16)?;
        if secret.len() != 32 {
            return None;
        }
        Some(Self {
            id: SessionId::from_bytes(id.try_into().ok()?),
            secret_digest: keystile_protocol::encoding::sha256(secret),
        })
    }

    /// A cookie's value and the handle that it will be read as.
    pub fn to_cookie(id: SessionId, secret: [u8; 32]) -> (Secret, Self) {
        let value = [id.as_bytes().as_slice(), &secret].concat();
        let secret_digest = keystile_protocol::encoding::sha256(secret);
        (Secret::new(keystile_protocol::encoding::base64url(value)), Self { id, secret_digest })
    }
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now. Asked once a request.
    fn now(&self) -> Timestamp;
}

/// Where randomness comes from.
pub trait Entropy: Send + Sync {
    /// Fills the bytes with unguessable ones.
    fn fill(&self, bytes: &mut [u8]);
}

impl dyn Entropy {
    /// That many unguessable bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// Nothing could be hashed within the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password hash's queue is full")]
pub struct HashBusy;

/// What a check of a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordChecked {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the hash is weaker than those made today.
    pub outdated: bool,
}

/// Password hashing, on a small pool of its own.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// Checks a password. Without a hash it does the same work and says no.
    async fn check(
        &self,
        password: Secret,
        hash: Option<String>,
    ) -> Result<PasswordChecked, HashBusy>;
    /// Hashes a password.
    async fn hash(&self, password: Secret) -> Result<String, HashBusy>;
}

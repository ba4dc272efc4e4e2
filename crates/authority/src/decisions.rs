//! What the rules decided and the store may write. Only rules can build these: outside of this
//! crate they can be read and not made.

use keystile_protocol::access_token::SenderConstraint;
use keystile_protocol::encoding::sha256;
use keystile_protocol::{AuthorizationDetails, ClientId, Scope, Timestamp};

use crate::ids::{AccountId, GrantId, ParkedId, SessionId};
use crate::rules::asked_claims::AskedClaims;

/// A code that may be redeemed: the birth of a grant (RFC 6749 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in records::Grant and sealed::Code")]
pub struct Redemption {
    pub grant: GrantId,
    /// 128 random bits of this request: whoever reads them back wrote the row.
    pub redemption: [u8; 16],
    pub account: AccountId,
    pub client: ClientId,
    pub session: SessionId,
    pub sid: [u8; 16],
    /// Whether the grant outlives its session (`offline_access`).
    pub offline: bool,
    pub scope: Scope,
    pub resources: Vec<String>,
    pub auth_time: Timestamp,
    pub methods: Vec<String>,
    pub approved_at: Timestamp,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// The row stays at least until here, whatever ends the grant: it is the proof that the code
    /// was used.
    pub keep_until: Timestamp,
    pub salt: [u8; 16],
    /// Whether the client has to be added to the session's list.
    pub first_in_session: bool,
    pub claims: AskedClaims,
    pub details: AuthorizationDetails,
    /// What the refresh token is bound to.
    pub bound_to: Option<SenderConstraint>,
    /// What this request may be the first to use, or nothing is redeemed.
    pub once: Vec<UsedOnce>,
    /// Which approval of a pushed request this redeems; nothing for a grant of one approval.
    pub approval: Option<[u8; 16]>,
    /// The epoch that a sealed code was opened in. In another one no row is born: the store went
    /// back since then, and may have forgotten that the code was redeemed.
    pub epoch: Option<u64>,
}

impl Redemption {
    /// The same of a code that was opened in this epoch.
    pub(crate) fn in_epoch(self, epoch: u64) -> Self {
        Self { epoch: Some(epoch), ..self }
    }
}

/// What became of a [`Redemption`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The row is written and on disk: tokens may leave.
    Done,
    /// The code was redeemed before. Its grant is revoked now.
    Replayed,
    /// Another approval of the same pushed request was redeemed before. Its grant lives on.
    Taken,
    /// Account, client, consent, session or epoch ended between approval and redemption.
    Ended,
    /// The client's assertion or its proof came before; the grant is as it was.
    UsedBefore(OnceKind),
}

/// A move of a refresh token's counter (idea 7 of the design).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotation {
    /// Whose counter.
    pub grant: GrantId,
    /// What it must be for the move to count.
    pub from: u32,
    /// What it becomes.
    pub to: u32,
    /// The counter of the token that was presented for it.
    pub presented: u32,
    /// When.
    pub at: Timestamp,
}

impl Rotation {
    /// To the counter after the newest, whichever of the two that is.
    pub(crate) fn after(newest: u32, presented: u32, grant: GrantId, at: Timestamp) -> Self {
        Self { grant, from: newest, to: newest.max(presented) + 1, presented, at }
    }
}

/// What became of a [`Rotation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The counter moved.
    Done,
    /// Somebody else moved it first: read and decide again. Nothing was written.
    Changed,
}

/// A consent to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsentGiven {
    /// Whose.
    pub account: AccountId,
    /// For whom.
    pub client: ClientId,
    /// All that is allowed from now on.
    pub granted: Scope,
    /// All that was asked and is not allowed.
    pub refused: Scope,
    /// When.
    pub at: Timestamp,
}

impl ConsentGiven {
    pub(crate) fn new(
        account: AccountId,
        client: ClientId,
        granted: Scope,
        refused: Scope,
        at: Timestamp,
    ) -> Self {
        Self { account, client, granted, refused, at }
    }
}

/// A session to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionOpened {
    /// The session.
    pub session: crate::records::Session,
    /// SHA-256 of the secret half of its handle.
    pub secret_digest: [u8; 32],
    /// The browser's session until now, which ends.
    pub instead_of: Option<SessionId>,
}

impl SessionOpened {
    pub(crate) fn new(
        session: crate::records::Session,
        secret_digest: [u8; 32],
        instead_of: Option<SessionId>,
    ) -> Self {
        Self { session, secret_digest, instead_of }
    }
}

/// An account that a person made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedUp {
    /// The account.
    pub account: crate::records::Account,
    /// In PHC string format.
    pub password_hash: String,
}

impl SignedUp {
    pub(crate) fn new(account: crate::records::Account, password_hash: String) -> Self {
        Self { account, password_hash }
    }
}

/// A `jti` that counts once: it is written with the operation that it allows, and whoever finds it
/// written by another request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsedOnce {
    /// Of what it is the name.
    pub kind: OnceKind,
    /// Digest of kind, signer and `jti`.
    pub key: [u8; 32],
    /// From when on it is refused for its age, so that it can be forgotten.
    pub expires_at: Timestamp,
}

/// What a [`UsedOnce`] is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnceKind {
    /// A client assertion (RFC 7523 section 3).
    ClientAssertion,
    /// A DPoP proof (RFC 9449 section 11.1).
    DpopProof,
    /// An assertion that is a grant (RFC 7523 section 3).
    AssertionGrant,
    /// A signed authentication request (OpenID Connect CIBA Core 1.0 section 7.1.1).
    AuthenticationRequest,
}

impl UsedOnce {
    /// The `jti` of a signer, whose bytes say who it is.
    pub(crate) fn new(kind: OnceKind, signer: &[u8], jti: &str, expires_at: Timestamp) -> Self {
        let purpose: u8 = match kind {
            OnceKind::ClientAssertion => 1,
            OnceKind::DpopProof => 2,
            OnceKind::AssertionGrant => 3,
            OnceKind::AuthenticationRequest => 4,
        };
        let key = sha256([&[purpose], &sha256(signer)[..], jti.as_bytes()].concat());
        Self { kind, key, expires_at }
    }
}

/// Something too large to travel, to be kept for a while if there is room.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Park {
    /// What its reference names.
    pub id: ParkedId,
    /// Who takes up the room.
    pub owner: String,
    /// What is kept.
    pub content: String,
    /// Until when.
    pub expires_at: Timestamp,
    /// Now: what has expired takes up no room.
    pub at: Timestamp,
    /// How much one owner may keep.
    pub per_owner: u32,
    /// Of how much in all.
    pub in_all: u32,
}

/// What became of a [`Park`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// It is kept, and on disk.
    Done,
    /// There is no room.
    Full,
}

/// What becomes of the server's own keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyChange {
    /// Keys that are used from another time on.
    pub used_from: Vec<(String, Timestamp)>,
    /// Keys that go. Never the last of an algorithm that is on.
    pub removed: Vec<String>,
    /// Keys whose algorithm was switched off, or on again, and since when they are not used.
    pub unused_since: Vec<(String, Option<Timestamp>)>,
}

impl KeyChange {
    pub(crate) fn nothing() -> Self {
        Self { used_from: Vec::new(), removed: Vec::new(), unused_since: Vec::new() }
    }

    /// Whether nothing changes.
    pub fn is_nothing(&self) -> bool {
        self.used_from.is_empty() && self.removed.is_empty() && self.unused_since.is_empty()
    }

    /// Both changes.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.used_from.extend(more.used_from);
        self.removed.extend(more.removed);
        self.unused_since.extend(more.unused_since);
        self
    }
}

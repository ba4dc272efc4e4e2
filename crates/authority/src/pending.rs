//! Authorizations that wait for a user's word while the client polls for it with a code: those of
//! devices (RFC 8628), and those that clients ask a named user for (OpenID Connect CIBA Core 1.0).
//! They are written before anybody has signed in, so that there is a cap on them, and live for
//! minutes.

use std::time::Duration;

use keystile_protocol::encoding::{base64url, equal_in_constant_time, from_base64url, sha256};
use keystile_protocol::seal::Sealed;
use keystile_protocol::{AuthorizationDetails, ClientId, Scope, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decisions::ConsentGiven;
use crate::ids::{AccountId, GrantId, SessionId};
use crate::ping::PingCall;
use crate::policy::WaitingLimits;
use crate::records::GrantType;
use crate::user_code::UserCode;

/// An authorization that waits, or waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its key, and that of the grant that it leads to.
    pub grant: GrantId,
    /// SHA-256 of the secret half of the client's code.
    pub secret_digest: [u8; 32],
    /// What a person finds it by, where it is found so.
    pub user_code: Option<UserCode>,
    /// Whom it waits for, where the client said so.
    pub asked_of: Option<AskedOf>,
    /// Who asks.
    pub client: ClientId,
    /// For what.
    pub scope: Scope,
    /// For which APIs, where the client says so.
    pub resources: Vec<String>,
    /// For what beside the scope (RFC 9396).
    pub details: AuthorizationDetails,
    /// From when on its codes are good for nothing.
    pub expires_at: Timestamp,
    /// How the client polls.
    pub pace: Pace,
    /// What the user said.
    pub answer: Option<PendingAnswer>,
    /// Whether the client got its tokens.
    pub redeemed: bool,
}

impl Pending {
    /// The grant that its client polls by.
    pub const fn grant_type(&self) -> GrantType {
        if self.asked_of.is_some() { GrantType::Ciba } else { GrantType::DeviceCode }
    }
}

/// Whom a client asks, and how (OpenID Connect CIBA Core 1.0 section 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedOf {
    /// The user: nobody else sees it, and nobody else's word counts.
    pub account: AccountId,
    /// `binding_message`: what the client shows the user too.
    pub binding_message: Option<String>,
    /// Whether the ID token is to say how strongly the user was authenticated (`acr_values`).
    pub wants_acr: bool,
}

/// How a client polls, and may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The least time between two polls.
    pub interval: Duration,
    /// The last one that came in time.
    pub last_poll: Option<Timestamp>,
}

impl Pace {
    /// The least time between two polls to begin with: that of a client that is told none (RFC 8628
    /// section 3.2, OpenID Connect CIBA Core 1.0 section 7.3).
    pub const INTERVAL: Duration = Duration::from_secs(5);

    /// Before the first poll.
    pub const fn first() -> Self {
        Self { interval: Self::INTERVAL, last_poll: None }
    }
}

/// What a user said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingAnswer {
    /// Yes.
    Allowed(Approval),
    /// No.
    Denied(AccountId),
}

impl PendingAnswer {
    /// Who said it.
    pub const fn account(&self) -> &AccountId {
        match self {
            Self::Allowed(approval) => &approval.account,
            Self::Denied(account) => account,
        }
    }
}

/// What a user allowed, and in which session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose approval it is.
    pub account: AccountId,
    /// In which session it was given.
    pub session: SessionId,
    /// That session's `sid`.
    pub sid: [u8; 16],
    /// What was allowed.
    pub scope: Scope,
    /// When the user was authenticated.
    pub auth_time: Timestamp,
    /// By which means.
    pub methods: Vec<String>,
    /// When it was given.
    pub approved_at: Timestamp,
    /// Whether the session's list of clients lacks this one.
    pub first_in_session: bool,
}

/// The code that a client polls with: the key of what it waits for, and a secret of 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedCode {
    /// The key.
    pub grant: GrantId,
    secret_digest: [u8; 32],
}

impl std::fmt::Debug for PresentedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PresentedCode({})", self.grant)
    }
}

impl PresentedCode {
    /// Reads one; nothing if it is not one of ours.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes = from_base64url(code)?;
        let (grant, secret) = bytes.split_at_checked(16)?;
        if secret.len() != 32 {
            return None;
        }
        let grant = GrantId::from_bytes(grant.try_into().ok()?);
        Some(Self { grant, secret_digest: sha256(secret) })
    }

    /// A code to give away, and how it will be read.
    pub fn new(grant: GrantId, secret: [u8; 32]) -> (Secret, Self) {
        let code = [grant.as_bytes().as_slice(), &secret].concat();
        (Secret::new(base64url(code)), Self { grant, secret_digest: sha256(secret) })
    }

    /// What is kept of the secret.
    pub const fn secret_digest(&self) -> [u8; 32] {
        self.secret_digest
    }

    /// Whether it is the code of that.
    pub fn is_of(&self, pending: &Pending) -> bool {
        self.grant == pending.grant
            && equal_in_constant_time(&self.secret_digest, &pending.secret_digest)
    }
}

/// An authorization that is to wait. Only rules make these.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingOpened {
    /// What waits.
    pub pending: Pending,
    /// Where the client is.
    pub network: String,
    /// When.
    pub at: Timestamp,
    /// How many may wait.
    pub limits: WaitingLimits,
    /// What the client is told when the user has answered, or the time is over.
    pub ping: Option<Sealed<PingCall>>,
}

impl PendingOpened {
    pub(crate) fn new(
        pending: Pending,
        network: &str,
        limits: WaitingLimits,
        at: Timestamp,
    ) -> Self {
        Self { pending, network: network.to_owned(), at, limits, ping: None }
    }
}

/// What became of a [`PendingOpened`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It waits.
    Done,
    /// Another has its user code: make a new one.
    CodeTaken,
    /// As many wait as may, of that network; or of that client, or for that user.
    TooMany,
    /// As many wait as may, in all.
    Full,
}

/// A poll that changes how the client may poll. Only rules make these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Polled {
    /// For which authorization.
    pub grant: GrantId,
    /// What it must be for the change to count.
    pub before: Pace,
    /// What it becomes.
    pub after: Pace,
}

impl Polled {
    pub(crate) fn new(grant: GrantId, before: Pace, after: Pace) -> Self {
        Self { grant, before, after }
    }
}

/// A user's word. Only rules make these.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingAnswered {
    /// On which authorization.
    pub grant: GrantId,
    /// The word.
    pub answer: PendingAnswer,
    /// What is to be remembered with it.
    pub consent: Option<ConsentGiven>,
    /// When.
    pub at: Timestamp,
}

impl PendingAnswered {
    pub(crate) fn new(
        grant: GrantId,
        answer: PendingAnswer,
        consent: Option<ConsentGiven>,
        at: Timestamp,
    ) -> Self {
        Self { grant, answer, consent, at }
    }
}

//! Telling clients that a session has ended: how they want to be told, what waits to be told, and
//! what became of it.

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::logout_token::{self, LogoutTokenClaims};
use keystile_protocol::messages::Audience;
use keystile_protocol::{ClientId, Issuer, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::AccountId;
use crate::keys::Keys;
use crate::mint::{MintError, signing_key};
use crate::rules::logout_message::TOKEN_LIFE;

/// How a client is told that a session has ended; the members of its registration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutChannels {
    /// `backchannel_logout_uri` (OpenID Connect Back-Channel Logout 1.0 section 2.2).
    #[serde(default)]
    pub backchannel_uri: Option<String>,
    /// `backchannel_logout_session_required`. Our tokens always name the session.
    #[serde(default)]
    pub backchannel_session_required: bool,
    /// `frontchannel_logout_uri` (OpenID Connect Front-Channel Logout 1.0 section 2).
    #[serde(default)]
    pub frontchannel_uri: Option<String>,
    /// `frontchannel_logout_session_required`. Our frames always name the session.
    #[serde(default)]
    pub frontchannel_session_required: bool,
}

/// A message that waits to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutMessage {
    /// Its row.
    pub id: i64,
    /// To whom.
    pub client: ClientId,
    /// Who was signed in.
    pub account: AccountId,
    /// The session as clients know it.
    pub sid: [u8; 16],
    /// How often it was tried, this time among them.
    pub tries: u32,
    /// From here on it is not tried again.
    pub give_up_at: Timestamp,
}

/// Which messages are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Those that are due by then.
    pub now: Timestamp,
    /// Nobody else gets them before.
    pub lease_until: Timestamp,
    /// For those that are taken for the first time.
    pub give_up_at: Timestamp,
    /// At most so many.
    pub limit: u32,
}

/// What became of a message at one try. Only [`crate::rules::logout_message`] makes these.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// Which message.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// When it is tried again; nothing if it is settled for good.
    pub next_try_at: Option<Timestamp>,
    /// What happened, in words.
    pub outcome: String,
}

impl Settled {
    pub(crate) fn new(
        id: i64,
        at: Timestamp,
        next_try_at: Option<Timestamp>,
        outcome: String,
    ) -> Self {
        Self { id, at, next_try_at, outcome }
    }
}

/// A line of the delivery log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Whose session it was.
    pub account: AccountId,
    /// Which session.
    pub sid: [u8; 16],
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, while it is not settled.
    pub next_try_at: Option<Timestamp>,
    /// When it was settled for good.
    pub settled_at: Option<Timestamp>,
    /// What happened last; nothing before the first try.
    pub outcome: Option<String>,
}

/// Signs a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.4), as the client's ID
/// tokens are signed. `jti` is 16 random bytes, new at each try: a client that took the token of
/// an earlier try refuses to see its name again.
pub fn logout_token(
    message: &LogoutMessage,
    subject: String,
    algorithm: Algorithm,
    jti: [u8; 16],
    issuer: &Issuer,
    keys: &Keys,
    now: Timestamp,
) -> Result<String, MintError> {
    let key = signing_key(keys, algorithm)?;
    let claims = LogoutTokenClaims {
        iss: issuer.clone(),
        sub: Some(subject),
        aud: Audience::One(message.client.to_string()),
        iat: now.seconds(),
        exp: now.plus(TOKEN_LIFE).seconds(),
        jti: base64url(jti),
        events: logout_token::events(),
        sid: Some(base64url(message.sid)),
        nonce: None,
    };
    Ok(key.sign(logout_token::TYPE, &claims)?)
}

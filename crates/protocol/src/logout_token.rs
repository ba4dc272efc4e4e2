//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.4): what the authorization
//! server signs and the client reads.

use serde::{Deserialize, Serialize};

use crate::messages::Audience;
use crate::values::Issuer;

/// The `typ` of such a token (section 2.4).
pub const TYPE: &str = "logout+jwt";
/// The member of `events` that makes a token a logout token (section 2.4).
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token (section 2.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogoutTokenClaims {
    /// Who issued it.
    pub iss: Issuer,
    /// Whose sessions end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// For which client.
    pub aud: Audience,
    /// Seconds since 1970, when it was issued.
    pub iat: i64,
    /// Seconds since 1970, from which on it is not accepted.
    pub exp: i64,
    /// The token's own name.
    pub jti: String,
    /// What happened: [`EVENT`], with an object that is empty.
    pub events: serde_json::Map<String, serde_json::Value>,
    /// The session that ended, at the authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// "MUST NOT be used" (section 2.4): read so that a token which has one can be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<serde_json::Value>,
}

/// The `events` of a logout token.
pub fn events() -> serde_json::Map<String, serde_json::Value> {
    let happened = serde_json::Value::Object(serde_json::Map::new());
    std::iter::once((EVENT.to_owned(), happened)).collect()
}

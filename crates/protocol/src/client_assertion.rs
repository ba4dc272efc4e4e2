//! Client assertions (RFC 7523 section 3, OpenID Connect Core 1.0 section 9): their claims as they
//! go over the wire. Who may believe which is for the authorization server's rules to say.

use serde::{Deserialize, Serialize};

use crate::messages::Audience;
use crate::time::numeric_date;

/// The one `client_assertion_type` that there is (RFC 7523 section 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The claims of a client assertion. What must be there and is not is a fact for the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientAssertionClaims {
    /// Who signed it: the client itself.
    #[serde(default)]
    pub iss: Option<String>,
    /// Who it is about: the client again.
    #[serde(default)]
    pub sub: Option<String>,
    /// For which authorization server.
    #[serde(default)]
    pub aud: Option<Audience>,
    /// Its own name, used once.
    #[serde(default)]
    pub jti: Option<String>,
    /// Seconds since 1970, from which on it is not accepted.
    #[serde(default, deserialize_with = "numeric_date")]
    pub exp: Option<i64>,
    /// Seconds since 1970, before which it is not accepted.
    #[serde(default, deserialize_with = "numeric_date", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Seconds since 1970, when it was made.
    #[serde(default, deserialize_with = "numeric_date", skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
}

//! Clients that ask for a user behind the browser's back (OpenID Connect Client-Initiated
//! Backchannel Authentication Core 1.0, CIBA): how they do it.

use keystile_protocol::jose::Algorithm;
use serde::{Deserialize, Serialize};

/// How a client asks, and how it learns of the answer (section 4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CibaOptions {
    /// `backchannel_token_delivery_mode`.
    pub delivery: Delivery,
    /// `backchannel_authentication_request_signing_alg`: with one, its requests are signed.
    pub request_algorithm: Option<Algorithm>,
}

/// How a client learns that it can fetch its tokens (section 5). Tokens are pushed to nobody:
/// FAPI-CIBA section 5.2.2 forbids it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It asks now and then.
    #[default]
    Poll,
    /// It is told at its `backchannel_client_notification_endpoint`.
    Ping(String),
}

impl Delivery {
    /// The names of all modes.
    pub const NAMES: [&str; 2] = ["poll", "ping"];

    /// The name on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Ping(_) => "ping",
        }
    }

    /// Where the client is told.
    pub fn notification_endpoint(&self) -> Option<&str> {
        match self {
            Self::Poll => None,
            Self::Ping(endpoint) => Some(endpoint),
        }
    }
}

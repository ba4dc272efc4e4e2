use keystile_protocol::encoding::sha256;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{AuthorizationDetails, Issuer, Scope, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SessionKey;
use crate::flow::StepUp;

/// What a session knows. Sealed before it reaches a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    /// The key that it is stored under: contents moved to another row do not open.
    pub(crate) key: [u8; 32],
    /// The login that it came from, for events.
    pub(crate) login: String,
    pub(crate) issuer: Issuer,
    /// The user, where `openid` was asked for.
    pub(crate) subject: Option<String>,
    pub(crate) sid: Option<String>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) auth_time: Option<i64>,
    pub(crate) started_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) tokens: Tokens,
    /// What the tokens are bound to: see [`crate::flow::ProofKey`].
    #[serde(default)]
    pub(crate) proof_key: Option<Secret>,
    /// The ID token of the login, where the sign-out names it.
    #[serde(default)]
    pub(crate) id_token: Option<Secret>,
    /// What an API had asked for, if the login was for that.
    #[serde(default)]
    pub(crate) step_up: Option<StepUp>,
}

/// What the app may do for the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access: Secret,
    pub(crate) access_expires_at: Option<Timestamp>,
    pub(crate) refresh: Option<Secret>,
    pub(crate) scope: Scope,
    #[serde(default)]
    pub(crate) details: AuthorizationDetails,
}

impl Tokens {
    /// From a token response; `before` is what holds where the response is silent: the scope asked
    /// for (RFC 6749 section 5.1) and the refresh token used (section 6).
    pub(crate) fn from_response(
        response: &TokenResponse,
        scope_before: &Scope,
        refresh_before: Option<&Secret>,
        now: Timestamp,
    ) -> Self {
        let life = response.expires_in.map(std::time::Duration::from_secs);
        Self {
            access: response.access_token.clone(),
            access_expires_at: life.map(|life| now.plus(life)),
            refresh: response.refresh_token.as_ref().or(refresh_before).cloned(),
            scope: response.scope.clone().unwrap_or_else(|| scope_before.clone()),
            details: response.authorization_details.clone(),
        }
    }
}

impl SessionRecord {
    /// A digest of issuer and subject.
    pub(crate) fn subject_digest(&self) -> [u8; 32] {
        subject_digest(&self.issuer, self.subject.as_deref().unwrap_or_default())
    }

    /// A digest of issuer and `sid`.
    pub(crate) fn sid_digest(&self) -> Option<[u8; 32]> {
        self.sid.as_deref().map(|sid| sid_digest(&self.issuer, sid))
    }

    /// A name of the session for events and logs.
    pub(crate) fn id(&self) -> String {
        self.key().digest()
    }

    pub(crate) fn key(&self) -> SessionKey {
        SessionKey::from_bytes(self.key)
    }
}

/// The name of all sessions of a user.
pub(crate) fn subject_digest(issuer: &Issuer, subject: &str) -> [u8; 32] {
    digest("sub", issuer, subject)
}

/// The name of the sessions that came from one login at the authorization server.
pub(crate) fn sid_digest(issuer: &Issuer, sid: &str) -> [u8; 32] {
    digest("sid", issuer, sid)
}

/// The name of a login, as something that works once.
pub(crate) fn login_digest(issuer: &Issuer, login: &str) -> [u8; 32] {
    digest("login", issuer, login)
}

/// The name of a logout token, as something that works once.
pub(crate) fn logout_digest(issuer: &Issuer, jti: &str) -> [u8; 32] {
    digest("logout", issuer, jti)
}

/// Lengths come first, so that the parts cannot be shifted against each other.
fn digest(kind: &str, issuer: &Issuer, name: &str) -> [u8; 32] {
    let issuer = issuer.as_str().as_bytes();
    let length = u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_be_bytes();
    sha256([kind.as_bytes(), length.as_slice(), issuer, name.as_bytes()].concat())
}

use std::fmt;
use std::sync::Arc;

use keystile_protocol::{AuthorizationDetails, Scope, Secret, Timestamp};

use super::{Loaded, SessionRecord};
use crate::api::ApiClient;
use crate::client::Client;
use crate::web::LoginRequired;

/// A signed-in user's session, as one request sees it. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    pub(crate) client: Client,
    pub(crate) record: Arc<SessionRecord>,
    pub(crate) again: LoginRequired,
}

/// Why a session has no access token to give.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The session is over: the user has to sign in again.
    #[error("the session is over")]
    Ended,
    /// Not now; the session lives on.
    #[error("no access token can be had right now: {0}")]
    Temporary(String),
    /// The authorization server refuses the app itself; the session lives on.
    #[error("the authorization server refuses: {0}")]
    Refused(String),
}

impl Session {
    pub(crate) fn new(client: Client, loaded: Loaded, again: LoginRequired) -> Self {
        Self { client, record: loaded.record, again }
    }

    /// A name of this session for logs: a digest that opens nothing. The same as in
    /// [`crate::Event::session`].
    pub fn id(&self) -> String {
        self.record.id()
    }

    /// The login that it came from. The same as in [`crate::Event::login`].
    pub fn login_id(&self) -> &str {
        &self.record.login
    }

    /// When it began.
    pub fn started_at(&self) -> Timestamp {
        self.record.started_at
    }

    /// When it is over in any case.
    pub fn expires_at(&self) -> Timestamp {
        self.record.expires_at
    }

    /// When the access token of this moment expires, if the server said so. A new one is fetched
    /// by itself.
    pub fn access_token_expires_at(&self) -> Option<Timestamp> {
        self.record.tokens.access_expires_at
    }

    /// What the user granted.
    pub fn scope(&self) -> &Scope {
        &self.record.tokens.scope
    }

    /// What the user granted beside the scope (RFC 9396), in the words of the server: it may have
    /// filled in or left out.
    pub fn authorization_details(&self) -> &AuthorizationDetails {
        &self.record.tokens.details
    }

    /// Calls APIs with this session's access token.
    pub fn api(&self) -> ApiClient {
        ApiClient::new(self.clone())
    }

    /// An access token that is good for some seconds at least, for a protocol that
    /// [`Self::api`] does not speak. One that is bound to a key (DPoP) is of use to [`Self::api`]
    /// alone. It must not reach the browser, a log or a URL.
    pub async fn access_token(&self) -> Result<Secret, SessionError> {
        crate::refresh::fresh_token(self, None).await
    }

    /// A new access token in the place of the one that this request knows, though that may be good
    /// for longer: for an app that knows that the user's rights have changed. Done once, however
    /// many requests ask.
    pub async fn refresh(&self) -> Result<(), SessionError> {
        let known = &self.record.tokens.access;
        crate::refresh::fresh_token(self, Some(known)).await.map(drop)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.id())
    }
}

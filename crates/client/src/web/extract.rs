use std::fmt;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde_json::{Map, Value};

use super::LoginRequired;
use super::layer::RequestSession;
use crate::api::ApiClient;
use crate::session::Session;

/// The signed-in user, as an argument of a handler below [`crate::Client::layer`].
///
/// Without one, a page load is sent to the login and comes back here; other requests are told 401.
/// `Option<User>` lets both through. Where an app has several clients, one for each issuer, and the
/// layers of all, it is the user of the one where somebody is signed in; [`Self::issuer`] says
/// which. The innermost layer's counts first, and its login is where nobody is.
///
/// ```
/// # use keystile_client::User;
/// async fn hello(user: Option<User>) -> String {
///     match &user {
///         Some(user) => format!("Hello {}", user.name().unwrap_or("whoever you are")),
///         None => "Hello stranger".to_owned(),
///     }
/// }
///
/// async fn account(user: User) -> String {
///     // What to keep a user by: addresses change hands.
///     let (issuer, subject) = (user.issuer(), user.subject());
///     format!("{subject} at {issuer}")
/// }
/// # let _: axum::Router = axum::Router::new()
/// #     .route("/", axum::routing::get(hello))
/// #     .route("/account", axum::routing::get(account));
/// ```
#[derive(Clone)]
pub struct User {
    session: Session,
}

impl User {
    /// Who it is: `sub`, never reused at this issuer. Empty where `openid` was not asked for.
    pub fn subject(&self) -> &str {
        self.session.record.subject.as_deref().unwrap_or_default()
    }

    /// Who says so.
    pub fn issuer(&self) -> &str {
        self.session.record.issuer.as_str()
    }

    /// What is known of the user: the ID token's claims, and those of userinfo if
    /// [`crate::ClientBuilder::userinfo`] asks for them.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.session.record.claims
    }

    /// One claim as text; nothing if it is absent or no text.
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims().get(name).and_then(Value::as_str)
    }

    /// The user's name, as it is shown.
    pub fn name(&self) -> Option<&str> {
        self.claim("name").or_else(|| self.claim("preferred_username"))
    }

    /// The user's address. See [`Self::email_verified`] before you rely on it.
    pub fn email(&self) -> Option<&str> {
        self.claim("email")
    }

    /// Whether the issuer has seen that the address is the user's.
    pub fn email_verified(&self) -> bool {
        self.claims().get("email_verified").and_then(Value::as_bool).unwrap_or_default()
    }

    /// When the user last typed a password or the like, in seconds since 1970, if the issuer says.
    pub fn auth_time(&self) -> Option<i64> {
        self.session.record.auth_time
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Calls APIs on this user's behalf.
    pub fn api(&self) -> ApiClient {
        self.session.api()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({:?} in {:?})", self.subject(), self.session)
    }
}

/// Where the layers of several clients are in the way, the first session that there is.
async fn user(parts: &Parts) -> Result<Option<User>, LoginRequired> {
    let all = RequestSession::all(parts);
    if all.is_empty() {
        return Err(LoginRequired::no_layer());
    }
    for session in all {
        let loaded = session.load().await.map_err(|_| LoginRequired::unavailable())?;
        if let Some(session) = loaded {
            return Ok(Some(User { session: session.clone() }));
        }
    }
    Ok(None)
}

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = LoginRequired;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, LoginRequired> {
        let found = user(parts).await?;
        let again = || RequestSession::all(parts).first().map(|session| session.again());
        found.ok_or_else(|| again().unwrap_or_else(LoginRequired::no_layer))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for User {
    type Rejection = LoginRequired;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, LoginRequired> {
        user(parts).await
    }
}

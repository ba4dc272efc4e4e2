//! The claims of the token that a request was let through with.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use keystile_protocol::{ErrorCode, ProtocolError};

use crate::{AccessTokenClaims, AuthorizationDetails, Scope};

/// A verified access token, as an extractor. It holds the claims; the token itself is not kept.
///
/// ```
/// use keystile_resource::Token;
///
/// async fn orders(token: Token) -> String {
///     format!("orders of {} by way of {}", token.subject(), token.client_id())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Token(Arc<AccessTokenClaims>);

impl Token {
    /// A token of these claims: for tests of handlers that take one.
    pub fn from_claims(claims: AccessTokenClaims) -> Self {
        Self(Arc::new(claims))
    }

    /// On whose behalf the request comes: the user, or the client itself.
    pub fn subject(&self) -> &str {
        &self.0.sub
    }

    /// The client that the token was issued to.
    pub fn client_id(&self) -> &str {
        self.0.client_id.as_str()
    }

    /// What it allows.
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Whether it allows this one.
    pub fn allows(&self, scope: &str) -> bool {
        self.0.scope.contains(scope)
    }

    /// What it allows beside its scopes (RFC 9396), such as one payment.
    pub fn authorization_details(&self) -> &AuthorizationDetails {
        &self.0.authorization_details
    }

    /// All its claims.
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.0
    }
}

/// The answer where a handler wants a [`Token`] and no [`Guard`](crate::Guard) lies around its
/// route: a fault of the API, and nothing is let through.
#[derive(Debug)]
pub struct Unguarded;

impl IntoResponse for Unguarded {
    fn into_response(self) -> Response {
        tracing::error!("a handler takes a Token, but there is no Guard around its route");
        let error = ProtocolError::new(ErrorCode::ServerError, "this route is not set up");
        (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(error)).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Token {
    type Rejection = Unguarded;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Unguarded> {
        parts.extensions.get::<Self>().cloned().ok_or(Unguarded)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Token {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

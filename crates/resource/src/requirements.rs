//! What a route asks of a token that is believed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use keystile_protocol::Timestamp;

use crate::rules::{self, Authentication};
use crate::{AccessTokenClaims, Detail, Refusal, Scope};

/// Says whether a detail allows a request.
type Allows = Arc<dyn Fn(&Detail, &Parts) -> bool + Send + Sync>;

/// All of it has to be met.
#[derive(Clone, Debug)]
pub(crate) struct Requirements {
    pub(crate) scope: Scope,
    pub(crate) authentication: Authentication,
    pub(crate) details: Vec<DetailRule>,
}

/// One of the token's authorization details has to be of this type and allow the request (RFC 9396
/// section 9).
#[derive(Clone)]
pub(crate) struct DetailRule {
    pub(crate) kind: String,
    pub(crate) allows: Allows,
}

impl fmt::Debug for DetailRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetailRule").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Requirements {
    pub(crate) fn none() -> Self {
        let authentication = Authentication::default();
        Self { scope: Scope::empty(), authentication, details: Vec::new() }
    }

    /// Whether a believed token is enough for a request.
    pub(crate) fn check(
        &self,
        claims: &AccessTokenClaims,
        head: &Parts,
        leeway: Duration,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        rules::check_scope(&claims.scope, &self.scope)?;
        for rule in &self.details {
            let allows = |detail: &Detail| (rule.allows)(detail, head);
            rules::check_detail(&claims.authorization_details, &rule.kind, allows)?;
        }
        rules::check_authentication(claims, &self.authentication, leeway, now)
    }
}

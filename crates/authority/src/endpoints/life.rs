//! Whether a token that was believed is still alive: a join, asked at each use.

use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::{ClientId, Timestamp};

use super::Authority;
use super::answer::Fault;
use crate::records::Grant;

/// What a token hangs on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hangs<'a> {
    /// The client that it was issued to.
    pub(super) client: &'a ClientId,
    /// `gid`: the grant.
    pub(super) grant: Option<&'a str>,
    /// Its name, by which it can be revoked alone.
    pub(super) jti: Option<&'a str>,
}

impl<'a> From<&'a AccessTokenClaims> for Hangs<'a> {
    fn from(claims: &'a AccessTokenClaims) -> Self {
        Self { client: &claims.client_id, grant: claims.gid.as_deref(), jti: Some(&claims.jti) }
    }
}

/// Whether a token lives, and by what.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for a moment of each request")]
pub(super) enum Life {
    /// It was revoked, or what it hung on has ended.
    Ended,
    /// A client's own.
    OfClient,
    /// Of this grant, which is alive.
    OfGrant(Grant),
}

impl Authority {
    /// One statement; one more look for a token that another client than its grant's has from an
    /// exchange: it ends with either.
    pub(super) async fn life(&self, hangs: Hangs<'_>, now: Timestamp) -> Result<Life, Fault> {
        let Some(gid) = hangs.grant else {
            let revoked = match hangs.jti {
                Some(jti) => self.store.token_revoked(jti).await?,
                None => true,
            };
            let alive = !revoked && self.is_enabled(hangs.client).await?;
            return Ok(if alive { Life::OfClient } else { Life::Ended });
        };
        let Some(grant) = self.named_grant(gid) else { return Ok(Life::Ended) };
        match self.store.grant(&grant, hangs.jti, now).await? {
            Some(state) if state.alive && !state.token_revoked => {
                let grants_own = state.grant.client == *hangs.client;
                let alive = grants_own || self.is_enabled(hangs.client).await?;
                Ok(if alive { Life::OfGrant(state.grant) } else { Life::Ended })
            }
            _ => Ok(Life::Ended),
        }
    }

    async fn is_enabled(&self, client: &ClientId) -> Result<bool, Fault> {
        Ok(self.store.client(client, false).await?.is_some_and(|client| client.enabled))
    }
}

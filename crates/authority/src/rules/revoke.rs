//! Revocation (RFC 7009): a refresh token ends its grant, an access token ends itself.

use keystile_protocol::access_token::AccessTokenClaims;
use keystile_protocol::{ClientId, Timestamp};

use crate::ids::GrantId;

/// What a revocation request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The grant ends, and all its tokens.
    Grant(GrantId),
    /// This access token ends.
    AccessToken {
        /// Its name.
        jti: String,
        /// Until when it has to be remembered.
        expires_at: Timestamp,
    },
    /// Not a token of this client: nothing happens, and the answer is the same (section 2.2).
    Nothing,
}

/// What the revocation of an access token does, for the client that asks.
pub fn access_token(claims: &AccessTokenClaims, client: &ClientId) -> Revocation {
    if claims.client_id != *client {
        return Revocation::Nothing;
    }
    Revocation::AccessToken {
        jti: claims.jti.clone(),
        expires_at: Timestamp::from_seconds(claims.exp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_client_revokes_its_own_tokens_alone_rfc_7009_2_1() {
        let claims = fixtures::access_token_claims();
        let own = access_token(&claims, &claims.client_id);
        assert!(matches!(own, Revocation::AccessToken { .. }));
        assert_eq!(access_token(&claims, &fixtures::client_id("other")), Revocation::Nothing);
    }
}

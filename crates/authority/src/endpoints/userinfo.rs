//! `/userinfo` (OpenID Connect Core 1.0 section 5.3), and how our own endpoints believe a token.

use std::sync::Arc;
use std::time::Duration;

use keystile_protocol::access_token::{
    self, AccessTokenClaims, AccessTokenError, Expectations, Scheme,
};
use keystile_protocol::jose::JoseError;
use keystile_protocol::{ClientCertificate, ErrorCode, Timestamp};

use super::Authority;
use super::answer::EndpointError;
use super::life::Life;
use super::metadata::paths;
use crate::mint::{self, ACCESS_TOKEN_ALGORITHM};
use crate::opaque_token;
use crate::recognised::Signature;
use crate::records::{Client, UserClaims};
use crate::rules::{asked_claims, claims, dpop, sender_constraint};

/// An access token as a request carried it (RFC 6750 section 2, RFC 9449 section 7.1).
#[derive(Debug)]
pub struct PresentedToken<'a> {
    /// The token.
    pub token: &'a str,
    /// By which scheme.
    pub scheme: Scheme,
    /// The request's `DPoP` headers.
    pub dpop: Vec<&'a [u8]>,
    /// The client certificate of its connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// The request's method.
    pub method: &'static str,
}

/// The answer of userinfo (OpenID Connect Core 1.0 section 5.3.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Userinfo {
    /// `application/json`
    Plain(UserClaims),
    /// `application/jwt`, for a client that wants it signed, encrypted, or both.
    Jwt(String),
}

/// Our own clock signed the token; other nodes' clocks may differ a little.
const LEEWAY: Duration = Duration::from_secs(2);

impl Authority {
    /// What the token's user allowed its client to know, in the form that the client wants.
    pub async fn userinfo(&self, presented: PresentedToken<'_>) -> Result<Userinfo, EndpointError> {
        let now = self.clock.now();
        let invalid = |words: &str| EndpointError::protocol(ErrorCode::InvalidToken, words);
        let token = self
            .believed(presented.token, now)
            .await
            .map_err(|e| EndpointError::protocol(ErrorCode::InvalidToken, e.to_string()))?;
        self.came_as_it_must(&token, &presented, now)?;
        if !token.scope.contains("openid") {
            return Err(EndpointError::protocol(
                ErrorCode::InsufficientScope,
                "userinfo needs a token with the scope 'openid' (OpenID Connect Core 5.3)",
            ));
        }
        let ended = || invalid("the token was revoked or its grant has ended");
        let Life::OfGrant(grant) = self.life((&*token).into(), now).await? else {
            return Err(ended());
        };
        let account = self.store.account(&grant.account).await?.ok_or_else(ended)?;
        let client = self.store.client(&token.client_id, false).await?.ok_or_else(ended)?;
        let mut claims = claims::userinfo(&token.sub, &account.claims, &token.scope);
        if grant.client == client.id {
            // Claims that were asked for one by one were asked for by that client.
            asked_claims::give(&mut claims, &grant.claims.userinfo, &account.claims);
        }
        self.told_as_wanted(claims, &client, now).await
    }

    /// "The response MAY be encrypted without also being signed. If both signing and encryption are
    /// requested, the response MUST be signed then encrypted" (section 5.3.2).
    async fn told_as_wanted(
        &self,
        claims: UserClaims,
        client: &Client,
        now: Timestamp,
    ) -> Result<Userinfo, EndpointError> {
        match (client.openid.userinfo_algorithm, client.encryption.userinfo) {
            (None, None) => Ok(Userinfo::Plain(claims)),
            (None, Some(encryption)) => {
                Ok(Userinfo::Jwt(self.encrypted_claims(&claims, encryption, client, now).await?))
            }
            (Some(algorithm), encryption) => {
                let issuer = &self.policy.issuer;
                let signed = mint::userinfo(claims, &client.id, algorithm, issuer, &self.keys())?;
                Ok(Userinfo::Jwt(self.nested(signed, encryption, None, client, now).await?))
            }
        }
    }

    /// A bound token comes with its certificate or with a proof of its key, which is used up in this node's memory: a
    /// durable write for each call would be more than reading claims again is worth.
    fn came_as_it_must(
        &self,
        token: &AccessTokenClaims,
        presented: &PresentedToken<'_>,
        now: Timestamp,
    ) -> Result<(), EndpointError> {
        let called = (presented.method, paths::USERINFO);
        let proved = match presented.scheme {
            Scheme::Bearer => None,
            Scheme::Dpop => self.proved_key(&presented.dpop, called, Some(presented.token), now)?,
        };
        let PresentedToken { scheme, certificate, .. } = presented;
        sender_constraint::token_may_be_used(token, *scheme, proved.as_ref(), *certificate)?;
        match proved {
            Some(proved) if !self.recent_proofs.is_new(proved.once.key, now) => {
                Err(dpop::used_before(proved.once.kind).into())
            }
            _ => Ok(()),
        }
    }

    /// An access token that we signed or sealed and that has not expired. Whether it is still alive
    /// is the store's to say. Signature or seal are checked once, and not at all where this process has
    /// signed; what can change is checked each time.
    pub(super) async fn believed(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<AccessTokenClaims>, AccessTokenError> {
        match self.believed_by_known_keys(token, now) {
            Err(AccessTokenError::Jose(JoseError::UnknownKey(kid)))
                if self.has_learned_key(&kid, now).await =>
            {
                self.believed_by_known_keys(token, now)
            }
            believed => believed,
        }
    }

    fn believed_by_known_keys(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<AccessTokenClaims>, AccessTokenError> {
        let expected = Expectations {
            issuer: &self.policy.issuer,
            audience: None,
            algorithms: &[ACCESS_TOKEN_ALGORITHM],
            leeway: LEEWAY,
        };
        let keys = self.keys();
        let claims = self.recognised.or_read(token, keys.load(), |signature| {
            if opaque_token::has_form(token) {
                return opaque_token::open(token, &self.seals)
                    .ok_or(AccessTokenError::Jose(JoseError::Malformed));
            }
            let read = match signature {
                Signature::Unknown => access_token::verify,
                Signature::Good => access_token::verify_but_for_signature,
            };
            read(token, keys.verifying(), &expected, now)
        })?;
        access_token::check_claims(&claims, &expected, now)?;
        Ok(claims)
    }
}

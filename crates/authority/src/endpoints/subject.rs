//! Who a user is to a client, and which grant a token is of.

use keystile_protocol::jose::{Algorithm, JoseError, SignedToken};
use keystile_protocol::messages::IdTokenClaims;
use keystile_protocol::params::Params;
use keystile_protocol::{ErrorCode, ProtocolError, Timestamp};

use super::Authority;
use super::answer::Fault;
use crate::ids::{AccountId, GrantId};
use crate::mint;
use crate::records::{Client, Situation};
use crate::rules::asked_claims::Wishes;
use crate::rules::subject;

/// Names the key under which grants are sealed in tokens.
const GRANT_PURPOSE: &str = "grant-id";
/// Grants outlive epochs.
const NO_EPOCH: u64 = 0;

impl Authority {
    /// `sub` of an account for that client.
    pub(super) fn subject(&self, account: &AccountId, client: &Client) -> Result<String, Fault> {
        let Some(sector) = &client.openid.sector else { return Ok(account.to_string()) };
        let keys = self.keys();
        let key = keys.pairwise().ok_or_else(|| Fault::Broken("the keys are not loaded".into()))?;
        Ok(subject::pairwise(account, sector, key))
    }

    /// `gid` of a token: sealed where subjects are pairwise, since it would tell two APIs that
    /// two tokens are of one grant.
    pub(super) fn grant_name(&self, grant: &GrantId, client: &Client, now: Timestamp) -> String {
        if client.openid.sector.is_none() {
            return grant.to_string();
        }
        self.sealed_grant_name(grant, now)
    }

    /// `gid` of a token that comes of another: sealed anew where that one's was.
    pub(super) fn next_grant_name(
        &self,
        gid: &str,
        grant: &GrantId,
        client: &Client,
        now: Timestamp,
    ) -> String {
        match GrantId::from_text(gid) {
            Some(_) => self.grant_name(grant, client, now),
            None => self.sealed_grant_name(grant, now),
        }
    }

    fn sealed_grant_name(&self, grant: &GrantId, now: Timestamp) -> String {
        let (bytes, nonce) = (grant.as_bytes().to_vec(), self.entropy.bytes());
        let sealed = self.seals.seal_bytes(GRANT_PURPOSE, bytes, NO_EPOCH, now, nonce);
        keystile_protocol::encoding::base64url(sealed)
    }

    /// The grant that a token names, sealed or not.
    pub(super) fn named_grant(&self, gid: &str) -> Option<GrantId> {
        if let Some(grant) = GrantId::from_text(gid) {
            return Some(grant);
        }
        let sealed = keystile_protocol::encoding::from_base64url(gid)?;
        let bytes = self.seals.open_bytes(GRANT_PURPOSE, &sealed, NO_EPOCH).ok()?;
        Some(GrantId::from_bytes(bytes.try_into().ok()?))
    }

    /// The claims of an ID token that we signed and that comes back as a hint; that it has
    /// expired does not matter (OpenID Connect Core 1.0 section 3.1.2.1).
    pub(super) fn hint(&self, token: &str) -> Result<IdTokenClaims, JoseError> {
        let token = self.signed_hint(token)?;
        let token = SignedToken::parse(&token)?;
        // Our other tokens have types of their own.
        let is_id_token = token.header.typ.as_deref().is_none_or(|typ| typ == mint::ID_TOKEN_TYPE);
        let claims: IdTokenClaims = token.verify(self.keys().verifying(), &Algorithm::ALL)?;
        if !is_id_token {
            return Err(JoseError::Claims("it is a token of another type".to_owned()));
        }
        if claims.iss == self.policy.issuer {
            return Ok(claims);
        }
        Err(JoseError::Claims("it comes from another issuer".to_owned()))
    }

    /// The user that `id_token_hint` names.
    pub(super) fn hinted_subject(
        &self,
        params: &Params,
        client: &Client,
    ) -> Result<Option<String>, ProtocolError> {
        let invalid = |words: String| ProtocolError::new(ErrorCode::InvalidRequest, words);
        let hint = params.optional("id_token_hint").map_err(|e| invalid(e.to_string()))?;
        hint.map(|hint| self.subject_of_hint(hint, client)).transpose()
    }

    /// The user that a client's ID token names.
    pub(super) fn subject_of_hint(
        &self,
        hint: &str,
        client: &Client,
    ) -> Result<String, ProtocolError> {
        let claims = self.hint(hint).map_err(|e| {
            let words = format!(
                "id_token_hint is not an ID token of this server: {e} (OpenID Connect Core 1.0 \
                 section 3.1.2.1)"
            );
            ProtocolError::new(ErrorCode::InvalidRequest, words)
        })?;
        subject::hinted(claims, &client.id)
    }

    /// Whether the user who is signed in is not the one that the request is about.
    pub(super) fn is_another_user(
        &self,
        wishes: &Wishes,
        hinted: Option<&str>,
        situation: &Situation,
        client: &Client,
    ) -> Result<bool, Fault> {
        match &situation.signed_in {
            Some(signed_in) if hinted.is_some() || !wishes.subjects.is_empty() => {
                let subject = self.subject(&signed_in.session.account, client)?;
                Ok(subject::is_another(&subject, hinted, &wishes.subjects))
            }
            _ => Ok(false),
        }
    }
}

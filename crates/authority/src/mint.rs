//! The tokens of a grant, signed. Everything that can fail here happens before anything is
//! written.

use std::time::Duration;

use keystile_protocol::access_token::{self, AccessTokenClaims, Confirmation, SenderConstraint};
use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::{Algorithm, JoseError, SigningKey};
use keystile_protocol::messages::{
    Audience, INTROSPECTION_JWT, IdTokenClaims, IntrospectionClaims, IntrospectionResponse,
    ResponseClaims, access_token_hash,
};
use keystile_protocol::token_exchange::Actor;
use keystile_protocol::{AuthorizationDetails, ClientId, Issuer, Nonce, Scope, Timestamp};

use crate::keys::Keys;
use crate::policy::Lifetimes;
use crate::records::{Client, UserClaims};
use crate::rules::fapi2;
use crate::rules::redirect::Reply;

/// Access tokens are always signed with this.
pub const ACCESS_TOKEN_ALGORITHM: Algorithm = Algorithm::ES256;

/// The `typ` of ID tokens.
pub const ID_TOKEN_TYPE: &str = "JWT";

/// Why nothing could be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The key is still being made: try again in a moment.
    #[error("the signing key for {0} is not ready yet")]
    NotReady(Algorithm),
    /// The operator has switched it off since the client was registered.
    #[error("{0} is switched off: see [keys] algorithms in the configuration")]
    SwitchedOff(Algorithm),
    /// The library failed.
    #[error(transparent)]
    Signing(#[from] JoseError),
}

/// The key that signs with that algorithm, or why there is none.
pub(crate) fn signing_key(keys: &Keys, algorithm: Algorithm) -> Result<&SigningKey, MintError> {
    match keys.signing(algorithm) {
        Some(key) => Ok(key),
        None if keys.is_off(algorithm) => Err(MintError::SwitchedOff(algorithm)),
        None => Err(MintError::NotReady(algorithm)),
    }
}

/// What goes into an access token.
#[derive(Debug)]
pub struct AccessToken<'a> {
    /// Whose, or the client itself.
    pub subject: String,
    /// For whom.
    pub client: &'a ClientId,
    /// Of which grant (`gid`).
    pub grant: Option<String>,
    /// For what.
    pub scope: Scope,
    /// Where.
    pub audience: Vec<String>,
    /// When the user was authenticated.
    pub auth_time: Option<Timestamp>,
    /// How strongly: an API may need to know (RFC 9470 section 6).
    pub acr: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// 16 random bytes.
    pub jti: [u8; 16],
    /// What it is bound to (RFC 9449 section 6, RFC 8705 section 3).
    pub bound_to: Option<SenderConstraint>,
    /// For what beside the scope.
    pub details: AuthorizationDetails,
    /// Who acts (RFC 8693 section 4.1).
    pub act: Option<Actor>,
    /// Who may come to (RFC 8693 section 4.4).
    pub may_act: Option<Actor>,
}

/// What an access token says (RFC 9068 section 2.2), whatever its form.
pub fn access_token_claims(
    token: AccessToken<'_>,
    issuer: &Issuer,
    now: Timestamp,
) -> AccessTokenClaims {
    AccessTokenClaims {
        iss: issuer.clone(),
        sub: token.subject,
        aud: Audience::from(token.audience),
        exp: token.expires_at.seconds(),
        iat: now.seconds(),
        nbf: None,
        jti: base64url(token.jti),
        client_id: token.client.clone(),
        scope: token.scope,
        auth_time: token.auth_time.map(Timestamp::seconds),
        acr: token.acr,
        gid: token.grant,
        cnf: token.bound_to.map(Confirmation::from),
        authorization_details: token.details,
        act: token.act,
        may_act: token.may_act,
    }
}

/// Signs an access token (RFC 9068).
pub fn access_token(claims: &AccessTokenClaims, keys: &Keys) -> Result<String, MintError> {
    let key = signing_key(keys, ACCESS_TOKEN_ALGORITHM)?;
    Ok(key.sign(access_token::TYPE, claims)?)
}

/// How long an authorization response is good as a JWT: "a maximum lifetime of 10 minutes is
/// RECOMMENDED" (JARM section 2.1).
pub(crate) const RESPONSE_LIFETIME: Duration = Duration::from_secs(600);

/// Signs an authorization response (JARM section 2.1).
pub fn authorization_response(
    reply: &Reply,
    keys: &Keys,
    now: Timestamp,
) -> Result<String, MintError> {
    let client = &reply.to.client;
    let algorithm = fapi2::authorization_response_algorithm(client);
    let key = signing_key(keys, algorithm)?;
    let params = reply.params.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let claims = ResponseClaims {
        aud: client.id.to_string(),
        exp: now.plus(RESPONSE_LIFETIME).seconds(),
        params: params.collect(),
    };
    Ok(key.sign("JWT", &claims)?)
}

/// What goes into an ID token.
#[derive(Debug)]
pub struct IdToken<'a> {
    /// Whose.
    pub subject: String,
    /// For whom.
    pub client: &'a ClientId,
    /// What the client wants it signed with.
    pub algorithm: Algorithm,
    /// The authorization request's.
    pub nonce: Option<&'a Nonce>,
    /// When the user was authenticated.
    pub auth_time: Timestamp,
    /// How strongly, where that was asked for.
    pub acr: Option<&'static str>,
    /// By which means.
    pub methods: Vec<String>,
    /// The session.
    pub sid: [u8; 16],
    /// The access token beside it.
    pub access_token: &'a str,
    /// Of which grant (`gid`), where it may be exchanged.
    pub grant: Option<String>,
    /// Claims about the user that were asked for here.
    pub user: UserClaims,
}

/// Signs an ID token (OpenID Connect Core 1.0 section 2). Claims about the user stay at
/// userinfo, unless the `claims` parameter asks for them here.
pub fn id_token(
    mut token: IdToken<'_>,
    issuer: &Issuer,
    keys: &Keys,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Result<String, MintError> {
    let key = signing_key(keys, token.algorithm)?;
    if let Some(grant) = token.grant {
        token.user.insert("gid".to_owned(), grant.into());
    }
    let claims = IdTokenClaims {
        iss: issuer.clone(),
        sub: token.subject,
        aud: Audience::One(token.client.to_string()),
        exp: now.plus(lifetimes.id_token).seconds(),
        iat: now.seconds(),
        auth_time: Some(token.auth_time.seconds()),
        nonce: token.nonce.map(Nonce::to_string),
        acr: token.acr.map(str::to_owned),
        amr: Some(token.methods),
        azp: None,
        at_hash: Some(access_token_hash(token.access_token, token.algorithm)),
        sid: Some(base64url(token.sid)),
        user: token.user,
    };
    Ok(key.sign(ID_TOKEN_TYPE, &claims)?)
}

/// Signs an answer to an introspection request (RFC 9701 section 5): with RS256 unless the client's
/// metadata say otherwise (section 6).
pub fn introspection(
    answer: IntrospectionResponse,
    client: &Client,
    issuer: &Issuer,
    keys: &Keys,
    now: Timestamp,
) -> Result<String, MintError> {
    let algorithm = client.introspection_algorithm.unwrap_or(Algorithm::RS256);
    let key = signing_key(keys, algorithm)?;
    let claims = IntrospectionClaims {
        iss: issuer.clone(),
        aud: client.id.to_string(),
        iat: now.seconds(),
        token_introspection: answer,
    };
    Ok(key.sign(INTROSPECTION_JWT, &claims)?)
}

/// Signs what userinfo says: `iss` and `aud` say from whom and for whom (OpenID Connect Core 1.0
/// section 5.3.2).
pub fn userinfo(
    mut claims: UserClaims,
    client: &ClientId,
    algorithm: Algorithm,
    issuer: &Issuer,
    keys: &Keys,
) -> Result<String, MintError> {
    let key = signing_key(keys, algorithm)?;
    claims.insert("iss".to_owned(), issuer.as_str().into());
    claims.insert("aud".to_owned(), client.as_str().into());
    Ok(key.sign("JWT", &claims)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_key_signs_it_is_being_made_or_switched_off() {
        let of = |keys: &Keys| signing_key(keys, Algorithm::EdDSA).map(drop);
        assert_eq!(of(&Keys::default()), Err(MintError::NotReady(Algorithm::EdDSA)));
        let keys = Keys::default().signing_with(&[Algorithm::ES256, Algorithm::RS256]);
        assert_eq!(of(&keys), Err(MintError::SwitchedOff(Algorithm::EdDSA)));
    }
}

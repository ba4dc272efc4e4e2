use std::time::Duration;

use keystile_protocol::encoding::equal_in_constant_time;
use keystile_protocol::jose::{Algorithm, JoseError, KeySet, SignedToken};
use keystile_protocol::messages::{IdTokenClaims, Metadata, access_token_hash};
use keystile_protocol::{ClientId, Issuer, Nonce, Timestamp};

/// An ID token comes straight from the token endpoint: one that is older than this does not belong
/// to this login.
const IAT_AT_MOST: Duration = Duration::from_mins(10);

/// What an ID token is held against (OpenID Connect Core 1.0 section 3.1.3.7).
#[derive(Clone, Copy, Debug)]
pub struct IdTokenRules<'a> {
    /// Rule 2: compared as a string.
    pub issuer: &'a Issuer,
    /// Rule 3.
    pub client_id: &'a ClientId,
    /// Rule 3: audiences beside the client that are trusted; normally none.
    pub trusted_audiences: &'a [String],
    /// Rule 7: see [`allowed_algorithms`].
    pub algorithms: &'a [Algorithm],
    /// Rule 11; nothing for the ID token of a refresh (section 12.2).
    pub nonce: Option<&'a Nonce>,
    /// The subject that is expected, where one is known already (section 12.2).
    pub subject: Option<&'a str>,
    /// Rule 13: the user's authentication is not older than this at that moment.
    pub max_age: Option<(Duration, Timestamp)>,
    /// Rule 12: `acr` is one of these; anything, or nothing, where there are none.
    pub acr: &'a [String],
    /// The access token that came with it (section 3.1.3.8).
    pub access_token: &'a str,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Why an ID token is not believed. The texts hold nothing of the token but times and names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// None came, though `openid` was asked for.
    #[error("there is none, though the scope openid was asked for")]
    Missing,
    /// Not a JWS, an algorithm that is not allowed, an unknown key, a wrong signature.
    #[error("{0}")]
    Jose(#[from] JoseError),
    /// Rule 2.
    #[error("iss is another issuer than {expected}")]
    Issuer {
        /// Who is believed.
        expected: Issuer,
    },
    /// Rule 3.
    #[error("aud does not name this client")]
    Audience,
    /// Rule 3.
    #[error("aud names somebody who is not trusted beside this client")]
    UntrustedAudience,
    /// Rules 4 and 5.
    #[error("azp is not this client")]
    AuthorizedParty,
    /// Rule 9, by that many seconds.
    #[error("it expired {seconds} s ago by this machine's clock: do the clocks differ?")]
    Expired {
        /// Seconds.
        seconds: i64,
    },
    /// From the future, by that many seconds.
    #[error("it was issued {seconds} s ahead of this machine's clock: do the clocks differ?")]
    Future {
        /// Seconds.
        seconds: i64,
    },
    /// Rule 10, by that many seconds.
    #[error("it was issued {seconds} s ago, not for this login: do the clocks differ?")]
    Old {
        /// Seconds.
        seconds: i64,
    },
    /// Rule 11.
    #[error("nonce is not this login's")]
    Nonce,
    /// Section 2: at most 255 ASCII characters; or another user than before.
    #[error("sub is missing, malformed, or another user's")]
    Subject,
    /// Rule 13: `max_age` was asked for and `auth_time` is not there.
    #[error("auth_time is missing, though max_age was asked for")]
    AuthTimeMissing,
    /// Rule 13: the user was authenticated that many seconds too early.
    #[error("the user signed in {seconds} s earlier than max_age allows")]
    AuthTooOld {
        /// Seconds.
        seconds: i64,
    },
    /// Rule 12.
    #[error("acr is none of those that are needed: the user was not authenticated so strongly")]
    Acr,
    /// Another kind of token, by its `typ` (RFC 8725 section 3.11).
    #[error("its typ says that it is no ID token")]
    Type,
    /// Section 3.1.3.8.
    #[error("at_hash is not the access token's")]
    AccessTokenHash,
}

/// The algorithms that are believed (rule 7): what the app says its registration is, otherwise
/// what the server offers among those that we know, otherwise the standard's default RS256.
pub fn allowed_algorithms(registered: &[Algorithm], metadata: &Metadata) -> Vec<Algorithm> {
    if !registered.is_empty() {
        return registered.to_vec();
    }
    let offered = &metadata.id_token_signing_alg_values_supported;
    if offered.is_empty() {
        return vec![Algorithm::RS256];
    }
    offered.iter().filter_map(|name| Algorithm::from_name(name)).collect()
}

/// Believes an ID token, or says why not.
pub fn check_id_token(
    token: &str,
    keys: &KeySet,
    rules: &IdTokenRules<'_>,
    now: Timestamp,
) -> Result<IdTokenClaims, IdTokenError> {
    let parsed = SignedToken::parse(token)?;
    if parsed.header.typ.as_deref().is_some_and(is_another_kind) {
        return Err(IdTokenError::Type);
    }
    let claims: IdTokenClaims = parsed.verify(keys, rules.algorithms)?;
    check_parties(&claims, rules)?;
    check_times(&claims, rules, now)?;
    check_nonce(&claims, rules)?;
    check_auth_time(&claims, rules)?;
    if !rules.acr.is_empty() && !claims.acr.as_ref().is_some_and(|acr| rules.acr.contains(acr)) {
        return Err(IdTokenError::Acr);
    }
    match &claims.at_hash {
        Some(hash) if *hash != access_token_hash(rules.access_token, parsed.algorithm()) => {
            Err(IdTokenError::AccessTokenHash)
        }
        _ => Ok(claims),
    }
}

/// Tokens that say of themselves that they are for something else: `at+jwt`, `logout+jwt` and the
/// like. ID tokens say `JWT` or nothing.
fn is_another_kind(typ: &str) -> bool {
    let typ = typ.strip_prefix("application/").unwrap_or(typ).to_ascii_lowercase();
    typ.ends_with("+jwt")
}

fn check_parties(claims: &IdTokenClaims, rules: &IdTokenRules<'_>) -> Result<(), IdTokenError> {
    if claims.iss != *rules.issuer {
        return Err(IdTokenError::Issuer { expected: rules.issuer.clone() });
    }
    let client_id = rules.client_id.as_str();
    if !claims.aud.contains(client_id) {
        return Err(IdTokenError::Audience);
    }
    let trusted =
        |name: &str| name == client_id || rules.trusted_audiences.iter().any(|t| t == name);
    if !claims.aud.iter().all(trusted) {
        return Err(IdTokenError::UntrustedAudience);
    }
    let several = claims.aud.iter().count() > 1;
    match claims.azp.as_deref() {
        Some(azp) if azp == client_id => {}
        None if !several => {}
        _ => return Err(IdTokenError::AuthorizedParty),
    }
    let sub = claims.sub.as_str();
    let well_formed = !sub.is_empty() && sub.len() <= 255 && sub.is_ascii();
    if !well_formed || rules.subject.is_some_and(|expected| expected != sub) {
        return Err(IdTokenError::Subject);
    }
    Ok(())
}

fn check_times(
    claims: &IdTokenClaims,
    rules: &IdTokenRules<'_>,
    now: Timestamp,
) -> Result<(), IdTokenError> {
    let leeway = seconds(rules.leeway);
    let now = now.seconds();
    let past_expiry = now.saturating_sub(claims.exp);
    if past_expiry >= leeway {
        return Err(IdTokenError::Expired { seconds: past_expiry });
    }
    let age = now.saturating_sub(claims.iat);
    if age < -leeway {
        return Err(IdTokenError::Future { seconds: age.saturating_neg() });
    }
    if age > seconds(IAT_AT_MOST) + leeway {
        return Err(IdTokenError::Old { seconds: age });
    }
    Ok(())
}

fn check_nonce(claims: &IdTokenClaims, rules: &IdTokenRules<'_>) -> Result<(), IdTokenError> {
    let Some(expected) = rules.nonce else { return Ok(()) };
    let received = claims.nonce.as_deref().unwrap_or_default();
    if equal_in_constant_time(received.as_bytes(), expected.as_str().as_bytes()) {
        Ok(())
    } else {
        Err(IdTokenError::Nonce)
    }
}

fn check_auth_time(claims: &IdTokenClaims, rules: &IdTokenRules<'_>) -> Result<(), IdTokenError> {
    let Some((max_age, asked_at)) = rules.max_age else { return Ok(()) };
    let auth_time = claims.auth_time.ok_or(IdTokenError::AuthTimeMissing)?;
    let oldest = asked_at.minus(max_age).minus(rules.leeway).seconds();
    if auth_time < oldest {
        return Err(IdTokenError::AuthTooOld { seconds: oldest.saturating_sub(auth_time) });
    }
    Ok(())
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "id_token_tests.rs"]
mod tests;

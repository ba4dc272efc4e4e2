//! The server-to-server half of a login: the code becomes tokens, the tokens become a user.

use std::time::Duration;

use keystile_protocol::jose::{JoseError, SignedToken};
use keystile_protocol::messages::{IdTokenClaims, TokenResponse};
use keystile_protocol::{Nonce, Secret, Timestamp};
use serde_json::{Map, Value};

use crate::call::{Call, kept_key};
use crate::client::Inner;
use crate::entropy::random;
use crate::failure::Cause;
use crate::flow::{
    IdTokenError, IdTokenRules, PendingLogin, TokenError, allowed_algorithms, check_id_token,
    code_request, read_bound_token_response, read_token_response,
};
use crate::observe::{Event, Step};
use crate::session::Tokens;
use crate::userinfo::userinfo;

/// What a request belongs to, for the observer.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) login: &'a str,
    pub(crate) session: Option<&'a str>,
}

impl About<'_> {
    /// No login: the client asks for itself.
    pub(crate) const NO_LOGIN: Self = Self { login: "", session: None };

    pub(crate) fn mark(self, event: Event) -> Event {
        let event = if self.login.is_empty() { event } else { event.in_login(self.login) };
        match self.session {
            Some(session) => event.in_session(session),
            None => event,
        }
    }
}

/// Who signed in, and what the app may do for them.
pub(crate) struct SignedIn {
    pub(crate) subject: Option<String>,
    pub(crate) sid: Option<String>,
    /// Kept for [`crate::ClientBuilder::id_token_hint`] alone.
    pub(crate) id_token: Option<Secret>,
    pub(crate) auth_time: Option<i64>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) tokens: Tokens,
}

/// Turns a code into a user. The code is sent once, whatever happens.
pub(crate) async fn redeem(
    inner: &Inner,
    code: &Secret,
    pending: &PendingLogin,
    redirect_uri: &str,
) -> Result<SignedIn, Cause> {
    let app = &inner.app;
    let login = pending.id();
    let about = About { login: &login, session: None };
    let request =
        code_request(&app.client_id, &app.credential, redirect_uri, &app.resources, code, pending);
    let steps = (Step::TokenRequest, Step::TokenResponse);
    let key = kept_key(pending.proof_key.as_ref())?;
    let repeatable = false;
    let call = Call {
        endpoint: "token_endpoint",
        request: &request,
        key: key.as_ref(),
        repeatable,
        steps,
        about,
    };
    let response = token_request(inner, &call).await?;
    let mut signed_in = SignedIn {
        subject: None,
        sid: None,
        id_token: response.id_token.clone().filter(|_| app.id_token_hint),
        auth_time: None,
        claims: Map::new(),
        tokens: Tokens::from_response(&response, &app.scope, None, inner.now()),
    };
    if app.scope.contains("openid") {
        let claims = identify(inner, &response, pending).await?;
        signed_in.claims = claims.user;
        if app.userinfo {
            let token = &response.access_token;
            let more = userinfo(inner, token, key.as_ref(), &claims.sub, about).await?;
            signed_in.claims.extend(more);
        }
        signed_in.subject = Some(claims.sub);
        signed_in.sid = claims.sid;
        signed_in.auth_time = claims.auth_time;
    }
    Ok(signed_in)
}

/// Posts to the token endpoint.
pub(crate) async fn token_request(
    inner: &Inner,
    call: &Call<'_>,
) -> Result<TokenResponse, TokenError> {
    let read = if call.key.is_some() { read_bound_token_response } else { read_token_response };
    inner.call(call, read).await
}

/// Believes the ID token of a login, or says why not.
async fn identify(
    inner: &Inner,
    response: &TokenResponse,
    pending: &PendingLogin,
) -> Result<IdTokenClaims, Cause> {
    let token = response.id_token.as_ref().ok_or(IdTokenError::Missing)?;
    let max_age = pending.max_age.map(|age| (Duration::from_secs(age), pending.started_at));
    let known =
        Known { nonce: Some(&pending.nonce), subject: None, max_age, acr: &pending.required_acr };
    check(inner, token, &response.access_token, known).await
}

/// The ID token of a grant that no authorization request began, and which has no nonce (RFC 8628).
pub(crate) async fn identify_without_nonce(
    inner: &Inner,
    response: &TokenResponse,
) -> Result<IdTokenClaims, Cause> {
    let token = response.id_token.as_ref().ok_or(IdTokenError::Missing)?;
    let known = Known { nonce: None, subject: None, max_age: None, acr: &[] };
    check(inner, token, &response.access_token, known).await
}

/// The ID token of a refresh, if there is one (OpenID Connect Core 1.0 section 12.2).
pub(crate) async fn check_refreshed(
    inner: &Inner,
    response: &TokenResponse,
    subject: Option<&str>,
) -> Result<(), TokenError> {
    let (Some(token), Some(subject)) = (&response.id_token, subject) else { return Ok(()) };
    let known = Known { nonce: None, subject: Some(subject), max_age: None, acr: &[] };
    match check(inner, token, &response.access_token, known).await {
        Ok(_) => Ok(()),
        Err(Cause::Unreachable(why)) => Err(TokenError::Unavailable(why)),
        Err(cause) => {
            tracing::error!(%cause, "the ID token of a refresh is refused");
            Err(TokenError::Malformed("its ID token is refused"))
        }
    }
}

/// What is known of an ID token before it is read.
struct Known<'a> {
    nonce: Option<&'a Nonce>,
    subject: Option<&'a str>,
    max_age: Option<(Duration, Timestamp)>,
    acr: &'a [String],
}

async fn check(
    inner: &Inner,
    token: &Secret,
    access_token: &Secret,
    known: Known<'_>,
) -> Result<IdTokenClaims, Cause> {
    let now = inner.now();
    // Rule 1: what is registered to be encrypted is.
    let decrypted = inner.app.encryption_key.as_ref().map(|key| key.decrypt(token, random()));
    let decrypted = decrypted.transpose().map_err(IdTokenError::from)?;
    let token = decrypted.as_ref().unwrap_or(token);
    inner.taints.secret("id_token", token);
    let kid = SignedToken::parse(token.expose()).map_err(IdTokenError::from)?.header.kid;
    let metadata = inner.provider.metadata(now).await.map_err(Cause::Unreachable)?;
    let keys = inner.provider.keys(kid.as_deref(), now).await.map_err(Cause::Unreachable)?;
    let app = &inner.app;
    let rules = IdTokenRules {
        issuer: &app.issuer,
        client_id: &app.client_id,
        trusted_audiences: &app.trusted_audiences,
        algorithms: &allowed_algorithms(&app.algorithms, &metadata),
        nonce: known.nonce,
        subject: known.subject,
        max_age: known.max_age,
        acr: known.acr,
        access_token: access_token.expose(),
        leeway: app.leeway,
    };
    let checked = check_id_token(token.expose(), &keys, &rules, now);
    // A server that names no keys may have changed them all the same.
    if kid.is_none()
        && matches!(
            checked,
            Err(IdTokenError::Jose(JoseError::Signature | JoseError::UnknownKey(_)))
        )
        && let Some(keys) = inner.provider.newer_keys(&keys, now).await
    {
        return Ok(check_id_token(token.expose(), &keys, &rules, now)?);
    }
    Ok(checked?)
}

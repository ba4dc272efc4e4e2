//! The server-to-server half of a login: the code becomes tokens, the tokens become a user.

use keystile_protocol::jose::SignedToken;
use keystile_protocol::messages::{IdTokenClaims, Metadata, TokenResponse};
use keystile_protocol::{Nonce, Secret, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

use crate::client::Inner;
use crate::failure::Cause;
use crate::flow::{
    IdTokenError, IdTokenRules, PendingLogin, TokenError, TokenRequest, allowed_algorithms,
    check_id_token, code_request, read_token_response, read_userinfo,
};
use crate::observe::{Event, Party, Shown, Step, shown};
use crate::outbound::Answer;
use crate::session::Tokens;

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
    let response = token_request(inner, &request, steps, about, inner.now()).await?;
    let mut signed_in = SignedIn {
        subject: None,
        sid: None,
        auth_time: None,
        claims: Map::new(),
        tokens: Tokens::from_response(&response, &app.scope, None, inner.now()),
    };
    if app.scope.contains("openid") {
        let claims = identify(inner, &response, pending).await?;
        signed_in.claims = claims.user;
        if app.userinfo {
            let more = userinfo(inner, &response.access_token, &claims.sub, about).await?;
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
    request: &TokenRequest,
    steps: (Step, Step),
    about: About<'_>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let metadata = inner.provider.metadata(now).await.map_err(TokenError::Unavailable)?;
    let answer = send(inner, &metadata.token_endpoint, request, steps, about).await?;
    read_token_response(answer.status, &answer.body)
}

/// Posts to an endpoint of the authorization server.
pub(crate) async fn send(
    inner: &Inner,
    url: &str,
    request: &TokenRequest,
    (asked, answered): (Step, Step),
    about: About<'_>,
) -> Result<Answer, TokenError> {
    inner.tell(asked, Party::App, Party::AuthorizationServer, |event| {
        let header =
            request.authorization.clone().map(|h| ("authorization".into(), Shown::Secret(h)));
        let form = request.parameters.iter().map(|(name, value)| shown(name, value.expose()));
        about.mark(event).request("POST", url).all(header).all(form)
    });
    let sent = inner.http.post_form(url, request.authorization.as_ref(), &request.body()).await;
    inner.tell(answered, Party::AuthorizationServer, Party::App, |event| match &sent {
        Ok(answer) => about.mark(event).status(answer.status).all(members(&answer.body)),
        Err(why) => about.mark(event).plain("lost", why),
    });
    sent.map_err(TokenError::Unavailable)
}

/// The members of a JSON answer, for the observer.
fn members(body: &[u8]) -> Vec<(String, Shown)> {
    let members: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    members.iter().map(|(name, value)| shown(name, &text(value))).collect()
}

/// Believes the ID token of a login, or says why not.
async fn identify(
    inner: &Inner,
    response: &TokenResponse,
    pending: &PendingLogin,
) -> Result<IdTokenClaims, Cause> {
    let token = response.id_token.as_ref().ok_or(IdTokenError::Missing)?;
    let max_age = pending.max_age.map(|age| (Duration::from_secs(age), pending.started_at));
    let known = Known { nonce: Some(&pending.nonce), subject: None, max_age };
    check(inner, token, &response.access_token, known).await
}

/// The ID token of a grant that no authorization request began, and which has no nonce (RFC 8628).
pub(crate) async fn identify_without_nonce(
    inner: &Inner,
    response: &TokenResponse,
) -> Result<IdTokenClaims, Cause> {
    let token = response.id_token.as_ref().ok_or(IdTokenError::Missing)?;
    let known = Known { nonce: None, subject: None, max_age: None };
    check(inner, token, &response.access_token, known).await
}

/// The ID token of a refresh, if there is one (OpenID Connect Core 1.0 section 12.2).
pub(crate) async fn check_refreshed(
    inner: &Inner,
    response: &TokenResponse,
    subject: Option<&str>,
) -> Result<(), TokenError> {
    let (Some(token), Some(subject)) = (&response.id_token, subject) else { return Ok(()) };
    let known = Known { nonce: None, subject: Some(subject), max_age: None };
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
}

async fn check(
    inner: &Inner,
    token: &Secret,
    access_token: &Secret,
    known: Known<'_>,
) -> Result<IdTokenClaims, Cause> {
    let now = inner.now();
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
        access_token: access_token.expose(),
        leeway: app.leeway,
    };
    Ok(check_id_token(token.expose(), &keys, &rules, now)?)
}

/// The user's claims from the userinfo endpoint (OpenID Connect Core 1.0 section 5.3).
pub(crate) async fn userinfo(
    inner: &Inner,
    access_token: &Secret,
    subject: &str,
    about: About<'_>,
) -> Result<Map<String, Value>, Cause> {
    let metadata = inner.provider.metadata(inner.now()).await.map_err(Cause::Unreachable)?;
    let url = userinfo_endpoint(&metadata)?;
    inner.tell(Step::UserinfoRequest, Party::App, Party::AuthorizationServer, |event| {
        about.mark(event).request("GET", url).all([shown("authorization", access_token.expose())])
    });
    let sent = inner.http.get(url, Some(access_token)).await;
    inner.tell(
        Step::UserinfoResponse,
        Party::AuthorizationServer,
        Party::App,
        |event| match &sent {
            Ok(answer) => about.mark(event).status(answer.status).all(members(&answer.body)),
            Err(why) => about.mark(event).plain("lost", why),
        },
    );
    let answer = sent.map_err(Cause::Unreachable)?;
    if answer.status != 200 {
        return Err(Cause::Unreachable(format!("userinfo answered {}", answer.status)));
    }
    read_userinfo(&answer.body, subject).map_err(Cause::Userinfo)
}

fn userinfo_endpoint(metadata: &Metadata) -> Result<&str, Cause> {
    let missing = || Cause::Unreachable("its metadata name no userinfo_endpoint".into());
    metadata.userinfo_endpoint.as_deref().ok_or_else(missing)
}

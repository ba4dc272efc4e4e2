//! What the server tells of the user, at its userinfo endpoint (OpenID Connect Core 1.0 section 5.3).

use http::{StatusCode, header};
use keystile_protocol::Secret;
use keystile_protocol::jose::SignedToken;
use serde_json::{Map, Value};

use crate::api::{ApiError, token_of};
use crate::call::{kept_key, members};
use crate::client::Inner;
use crate::entropy::random;
use crate::exchange::About;
use crate::failure::Cause;
use crate::flow::{ProofKey, UserinfoError, UserinfoRules, read_signed_userinfo, read_userinfo};
use crate::observe::{Party, Step, shown};
use crate::outbound::Answer;
use crate::session::Session;

impl Session {
    /// What the server tells of the user now, asked with a fresh token. [`crate::User::claims`] is
    /// what it told at the login.
    pub async fn userinfo(&self) -> Result<Map<String, Value>, ApiError> {
        let Some(subject) = &self.record.subject else {
            return Err(ApiError::Malformed("without the scope openid there is no user".into()));
        };
        let inner = self.client.inner();
        let token = token_of(self, None).await?;
        let key = kept_key(self.record.proof_key.as_ref());
        let key = key.map_err(|error| ApiError::Refused(error.to_string()))?;
        let about = About { login: &self.record.login, session: Some(&self.record.id()) };
        let told = userinfo(inner, &token, key.as_ref(), subject, about).await;
        told.map_err(|cause| match cause {
            Cause::Unreachable(why) => ApiError::Unreachable(why),
            other => ApiError::Malformed(other.to_string()),
        })
    }
}

/// The user's claims from the userinfo endpoint (OpenID Connect Core 1.0 section 5.3).
pub(crate) async fn userinfo(
    inner: &Inner,
    access_token: &Secret,
    key: Option<&ProofKey>,
    subject: &str,
    about: About<'_>,
) -> Result<Map<String, Value>, Cause> {
    let metadata = inner.provider.metadata(inner.now()).await.map_err(Cause::Unreachable)?;
    let missing = || Cause::Unreachable("its metadata name no userinfo_endpoint".into());
    let url = inner.endpoint(&metadata, "userinfo_endpoint").ok_or_else(missing)?;
    let ask = || userinfo_once(inner, access_token, key, url, about);
    let mut answer = ask().await.map_err(Cause::Unreachable)?;
    let status = StatusCode::from_u16(answer.status).unwrap_or_default();
    if inner.asks_for_nonce(key, url, status, &answer.headers) {
        answer = ask().await.map_err(Cause::Unreachable)?;
    }
    if answer.status != 200 {
        return Err(Cause::Unreachable(format!("userinfo answered {}", answer.status)));
    }
    believed(inner, &answer, subject).await
}

/// Plain claims, or signed ones, and those alone where the client is registered for them.
async fn believed(
    inner: &Inner,
    answer: &Answer,
    subject: &str,
) -> Result<Map<String, Value>, Cause> {
    let app = &inner.app;
    let media_type = answer.headers.get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type.to_ascii_lowercase().starts_with("application/jwt") {
        return match app.userinfo_algorithms.as_slice() {
            [] => Ok(read_userinfo(&answer.body, subject)?),
            _ => Err(UserinfoError::Plain.into()),
        };
    }
    let body = std::str::from_utf8(&answer.body).map_err(|_| UserinfoError::Malformed)?;
    let token = Secret::new(body.trim());
    let is_encrypted = token.expose().split('.').count() == 5;
    let key = app.encryption_key.as_ref().filter(|_| is_encrypted);
    let token = match key {
        Some(key) => key.decrypt(&token, random()).map_err(UserinfoError::from)?,
        None => token,
    };
    let kid = SignedToken::parse(token.expose()).map_err(UserinfoError::from)?.header.kid;
    let keys =
        inner.provider.keys(kid.as_deref(), inner.now()).await.map_err(Cause::Unreachable)?;
    let rules = UserinfoRules {
        issuer: &app.issuer,
        client_id: &app.client_id,
        algorithms: match app.userinfo_algorithms.as_slice() {
            [] => app.features.algorithms(),
            registered => registered,
        },
        subject,
    };
    Ok(read_signed_userinfo(token.expose(), &keys, &rules)?)
}

async fn userinfo_once(
    inner: &Inner,
    access_token: &Secret,
    key: Option<&ProofKey>,
    url: &str,
    about: About<'_>,
) -> Result<Answer, String> {
    inner.tell(Step::UserinfoRequest, Party::App, Party::AuthorizationServer, |event| {
        about.mark(event).request("GET", url).all([shown("authorization", access_token.expose())])
    });
    let sent = match inner.authorization(key, access_token, ("GET", url)) {
        Ok(headers) => inner.http.get(url, headers).await,
        Err(why) => Err(why),
    };
    inner.tell(
        Step::UserinfoResponse,
        Party::AuthorizationServer,
        Party::App,
        |event| match &sent {
            Ok(answer) => about.mark(event).status(answer.status).all(members(&answer.body)),
            Err(why) => about.mark(event).plain("lost", why),
        },
    );
    sent
}

//! One request to the authorization server in the app's name: proved, bound, repeated where the
//! server asks for that, and never where it could do harm.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use keystile_protocol::messages::Metadata;
use keystile_protocol::{ErrorCode, Secret, Timestamp};
use serde_json::{Map, Value};

use crate::client::{App, Inner};
use crate::entropy::random;
use crate::exchange::About;
use crate::flow::{
    Credential, ProofKey, TokenError, TokenRequest, client_assertion, left_alone_until,
    pause_before_retry, retry_after,
};
use crate::observe::{Party, Shown, Step, shown};
use crate::outbound::Answer;

/// A request and what it is to the observer.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The endpoint, by its name in the metadata.
    pub(crate) endpoint: &'static str,
    pub(crate) request: &'a TokenRequest,
    /// What the tokens are bound to, or are to be.
    pub(crate) key: Option<&'a ProofKey>,
    /// Whether a request that the server was too busy for may be sent again. One with a code may
    /// not: what became of the code is not known (RFC 6749 section 4.1.2).
    pub(crate) repeatable: bool,
    pub(crate) steps: (Step, Step),
    pub(crate) about: About<'a>,
}

/// Servers that asked to be left alone for a while, by the endpoint's URL.
#[derive(Default)]
pub(crate) struct LeftAlone(Mutex<HashMap<String, Timestamp>>);

impl LeftAlone {
    fn check(&self, url: &str, now: Timestamp) -> Result<(), TokenError> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|_, until| now < *until);
        if left.contains_key(url) { Err(TokenError::Busy(503)) } else { Ok(()) }
    }

    fn note(&self, url: &str, until: Option<Timestamp>) {
        if let Some(until) = until {
            let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            left.insert(url.to_owned(), until);
        }
    }
}

impl Inner {
    /// An endpoint's URL: with a certificate, where the server asks for certificates (RFC 8705
    /// section 5).
    pub(crate) fn endpoint<'m>(&self, metadata: &'m Metadata, name: &str) -> Option<&'m str> {
        let plain = match name {
            "token_endpoint" => Some(metadata.token_endpoint.as_str()),
            "pushed_authorization_request_endpoint" => {
                metadata.pushed_authorization_request_endpoint.as_deref()
            }
            "revocation_endpoint" => metadata.revocation_endpoint.as_deref(),
            "userinfo_endpoint" => metadata.userinfo_endpoint.as_deref(),
            "device_authorization_endpoint" => metadata.device_authorization_endpoint.as_deref(),
            _ => None,
        };
        let alias = || metadata.mtls_endpoint_aliases.get(name).map(String::as_str);
        if self.app.has_certificate { alias().or(plain) } else { plain }
    }

    /// Sends it, and reads the answer with `read`.
    pub(crate) async fn call<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(u16, &[u8]) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let metadata = self.provider.metadata(self.now()).await.map_err(TokenError::Unavailable)?;
        let url = self.endpoint(&metadata, call.endpoint).ok_or_else(|| {
            TokenError::Unavailable(format!("its metadata name no {}", call.endpoint))
        })?;
        let (mut retries, mut nonce_retried) = (0, false);
        loop {
            self.left_alone.check(url, self.now())?;
            let answer = self.call_once(call, url).await?;
            let learned = call.key.is_some() && self.nonces.learn(url, &answer.headers);
            let error = match read(answer.status, &answer.body) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // It was refused before anything was done with it (RFC 9449 section 8): a code too may
            // come again.
            if learned && !nonce_retried && is(&error, ErrorCode::UseDpopNonce) {
                nonce_retried = true;
                continue;
            }
            let header = answer.headers.get(http::header::RETRY_AFTER);
            let asked = header.and_then(|value| value.to_str().ok()).and_then(retry_after);
            let [spread] = random();
            let pause = pause_before_retry(retries, &error, asked, spread);
            let Some(pause) = pause.filter(|_| call.repeatable) else {
                self.left_alone.note(url, left_alone_until(&error, asked, self.now()));
                return Err(error);
            };
            retries += 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn call_once(&self, call: &Call<'_>, url: &str) -> Result<Answer, TokenError> {
        let request = self.proved(call.request)?;
        self.taints.request(&request);
        let proof = self.proof_header(call.key, ("POST", url), None).map_err(cannot_sign)?;
        let (asked, answered) = call.steps;
        self.tell(asked, Party::App, Party::AuthorizationServer, |event| {
            let header =
                request.authorization.clone().map(|h| ("authorization".into(), Shown::Secret(h)));
            let form = request.parameters.iter().map(|(name, value)| shown(name, value.expose()));
            let proof = proof.iter().map(|_| ("dpop".into(), Shown::Plain("a proof".into())));
            call.about.mark(event).request("POST", url).all(header).all(proof).all(form)
        });
        let authorization = request.authorization.as_ref();
        let sent = self.http.post_form(url, authorization, proof, &request.body()).await;
        if let Ok(answer) = &sent {
            self.taints.answer(&answer.body);
        }
        self.tell(answered, Party::AuthorizationServer, Party::App, |event| match &sent {
            Ok(answer) => call.about.mark(event).status(answer.status).all(members(&answer.body)),
            Err(why) => call.about.mark(event).plain("lost", why),
        });
        sent.map_err(TokenError::Unavailable)
    }

    /// With an assertion that was never sent before, where that is how the app proves itself.
    fn proved(&self, request: &TokenRequest) -> Result<TokenRequest, TokenError> {
        let request = request.clone();
        let Credential::PrivateKeyJwt(key) = &self.app.credential else { return Ok(request) };
        let App { client_id, issuer, .. } = &self.app;
        client_assertion(key, client_id, issuer, self.now(), random())
            .map(|assertion| request.with_assertion(assertion))
            .map_err(|error| cannot_sign(error.to_string()))
    }
}

fn cannot_sign(why: String) -> TokenError {
    tracing::error!(%why, "a request could not be signed");
    TokenError::Unavailable("the app could not sign its request".into())
}

fn is(error: &TokenError, code: ErrorCode) -> bool {
    matches!(error, TokenError::Refused { error: Some(found), .. } if *found == code)
}

/// The members of a JSON answer, for the observer.
pub(crate) fn members(body: &[u8]) -> Vec<(String, Shown)> {
    let members: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    members.iter().map(|(name, value)| shown(name, &text(value))).collect()
}

/// The key of a session or a login, as it was kept.
pub(crate) fn kept_key(kept: Option<&Secret>) -> Result<Option<ProofKey>, TokenError> {
    kept.map(ProofKey::from_secret).transpose().map_err(|error| cannot_sign(error.to_string()))
}

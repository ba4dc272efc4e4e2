//! The one place where an access token is put on a request: whatever calls an API for a user comes
//! through here.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use keystile_protocol::Secret;
use url::Url;

use super::{ApiError, Repeatable};
use crate::call::kept_key;
use crate::dpop::DPOP;
use crate::flow::ProofKey;
use crate::observe::{Event, Party, Step, shown};
use crate::outbound::words;
use crate::refresh::fresh_token;
use crate::session::{Session, SessionError};
use crate::web::Demand;

/// A request to an API that was named with [`crate::ClientBuilder::api`]. `Authorization` and
/// `DPoP` are ours and are replaced.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Repeatable,
    /// How long each try may take to the end of the answer; where it is not said, for ever.
    pub(crate) time_in_all: Option<Duration>,
}

impl Session {
    /// Sends it with a token that is fresh, and once more with a new one if the API answers 401.
    pub(crate) async fn send(&self, request: &Outgoing) -> Result<reqwest::Response, ApiError> {
        let token = token_of(self, None).await?;
        let answer = self.send_with(request, &token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let answer = self.if_content(answer)?;
        match token_of(self, Some(&token)).await {
            Ok(token) => self.if_content(self.send_with(request, &token).await?),
            Err(ApiError::SessionEnded(again)) => Err(ApiError::SessionEnded(again)),
            Err(_) => Ok(answer),
        }
    }

    /// The answer, unless it is about how the user signed in: a new token changes nothing then.
    fn if_content(&self, answer: reqwest::Response) -> Result<reqwest::Response, ApiError> {
        match self.demand(answer.status(), answer.headers()) {
            Demand::Nothing => Ok(answer),
            Demand::Login(again) => Err(ApiError::StepUp(again)),
            Demand::InVain => Err(ApiError::StepUpInVain),
        }
    }

    /// Sends it with that token, and once more if the API asks for a proof with its nonce.
    async fn send_with(
        &self,
        request: &Outgoing,
        token: &Secret,
    ) -> Result<reqwest::Response, ApiError> {
        let (inner, url) = (self.client.inner(), request.url.as_str());
        let kept = self.record.proof_key.as_ref();
        let key = kept_key(kept).map_err(|error| ApiError::Refused(error.to_string()))?;
        let mut answer = self.send_once(request, token, key.as_ref()).await?;
        if inner.asks_for_nonce(key.as_ref(), url, answer.status(), answer.headers()) {
            answer = self.send_once(request, token, key.as_ref()).await?;
            inner.nonces.learn(url, answer.headers());
        }
        Ok(answer)
    }

    async fn send_once(
        &self,
        request: &Outgoing,
        token: &Secret,
        key: Option<&ProofKey>,
    ) -> Result<reqwest::Response, ApiError> {
        let inner = self.client.inner();
        let Outgoing { method, url, .. } = request;
        let body = request.body.send().ok_or(ApiError::SendAgain)?;
        let about = |event: Event| event.in_login(&self.record.login).in_session(&self.record.id());
        inner.tell(Step::ApiRequest, Party::App, Party::Api, |event| {
            let query = url.query_pairs().map(|(name, value)| shown(&name, &value));
            let event = about(event).request(method.as_str(), url.as_str()).all(query);
            event.all([shown("authorization", token.expose())])
        });
        let mut headers = request.headers.clone();
        headers.remove(header::AUTHORIZATION);
        headers.remove(DPOP);
        let own = inner.authorization(key, token, (method.as_str(), url.as_str()));
        headers.extend(own.map_err(ApiError::Malformed)?);
        let mut sending = inner.http.request(method.clone(), url.clone()).headers(headers);
        if let Some(time) = request.time_in_all {
            sending = sending.timeout(time);
        }
        let sent = sending.body(body).send().await;
        inner.tell(Step::ApiResponse, Party::Api, Party::App, |event| match &sent {
            Ok(response) => about(event).status(response.status().as_u16()),
            Err(_) => about(event).plain("lost", "no answer"),
        });
        sent.map_err(|error| ApiError::Unreachable(words(error)))
    }
}

/// A token that the session can send now: see [`fresh_token`].
pub(crate) async fn token_of(
    session: &Session,
    refused: Option<&Secret>,
) -> Result<Secret, ApiError> {
    fresh_token(session, refused).await.map_err(|error| match error {
        SessionError::Ended => ApiError::SessionEnded(session.again.clone()),
        SessionError::Temporary(why) => ApiError::Unreachable(why),
        SessionError::Refused(why) => ApiError::Refused(why),
    })
}

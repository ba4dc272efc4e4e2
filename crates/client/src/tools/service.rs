//! Tokens of a service's own (RFC 6749 section 4.4), fetched once however many wait for one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{Scope, Secret, Timestamp, ValueError};
use tokio::sync::Mutex;

use super::ToolError;
use super::ask::{ask_for_token, new_key};
use crate::client::Client;
use crate::exchange::About;
use crate::flow::{ProofKey, client_credentials_request};

/// A token with less life than this is renewed; and with less than a fifth of it, where it lives
/// so shortly.
const SPARE: Duration = Duration::from_mins(1);
/// How long a token is used whose life nobody told.
const UNTOLD: Duration = Duration::from_mins(5);
/// The least time between two fetches while the token before is still good.
const PAUSE: Duration = Duration::from_secs(5);

/// Access tokens in the client's own name. Cheap to clone; all clones share one token.
///
/// ```no_run
/// # use keystile_client::{Client, tools::ServiceTokens};
/// # async fn run(client: Client, http: reqwest::Client) -> Result<(), Box<dyn std::error::Error>> {
/// // Once, at the start.
/// let tokens: ServiceTokens = client.service_tokens();
/// // For each request.
/// let url = "https://api.example/photos";
/// let headers = tokens.authorization("GET", url).await?;
/// let answer = http.get(url).headers(headers).send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServiceTokens(Arc<Shared>);

struct Shared {
    client: Client,
    scope: Scope,
    resources: Vec<String>,
    held: RwLock<Option<Held>>,
    /// Counts finished fetches, so that who waited knows that there was one.
    rounds: AtomicU64,
    flight: Mutex<Option<ToolError>>,
}

#[derive(Clone)]
struct Held {
    token: Secret,
    /// What it is bound to.
    key: Option<Arc<ProofKey>>,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl Client {
    /// Tokens for the configured scope and resources. Make it once and clone it: the token is kept
    /// in it.
    pub fn service_tokens(&self) -> ServiceTokens {
        let app = &self.inner().app;
        ServiceTokens::new(self, app.scope.clone(), app.resources.clone())
    }

    /// The same for another scope and other resources (RFC 8707).
    pub fn service_tokens_for(
        &self,
        scope: &str,
        resources: impl IntoIterator<Item = String>,
    ) -> Result<ServiceTokens, ValueError> {
        Ok(ServiceTokens::new(self, Scope::try_from(scope)?, resources.into_iter().collect()))
    }
}

impl ServiceTokens {
    fn new(client: &Client, scope: Scope, resources: Vec<String>) -> Self {
        Self(Arc::new(Shared {
            client: client.clone(),
            scope,
            resources,
            held: RwLock::default(),
            rounds: AtomicU64::new(0),
            flight: Mutex::default(),
        }))
    }

    /// A token that is good for a while. While the authorization server is away the one before is
    /// given as long as it lasts.
    pub async fn token(&self) -> Result<Secret, ToolError> {
        self.fresh().await.map(|held| held.token)
    }

    /// The headers of one request to an API: the token, and the proof that it is this client's
    /// where it is bound to a key (RFC 9449).
    pub async fn authorization(&self, method: &str, url: &str) -> Result<HeaderMap, ToolError> {
        let held = self.fresh().await?;
        let inner = self.0.client.inner();
        let headers = inner.authorization(held.key.as_deref(), &held.token, (method, url));
        headers.map_err(ToolError::Local)
    }

    async fn fresh(&self) -> Result<Held, ToolError> {
        let now = self.0.client.inner().now();
        if let Some(held) = self.held().filter(|held| now < held.renew_at) {
            return Ok(held);
        }
        let round = self.0.rounds.load(Ordering::Acquire);
        let mut failure = self.0.flight.lock().await;
        let now = self.0.client.inner().now();
        if self.0.rounds.load(Ordering::Acquire) != round {
            let held = self.held().filter(|held| now < held.expires_at);
            if let Some(result) = held.map(Ok).or_else(|| failure.clone().map(Err)) {
                return result;
            }
        }
        let key = new_key(self.0.client.inner())?;
        let fetched = self.fetch(key.as_ref()).await;
        let now = self.0.client.inner().now();
        *failure = fetched.as_ref().err().cloned();
        let result = match fetched {
            Ok(response) => Ok(self.hold(&response, key, now)),
            Err(error) => self.lasting(now, &error).ok_or(error),
        };
        self.0.rounds.fetch_add(1, Ordering::Release);
        result
    }

    /// An API did not accept this token: the next one is a new one. Tokens that are no longer in
    /// use are not looked at, so that many who hear the same no do not undo each other's work.
    pub fn refused(&self, token: &Secret) {
        self.0
            .held
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|held| held.token == *token);
    }

    async fn fetch(&self, key: Option<&ProofKey>) -> Result<TokenResponse, ToolError> {
        let inner = self.0.client.inner();
        let app = &inner.app;
        let request = client_credentials_request(
            &app.client_id,
            &app.credential,
            &self.0.scope,
            &self.0.resources,
        );
        Ok(ask_for_token(inner, &request, key, About::NO_LOGIN).await?)
    }

    fn held(&self) -> Option<Held> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, response: &TokenResponse, key: Option<ProofKey>, now: Timestamp) -> Held {
        let life = response.expires_in.map_or(UNTOLD, Duration::from_secs);
        let held = Held {
            token: response.access_token.clone(),
            key: key.map(Arc::new),
            renew_at: now.plus(life.saturating_sub(SPARE.min(life / 5))),
            expires_at: now.plus(life),
        };
        let mut place = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        place.insert(held).clone()
    }

    /// The token of before, between "soon over" and "over"; not asked about again at once.
    fn lasting(&self, now: Timestamp, why: &ToolError) -> Option<Held> {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_mut().filter(|held| now < held.expires_at)?;
        tracing::warn!(%why, "a token could not be renewed yet");
        held.renew_at = now.plus(PAUSE);
        Some(held.clone())
    }
}

impl std::fmt::Debug for ServiceTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceTokens({:?} of {:?})", self.0.scope, self.0.client)
    }
}

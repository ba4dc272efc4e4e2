use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use tokio::sync::OnceCell;
use tower::{Layer, Service};

use super::LoginRequired;
use crate::client::Client;
use crate::session::{Session, SessionKey, StoreError};

/// Makes the session available to the handlers below: see [`Client::layer`] and
/// [`Client::require_login`].
#[derive(Clone, Debug)]
pub struct SessionLayer {
    client: Client,
    required: bool,
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    layer: SessionLayer,
}

/// What a request knows of its session. Nothing is read before somebody asks, and then once.
pub(super) struct RequestSession {
    client: Client,
    key: Option<SessionKey>,
    again: LoginRequired,
    session: OnceCell<Option<Session>>,
}

/// One for each client: an app may have users of several issuers.
#[derive(Clone)]
struct RequestSessions(Vec<Arc<RequestSession>>);

impl RequestSession {
    fn new(client: &Client, parts: &Parts) -> Self {
        let inner = client.inner();
        Self {
            client: client.clone(),
            key: inner.cookies.session(&parts.headers).map(SessionKey::of_handle),
            again: LoginRequired::new(&inner.paths.login, parts),
            session: OnceCell::new(),
        }
    }

    /// The one that a layer further out has made, or a new one.
    pub(super) fn of(client: &Client, parts: &mut Parts) -> Arc<Self> {
        let all = Self::all(parts);
        if let Some(known) = all.iter().find(|known| known.client.is(client)) {
            return Arc::clone(known);
        }
        let new = Arc::new(Self::new(client, parts));
        let mut all = all.to_vec();
        all.insert(0, Arc::clone(&new));
        parts.extensions.insert(RequestSessions(all));
        new
    }

    /// Those of each client whose layer the request came through, the innermost first.
    pub(super) fn all(parts: &Parts) -> &[Arc<Self>] {
        parts.extensions.get::<RequestSessions>().map_or(&[], |all| &all.0)
    }

    pub(super) async fn load(&self) -> Result<Option<&Session>, StoreError> {
        let session = self.session.get_or_try_init(|| self.read()).await;
        if let Err(error) = &session {
            tracing::error!(%error, "a session could not be read");
        }
        Ok(session?.as_ref())
    }

    async fn read(&self) -> Result<Option<Session>, StoreError> {
        let Some(key) = &self.key else { return Ok(None) };
        let inner = self.client.inner();
        let loaded = inner.sessions.load(key, inner.now()).await?;
        Ok(loaded.map(|loaded| Session::new(self.client.clone(), loaded, self.again.clone())))
    }

    pub(super) fn again(&self) -> LoginRequired {
        self.again.clone()
    }

    fn was_used(&self) -> bool {
        self.session.get().is_some_and(Option::is_some)
    }
}

impl SessionLayer {
    pub(crate) fn new(client: Client, required: bool) -> Self {
        Self { client, required }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner, layer: self.clone() }
    }
}

impl<S> Service<Request> for SessionService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that was polled ready is used, its clone waits for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let (mut parts, body) = request.into_parts();
        let session = RequestSession::of(&self.layer.client, &mut parts);
        let required = self.layer.required;
        Box::pin(async move {
            if required && let Err(refused) = admit(&session).await {
                return Ok(refused.into_response());
            }
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            if session.was_used() {
                // A page for one user is nobody else's, and nobody's after signing out.
                let headers = response.headers_mut();
                let no_store = HeaderValue::from_static("no-store");
                headers.entry(header::CACHE_CONTROL).or_insert(no_store);
            }
            Ok(response)
        })
    }
}

async fn admit(session: &RequestSession) -> Result<(), LoginRequired> {
    match session.load().await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(session.again()),
        Err(_) => Err(LoginRequired::unavailable()),
    }
}

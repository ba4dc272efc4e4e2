//! The client: what the settings became.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::MethodRouter;
use http::{HeaderMap, HeaderName};
use keystile_protocol::jose::{Algorithm, JwkSet};
use keystile_protocol::messages::Metadata;
use keystile_protocol::seal::{Sealable, Sealed};
use keystile_protocol::{AuthorizationDetails, ClientId, Issuer, Scope, Timestamp};
use url::Url;

use crate::builder::{BuildError, ClientBuilder, Clock, OnFailure};
use crate::call::LeftAlone;
use crate::discovery::Provider;
use crate::dpop::Nonces;
use crate::entropy::random;
use crate::failure::Cause;
use crate::flow::{ClientKey, Credential, EncryptionKey, Features, Prompt};
use crate::observe::{Event, Observer, Party, Step};
use crate::outbound::Http;
use crate::proxy::Proxy;
use crate::retire::GivingBack;
use crate::session::Sessions;
use crate::taint::Taints;
use crate::web::{Cookies, LoginRequest, SessionLayer};

/// The app's side of login. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) app: App,
    pub(crate) paths: Paths,
    pub(crate) cookies: Cookies,
    pub(crate) provider: Provider,
    pub(crate) http: Http,
    pub(crate) sessions: Sessions,
    pub(crate) giving_back: GivingBack,
    pub(crate) nonces: Nonces,
    pub(crate) left_alone: LeftAlone,
    pub(crate) taints: Taints,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) on_failure: Option<OnFailure>,
    pub(crate) clock: Clock,
}

/// What the app is to the authorization server.
pub(crate) struct App {
    pub(crate) issuer: Issuer,
    pub(crate) client_id: ClientId,
    pub(crate) credential: Credential,
    pub(crate) origin: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: Scope,
    pub(crate) resources: Vec<String>,
    pub(crate) extra: Vec<(String, String)>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) userinfo: bool,
    /// Whether the sign-out names the session's ID token.
    pub(crate) id_token_hint: bool,
    /// What signs userinfo responses; nothing has to, where there are none.
    pub(crate) userinfo_algorithms: Vec<Algorithm>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) trusted_audiences: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) apis: Vec<Url>,
    pub(crate) features: Features,
    pub(crate) signing_key: Option<ClientKey>,
    pub(crate) encryption_key: Option<EncryptionKey>,
    pub(crate) has_certificate: bool,
    pub(crate) acr_values: Vec<String>,
    pub(crate) acr_required: bool,
    pub(crate) claims: Option<String>,
    pub(crate) details: Option<AuthorizationDetails>,
    pub(crate) anti_forgery: HeaderName,
}

/// Paths of the app.
pub(crate) struct Paths {
    pub(crate) login: String,
    pub(crate) callback: String,
    pub(crate) logout: String,
    pub(crate) backchannel: String,
    pub(crate) frontchannel: String,
    pub(crate) post_logout: String,
    pub(crate) jwks: Option<String>,
    /// Above the addresses of requests that the server fetches.
    pub(crate) requests: Option<String>,
}

impl Client {
    /// Begins with who the authorization server is and who the app is to it.
    ///
    /// ```
    /// # use keystile_client::Client;
    /// let client = Client::builder("https://login.example", "photo-printer")
    ///     .secret("hOkk7...")
    ///     .app_url("https://prints.example")
    ///     .scope("openid profile photos:read")
    ///     .build()?;
    /// assert_eq!(client.redirect_uri(), "https://prints.example/callback");
    /// # Ok::<(), keystile_client::BuildError>(())
    /// ```
    pub fn builder(issuer: impl Into<String>, client_id: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(issuer.into(), client_id.into())
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// `GET /login`, `GET /callback`, `POST /logout`, `POST /backchannel-logout` and
    /// `GET /frontchannel-logout`, to be merged into the app's router; `POST /callback` with
    /// [`ClientBuilder::form_post`], and the app's keys with [`ClientBuilder::jwks_path`].
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        crate::web::routes(self)
    }

    /// Makes [`crate::User`] work in the handlers below it. Reads nothing unless one asks.
    pub fn layer(&self) -> SessionLayer {
        SessionLayer::new(self.clone(), false)
    }

    /// As [`Self::layer`], and lets nobody through who is not signed in: for a router whose
    /// handlers do not ask for [`crate::User`] themselves.
    ///
    /// ```
    /// # use axum::{Router, routing::get};
    /// # use keystile_client::Client;
    /// # let client = Client::builder("https://login.example", "app").public().app_url("https://app.example").build()?;
    /// let members = Router::new()
    ///     .route("/members", get(async || "for members"))
    ///     .layer(client.require_login());
    /// let app: Router = Router::new()
    ///     .route("/", get(async || "for everybody"))
    ///     .merge(members)
    ///     .merge(client.routes())
    ///     .layer(client.layer());
    /// # Ok::<(), keystile_client::BuildError>(())
    /// ```
    pub fn require_login(&self) -> SessionLayer {
        SessionLayer::new(self.clone(), true)
    }

    /// A way for the app's own scripts to an API, at `base` and below: a service to be nested below
    /// a path of the app, such as `/api`. The browser's requests carry the session's cookie and an
    /// anti-forgery header; the access token is added here. [`Proxy`] says what goes through.
    ///
    /// The API's origin has to be named with [`ClientBuilder::api`].
    pub fn proxy(&self, base: impl AsRef<str>) -> Result<Proxy, BuildError> {
        Proxy::new(self, base.as_ref())
    }

    /// `GET` of who is signed in, for the app's own scripts:
    /// `{"claims": {"sub": …, "name": …}, "session_ends_in": 3600, "login": "/login", "logout": "/logout"}`.
    /// Where nobody is, 401 with the address of the `login`. It wants the header of
    /// [`ClientBuilder::anti_forgery_header`].
    pub fn user_endpoint<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        crate::web::user_endpoint(self)
    }

    /// Starts a login that asks for more than the configured one, such as the consent to one
    /// payment: the answer of the handler that calls it. `headers` are the request's.
    pub async fn login(&self, headers: &HeaderMap, request: LoginRequest) -> Response {
        crate::web::login(self, headers, request).await
    }

    /// Fetches what the server says of itself, and its keys, now, and says whether it fits the
    /// settings: for an app that wants to know when it starts. Without it the first login asks.
    pub async fn discover(&self) -> Result<(), Cause> {
        let inner = &self.0;
        let metadata = inner.fitting_metadata().await?;
        let verifies = inner.app.scope.contains("openid") || inner.app.features.signed_responses;
        if verifies && metadata.jwks_uri.is_some() {
            inner.provider.keys(None, inner.now()).await.map_err(Cause::Unreachable)?;
        }
        Ok(())
    }

    /// Whether a page of the app itself sent a form: what a handler of the app asks before it does what
    /// a `POST` wants. The session's cookie comes with the forms of other ports and sister domains too.
    ///
    /// ```
    /// # use keystile_client::Client;
    /// # let client = Client::builder("https://login.example", "app").public().app_url("https://app.example").build()?;
    /// let headers = |site| [(http::HeaderName::from_static("sec-fetch-site"), site)].into_iter().collect();
    /// assert!(client.is_own_form(&headers("same-origin".parse()?)));
    /// assert!(!client.is_own_form(&headers("same-site".parse()?)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_own_form(&self, headers: &HeaderMap) -> bool {
        crate::web::is_own_form(headers, &self.0.app.origin)
    }

    /// The public halves of the app's own keys, to be registered (`jwks`); the same are published
    /// at [`ClientBuilder::jwks_path`]. Empty where there are none.
    pub fn jwks(&self) -> JwkSet {
        let signing = self.0.app.signing_key.as_ref().map(ClientKey::public);
        let encryption = self.0.app.encryption_key.as_ref().map(EncryptionKey::public);
        JwkSet { keys: signing.into_iter().chain(encryption).cloned().collect() }
    }

    /// Where the keys are published, as it has to be registered (`jwks_uri`).
    pub fn jwks_uri(&self) -> Option<String> {
        self.0.paths.jwks.as_ref().map(|path| format!("{}{path}", self.0.app.origin))
    }

    /// The redirect URI, as it has to be registered.
    pub fn redirect_uri(&self) -> &str {
        &self.0.app.redirect_uri
    }

    /// Where the server tells the app that a session has ended, as it has to be registered
    /// (`backchannel_logout_uri`).
    pub fn backchannel_logout_uri(&self) -> String {
        format!("{}{}", self.0.app.origin, self.0.paths.backchannel)
    }

    /// What a page of the server loads when a session has ended, as it has to be registered
    /// (`frontchannel_logout_uri`, and `frontchannel_logout_session_required` with it).
    pub fn frontchannel_logout_uri(&self) -> String {
        format!("{}{}", self.0.app.origin, self.0.paths.frontchannel)
    }

    /// Where the user lands after signing out, as it has to be registered.
    pub fn post_logout_redirect_uri(&self) -> String {
        format!("{}{}", self.0.app.origin, self.0.paths.post_logout)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Seals what travels through the browser.
    pub(crate) fn sealed<T: Sealable>(&self, value: &T) -> Sealed<T> {
        let sealed = self.sessions.seals().seal(value, 0, self.now(), random());
        self.taints.public(sealed.as_str());
        sealed
    }

    /// The metadata of a server that does what the app is configured for.
    pub(crate) async fn fitting_metadata(&self) -> Result<Arc<Metadata>, Cause> {
        let metadata = self.provider.metadata(self.now()).await.map_err(Cause::Unreachable)?;
        let App { features, credential, algorithms, .. } = &self.app;
        let signing = self.app.signing_key.as_ref().map(ClientKey::algorithm);
        features.check_metadata(credential, signing, algorithms, &metadata)?;
        Ok(metadata)
    }

    /// Tells the observer, if there is one; the event is not even made otherwise.
    pub(crate) fn tell(
        &self,
        step: Step,
        from: Party,
        to: Party,
        complete: impl FnOnce(Event) -> Event,
    ) {
        if let Some(observer) = &self.observer {
            observer.event(&complete(Event::new(self.now(), step, from, to)));
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({} at {})", self.0.app.client_id, self.0.app.issuer)
    }
}

//! The way from the browser to an API, through the app: the cookie stays here, the token is added
//! here.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{OriginalUri, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, Method, header};
use tower::Service;
use url::Url;

use crate::api::{ApiError, Outgoing, Repeatable};
use crate::builder::BuildError;
use crate::client::Client;
use crate::web::{Proof, Told};

mod answer;
mod body;
mod headers;
mod path;
mod socket;
mod told;
mod watch;

use answer::Came;
use body::Upload;
use path::{place, target};
use watch::{Progress, StreamLimits};

/// Longer headers are not passed on, in bytes, as they are written in HTTP/1.1.
const HEADERS_AT_MOST: usize = 32 * 1024;

/// Passes what the app's own pages ask for on to one API, with the user's access token: see
/// [`Client::proxy`].
///
/// ```
/// # use axum::Router;
/// # use keystile_client::Client;
/// # let client = Client::builder("https://login.example", "app").public().app_url("https://app.example").api("https://photos.example").build()?;
/// let app: Router = Router::new()
///     .nest_service("/api", client.proxy("https://photos.example/v1")?)
///     .route("/me", client.user_endpoint())
///     .merge(client.routes());
/// # Ok::<(), keystile_client::BuildError>(())
/// ```
///
/// The browser's request for `/api/photos` becomes one for `https://photos.example/v1/photos`:
///
/// ```js
/// const answer = await fetch("/api/photos", { headers: { "X-CSRF": "1" } });
/// if (answer.status === 401) {
///   const login = new URL((await answer.json()).login, location);
///   login.searchParams.set("return_to", location.pathname);
///   location = login;
/// }
/// ```
///
/// # What comes back that the API did not say
///
/// In JSON, with `error` for the script and `error_description` for its author:
///
/// | status | `error` | when |
/// | --- | --- | --- |
/// | 401 | `login_required` | nobody is signed in; `login` is the address to go to |
/// | 401 | `insufficient_user_authentication` | the API wants a stronger or later sign-in (RFC 9470), which `login` asks for |
/// | 403 | `forgery` | the header is missing, or the request is of another origin |
/// | 403 | `insufficient_user_authentication` | the user did sign in so, and the API is not content |
/// | 400, 405, 413, 414, 431 | `invalid_request` | the path climbs, the method is not let through, something is too long |
/// | 502 | `bad_gateway` | the API does not take the app's token, redirects elsewhere, or is not to be understood |
/// | 503 | `temporarily_unavailable` | API, authorization server or session store are away; the same again later |
/// | 504 | `timeout` | nothing moved for too long |
///
/// # What goes through
///
/// - A request is passed on if the browser shows that one of the app's own pages made it: by a
///   header ([`crate::ClientBuilder::anti_forgery_header`]), and by `Sec-Fetch-Site` and `Origin`.
///   Of a WebSocket `Origin` is asked, for scripts can add no header there.
/// - Of its headers those about content, caching, ranges, languages and tracing; others if they are
///   named with [`Self::request_header`]. `Cookie`, `Authorization`, `Forwarded` and `X-Forwarded-*`
///   of the browser are not.
/// - Of an answer's headers all but those of one connection, those about the token, and those that
///   would speak for the app's origin: `Set-Cookie`, `Clear-Site-Data`,
///   `Strict-Transport-Security`, `Access-Control-*` and the like. A redirect that stays below the
///   base is told as one below the mount, and any other is an error.
/// - Bodies stream both ways, events (SSE) and WebSockets too. Where the API does not take the
///   token, or asks for a DPoP nonce, the request is sent again, if no more than 64 KiB of its body
///   were sent by then.
/// - When a session ends, its streams and sockets are cut off
///   ([`Self::session_checked_every`]): a browser sees the connection break, and is told 401 when
///   it comes back. An open stream does not keep a session from becoming idle.
///
/// How many requests are under way at once is for the app to bound, with a layer.
#[derive(Clone, Debug)]
#[must_use = "it is a service, for Router::nest_service"]
pub struct Proxy {
    client: Client,
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    base: Url,
    methods: Vec<Method>,
    headers: Vec<HeaderName>,
    proof: Proof,
    body_at_most: u64,
    answer_within: Duration,
    streams: StreamLimits,
}

impl Proxy {
    pub(crate) fn new(client: &Client, base: &str) -> Result<Self, BuildError> {
        let wrong = |problem: String| BuildError::new("proxy", problem);
        let url = Url::parse(base).map_err(|_| wrong(format!("'{base}' is not a URL")))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(wrong(format!("'{base}' is more than an origin and a path")));
        }
        let apis = &client.inner().app.apis;
        if !apis.iter().any(|api| api.origin() == url.origin()) {
            return Err(wrong(format!("the token is not sent to '{base}': name it with .api(..)")));
        }
        let methods =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let settings = Settings {
            base: url,
            methods: methods.into(),
            headers: Vec::new(),
            proof: Proof::Header,
            body_at_most: 64 * 1024 * 1024,
            answer_within: Duration::from_mins(1),
            streams: StreamLimits {
                idle_at_most: Duration::from_mins(5),
                checked_every: Duration::from_secs(10),
            },
        };
        Ok(Self { client: client.clone(), settings: Arc::new(settings) })
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// The methods that are let through; by default GET, HEAD, POST, PUT, PATCH and DELETE. CONNECT
    /// and TRACE are not, whatever is said here.
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with(|settings| settings.methods = methods.into_iter().collect())
    }

    /// A further header of the browser's requests that the API gets, such as `X-Api-Version`. What
    /// belongs to a connection (RFC 9110 section 7.6.1), `Cookie`, `Authorization`, `DPoP`, `Host`,
    /// `Origin` and `Sec-*` are never passed on.
    pub fn request_header(self, name: HeaderName) -> Self {
        self.with(|settings| settings.headers.push(name))
    }

    /// Lets `<img>`, `<audio>`, `<video>` and `EventSource`, which can add no header, read without
    /// it: a GET of which the browser says by `Sec-Fetch-Site` that a page of this app made it.
    /// Not for an API in which a GET changes something.
    pub fn reads_without_header(self) -> Self {
        self.with(|settings| settings.proof = Proof::HeaderUnlessRead)
    }

    /// How long the body of a request may be; 64 MiB by default.
    pub fn body_at_most(self, bytes: u64) -> Self {
        self.with(|settings| settings.body_at_most = bytes)
    }

    /// How long the API may take to begin its answer, after the last piece of the request; a
    /// minute by default.
    pub fn answer_within(self, time: Duration) -> Self {
        self.with(|settings| settings.answer_within = time)
    }

    /// How long a stream or a WebSocket may be silent; five minutes by default.
    pub fn idle_at_most(self, time: Duration) -> Self {
        self.with(|settings| settings.streams.idle_at_most = time)
    }

    /// How often a session is looked for whose stream or WebSocket goes on; each ten seconds by
    /// default. So long after a logout, here or on another node, it is cut off.
    pub fn session_checked_every(self, time: Duration) -> Self {
        self.with(|settings| settings.streams.checked_every = time)
    }

    /// Rule after rule: what is refused is not sent.
    async fn pass(self, request: Request) -> Result<Response, Told> {
        let (mut parts, body) = request.into_parts();
        let socket = socket::is_asked_for(&parts);
        let proof = if socket { Proof::Origin } else { self.settings.proof };
        self.client.is_own_script(&parts, proof)?;
        self.check(&parts)?;
        let original = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
        let path = original.path().to_owned();
        let place = place(&path, parts.uri.path());
        let url = target(&self.settings.base, place.below, parts.uri.query())?;
        let session = self.client.session_of_script(&mut parts).await?;
        let browser = socket.then(|| socket::browsers_end(&mut parts)).transpose()?;
        let upload = Upload::new(body, self.settings.body_at_most);
        let (progress, too_long) = (upload.progress.clone(), upload.too_long.clone());
        let request = Outgoing {
            method: parts.method.clone(),
            url,
            headers: headers::to_the_api(&parts.headers, &self.settings.headers, socket),
            body: Repeatable::streamed(if socket { Body::empty() } else { Body::new(upload) }),
            time_in_all: None,
        };
        let answer = match self.in_time(&progress, session.send(&request)).await {
            Err(_) if too_long.load(Ordering::Relaxed) => {
                return Err(told::body_too_long(self.settings.body_at_most));
            }
            other => other?,
        };
        let came = Came { answer, asked: &request.url, mount: place.mount, progress, session };
        match browser {
            Some(browser) => self.connect(browser, came),
            None => self.answer(came),
        }
    }

    /// Method and sizes.
    fn check(&self, parts: &Parts) -> Result<(), Told> {
        let never = [Method::CONNECT, Method::TRACE].contains(&parts.method);
        if never || !self.settings.methods.contains(&parts.method) {
            return Err(told::method(&parts.method));
        }
        if headers::size(&parts.headers) > HEADERS_AT_MOST {
            return Err(told::headers_too_long());
        }
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let length: Option<u64> = length.and_then(|it| it.parse().ok());
        if length.is_some_and(|length| length > self.settings.body_at_most) {
            return Err(told::body_too_long(self.settings.body_at_most));
        }
        Ok(())
    }

    async fn in_time(
        &self,
        progress: &Progress,
        sending: impl Future<Output = Result<reqwest::Response, ApiError>>,
    ) -> Result<reqwest::Response, Told> {
        tokio::select! {
            sent = sending => Ok(sent?),
            () = progress.stalled(self.settings.answer_within) => Err(told::no_answer()),
        }
    }
}

impl Service<Request> for Proxy {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let proxy = self.clone();
        Box::pin(async move { Ok(proxy.pass(request).await.into_response()) })
    }
}

//! The one value to configure.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::{Secret, Timestamp};

use crate::client::Client;
use crate::failure::LoginFailure;
use crate::flow::{ClientKey, Credential, EncryptionKey, Features, Profile, Prompt};
use crate::observe::Observer;
use crate::session::SessionStore;
use crate::taint::Taints;

mod build;
mod profiles;

/// Makes the page for a login that failed.
pub(crate) type OnFailure = Arc<dyn Fn(&LoginFailure) -> Response + Send + Sync>;
/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What [`Client::builder`] collects. Each setting has a word about its default.
#[must_use = "nothing is there before build()"]
pub struct ClientBuilder {
    issuer: String,
    client_id: String,
    credential: Option<Credential>,
    app_url: Option<String>,
    without_routes: bool,
    callback_path: String,
    login_path: String,
    logout_path: String,
    backchannel_logout_path: String,
    frontchannel_logout_path: String,
    post_logout: String,
    scope: String,
    resources: Vec<String>,
    extra: Vec<(String, String)>,
    prompt: Option<Prompt>,
    max_age: Option<Duration>,
    id_token_hint: bool,
    userinfo: bool,
    userinfo_algorithms: Vec<Algorithm>,
    algorithms: Vec<Algorithm>,
    trusted_audiences: Vec<String>,
    leeway: Duration,
    apis: Vec<(String, bool)>,
    sessions: Option<Arc<dyn SessionStore>>,
    key: Key,
    cookie_name: String,
    idle: Duration,
    lifetime: Duration,
    observer: Option<Arc<dyn Observer>>,
    on_failure: Option<OnFailure>,
    clock: Clock,
    root_certificates: Vec<Vec<u8>>,
    features: Features,
    profile: Option<Profile>,
    signing_key: Option<ClientKey>,
    decryption: Option<EncryptionKey>,
    certificate: Option<Vec<u8>>,
    jwks_path: Option<String>,
    requests_path: Option<String>,
    acr_values: Vec<String>,
    acr_required: bool,
    claims: Option<serde_json::Value>,
    details: Option<serde_json::Value>,
    taints: Taints,
    anti_forgery_header: String,
}

enum Key {
    Random,
    Given([u8; 32]),
    Several(Secret),
    File(PathBuf),
}

/// A setting that cannot be right, in words that say what to change.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct BuildError {
    setting: &'static str,
    problem: String,
}

impl BuildError {
    pub(crate) fn new(setting: &'static str, problem: impl ToString) -> Self {
        Self { setting, problem: problem.to_string() }
    }
}

impl ClientBuilder {
    pub(crate) fn new(issuer: String, client_id: String) -> Self {
        Self {
            issuer,
            client_id,
            credential: None,
            app_url: None,
            without_routes: false,
            callback_path: "/callback".into(),
            login_path: "/login".into(),
            logout_path: "/logout".into(),
            backchannel_logout_path: "/backchannel-logout".into(),
            frontchannel_logout_path: "/frontchannel-logout".into(),
            post_logout: "/".into(),
            scope: "openid".into(),
            resources: Vec::new(),
            extra: Vec::new(),
            prompt: None,
            max_age: None,
            id_token_hint: false,
            userinfo: false,
            userinfo_algorithms: Vec::new(),
            algorithms: Vec::new(),
            trusted_audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            apis: Vec::new(),
            sessions: None,
            key: Key::Random,
            cookie_name: "app".into(),
            idle: Duration::from_hours(8),
            lifetime: Duration::from_hours(7 * 24),
            observer: None,
            on_failure: None,
            clock: Arc::new(crate::entropy::system_clock),
            root_certificates: Vec::new(),
            features: Features::default(),
            profile: None,
            signing_key: None,
            decryption: None,
            certificate: None,
            jwks_path: None,
            requests_path: None,
            acr_values: Vec::new(),
            acr_required: false,
            claims: None,
            details: None,
            taints: Taints::default(),
            anti_forgery_header: "x-csrf".into(),
        }
    }

    /// The client secret, sent in the `Authorization` header (`client_secret_basic`).
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.credential = Some(Credential::Basic(Secret::new(secret)));
        self
    }

    /// The client secret, sent in the body (`client_secret_post`), for servers that want it there.
    pub fn secret_in_body(mut self, secret: impl Into<String>) -> Self {
        self.credential = Some(Credential::Post(Secret::new(secret)));
        self
    }

    /// A public client: it has no secret (row 5.1 of the mission). PKCE protects it, as it does
    /// every client here.
    pub fn public(mut self) -> Self {
        self.credential = Some(Credential::Public);
        self
    }

    /// Where browsers find the app: `https://app.example`, or http on loopback. Needed.
    pub fn app_url(mut self, url: impl Into<String>) -> Self {
        self.app_url = Some(url.into());
        self
    }

    /// For a command-line tool, a native app or a service ([`crate::tools`]): no browser finds it
    /// at an address, so that there is no `app_url`.
    pub fn without_routes(mut self) -> Self {
        self.without_routes = true;
        self
    }

    /// The path of the redirect URI; `/callback` by default. The redirect URI to register is the
    /// app's URL with this path.
    pub fn callback_path(mut self, path: impl Into<String>) -> Self {
        self.callback_path = path.into();
        self
    }

    /// The path that starts a login; `/login` by default.
    pub fn login_path(mut self, path: impl Into<String>) -> Self {
        self.login_path = path.into();
        self
    }

    /// The path that a sign-out form posts to; `/logout` by default.
    pub fn logout_path(mut self, path: impl Into<String>) -> Self {
        self.logout_path = path.into();
        self
    }

    /// The path at which the server tells the app that a session has ended (OpenID Connect
    /// Back-Channel Logout 1.0); `/backchannel-logout` by default.
    pub fn backchannel_logout_path(mut self, path: impl Into<String>) -> Self {
        self.backchannel_logout_path = path.into();
        self
    }

    /// The path that a page of the server loads in a frame when a session has ended (OpenID Connect
    /// Front-Channel Logout 1.0); `/frontchannel-logout` by default. It is for servers that know no
    /// back-channel logout: what the browser does not load is not told.
    pub fn frontchannel_logout_path(mut self, path: impl Into<String>) -> Self {
        self.frontchannel_logout_path = path.into();
        self
    }

    /// Where the user lands after signing out: a path of the app, `/` by default. The URL to
    /// register is the app's URL with this path.
    pub fn post_logout(mut self, path: impl Into<String>) -> Self {
        self.post_logout = path.into();
        self
    }

    /// The sign-out names the session by the ID token of its login (`id_token_hint`, OpenID Connect
    /// RP-Initiated Logout 1.0 section 2): for servers that ask the user, or do nothing, without it.
    /// Not by default, since it is the one token that the browser gets to see: in a form that it
    /// posts, and in no address.
    pub fn id_token_hint(mut self) -> Self {
        self.id_token_hint = true;
        self
    }

    /// What is asked for, separated by spaces; `openid` by default. Without `openid` there is no
    /// ID token, and so no user: the session knows what it may do and not for whom.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// An API that the access token is for (RFC 8707). May be called several times; none by
    /// default, and the server decides by the scope.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// A further parameter of each authorization request, such as `ui_locales`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// The `prompt` of each authorization request. A link to `/login?prompt=login` asks for one
    /// login alone.
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompt = Some(prompt);
        self
    }

    /// How old the user's authentication may be when a session begins (`max_age`).
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Whether the user's claims are fetched from the userinfo endpoint too; not by default.
    pub fn userinfo(mut self, wanted: bool) -> Self {
        self.userinfo = wanted;
        self
    }

    /// The signature algorithms that a userinfo response may have: the one that the client is
    /// registered with (`userinfo_signed_response_alg`), and then plain ones are refused. By
    /// default a response may be plain, or signed.
    pub fn userinfo_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.userinfo_algorithms = algorithms.into_iter().collect();
        self
    }

    /// The signature algorithms that an ID token may have: the one that the client is registered
    /// with (`id_token_signed_response_alg`). By default any that the server's metadata offer,
    /// out of ES256, EdDSA, PS256 and RS256.
    pub fn id_token_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// An audience that an ID token may name beside this client; none by default.
    pub fn trusted_audience(mut self, audience: impl Into<String>) -> Self {
        self.trusted_audiences.push(audience.into());
        self
    }

    /// How far the server's clock may differ from this machine's; 30 seconds by default.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// An API that may be called with the user's access token, by its origin. The token is sent to
    /// no other. May be called several times.
    pub fn api(mut self, origin: impl Into<String>) -> Self {
        self.apis.push((origin.into(), false));
        self
    }

    /// As [`Self::api`], for an API that is reached over plain http on a network that nobody else
    /// can listen to. On loopback [`Self::api`] does.
    pub fn api_over_plain_http(mut self, origin: impl Into<String>) -> Self {
        self.apis.push((origin.into(), true));
        self
    }

    /// Where sessions are kept; in memory by default, and then a restart signs everybody out.
    pub fn sessions(mut self, store: Arc<dyn SessionStore>) -> Self {
        self.sessions = Some(store);
        self
    }

    /// The key under which tokens and logins are encrypted: 32 random bytes that all processes of
    /// the app share. By default a new one at each start, which a durable store does not accept.
    pub fn encryption_key(mut self, key: [u8; 32]) -> Self {
        self.key = Key::Given(key);
        self
    }

    /// Several such keys, one following another: words `NUMBER:KEY` with spaces or line breaks between
    /// them, each key 32 random bytes in base64url or hexadecimal. The first encrypts, all decrypt. The
    /// one of [`Self::encryption_key`] has the number 1.
    ///
    /// To change the key of an app with several nodes, give every node the new one after the old, then
    /// before it, and take the old one away when [`Self::session_lifetime`] has passed: nobody has to
    /// sign in again.
    pub fn encryption_keys(mut self, keys: impl Into<String>) -> Self {
        self.key = Key::Several(Secret::new(keys));
        self
    }

    /// As [`Self::encryption_keys`], from a file, which is made if it is not there (mode 0600). A
    /// change of it is seen while the app runs: when a key is missed, and once in a while.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key = Key::File(path.into());
        self
    }

    /// The base of the cookies' names; `app` by default. Apps on several ports of `localhost` need
    /// different ones, for cookies know no ports.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// The header by which the app's own scripts show that they are that; its value is `1`. By
    /// default it is `X-CSRF`. See [`Client::proxy`] and [`Client::user_endpoint`].
    pub fn anti_forgery_header(mut self, name: impl Into<String>) -> Self {
        self.anti_forgery_header = name.into();
        self
    }

    /// How long a session lives without being used; 8 hours by default.
    pub fn idle_lifetime(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How long a session lives in any case; 7 days by default.
    pub fn session_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Is told each step of each login; nobody by default.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Makes the page for a login that failed; a plain one by default. The answer gets the same
    /// strict headers as that one, unless it has set them.
    pub fn on_failure(
        mut self,
        page: impl Fn(&LoginFailure) -> Response + Send + Sync + 'static,
    ) -> Self {
        self.on_failure = Some(Arc::new(page));
        self
    }

    /// Tells the time; the machine's clock by default. For tests.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Tells that proof every secret that the client handles: for tests. See
    /// [`crate::leak_proof`].
    #[cfg(feature = "leak-proof")]
    pub fn leak_proof(mut self, proof: &crate::LeakProof) -> Self {
        self.taints = Taints(Some(Arc::new(proof.clone())));
        self
    }

    /// Certificates to trust beside the system's, in PEM: for a test bench, or a company's own
    /// authority.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Checks the settings. Nothing is fetched before the first login.
    pub fn build(self) -> Result<Client, BuildError> {
        build::build(self)
    }
}

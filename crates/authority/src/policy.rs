//! What the operator decides for the whole server.

mod registration;

use std::time::Duration;

use keystile_protocol::jose::Algorithm;
use keystile_protocol::{ClientId, Issuer, Scope};
use serde::{Deserialize, Serialize};

use crate::certificate::Authorities;
use crate::records::{GrantType, KeySource};
use crate::rules::details_types::DetailsType;

pub use registration::{RegistrationMode, RegistrationPolicy};

/// The operator's decisions, as the rules read them.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who we are. Endpoint URLs are built from it alone, never from a `Host` header.
    pub issuer: Issuer,
    /// The scopes that exist, the standard ones among them.
    pub scopes: Vec<ScopeDefinition>,
    /// The APIs that access tokens are for.
    pub apis: Vec<Api>,
    /// The types of authorization details that exist (RFC 9396).
    pub details_types: Vec<DetailsType>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// How the server's keys follow each other.
    pub keys: KeyRotation,
    /// How fast passwords may be guessed; nothing switches it off (for a test bench).
    pub guessing: Option<Guessing>,
    /// How many authorizations may wait for a user's word.
    pub waiting: WaitingLimits,
    /// Whether every authorization request has to be pushed (RFC 9126 section 5).
    pub require_pushed_requests: bool,
    /// Whether people may make accounts for themselves (`prompt=create`).
    pub sign_up: bool,
    /// Whether DPoP proofs need a nonce of ours (RFC 9449 section 8).
    pub dpop_nonces: bool,
    /// How much waits in the store because it is too large to travel.
    pub parking: ParkingRoom,
    /// Whether clients may register themselves, and as what.
    pub registration: RegistrationPolicy,
    /// Client certificates, where a listener or a proxy asks for them (RFC 8705).
    pub mutual_tls: Option<MutualTls>,
    /// Others whose word about our users is a grant (RFC 7523 section 2.1).
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// What tokens and answers are signed with ([`crate::rules::signing::algorithms`]).
    pub signing_algorithms: Vec<Algorithm>,
}

/// How clients come with certificates (RFC 8705).
#[derive(Clone, Debug, Default)]
pub struct MutualTls {
    /// Below which URL the endpoints ask for a certificate, where not below the issuer's own
    /// (section 5).
    pub alias: Option<Issuer>,
    /// Who issues clients' certificates, for `tls_client_auth`.
    pub authorities: Authorities,
}

/// A scope and the words that the consent page has for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeDefinition {
    /// The token.
    pub name: String,
    /// What it allows, in words: "see your photos". The pages have words of their own for the
    /// standard scopes.
    pub title: Option<String>,
    /// A sentence more.
    pub detail: Option<String>,
    /// Whether the user may refuse it and allow the rest.
    pub optional: bool,
    /// Whether it is about who the user is, rather than about what the app may do.
    pub identity: bool,
}

/// An API that access tokens are for (RFC 8707).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Its name in `aud` and `resource`: an absolute URI.
    pub audience: String,
    /// The scopes that are its own.
    pub scopes: Scope,
    /// What its access tokens look like.
    #[serde(default)]
    pub tokens: TokenForm,
}

/// What an access token looks like to the API that it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenForm {
    /// A JWT (RFC 9068), which the API verifies by itself.
    #[default]
    Jwt,
    /// Says nothing: the API asks about it (RFC 7662).
    Opaque,
}

/// An issuer whose assertions about our users clients may bring (RFC 7523 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// Its `iss`, compared as a string.
    pub issuer: String,
    /// Its public keys.
    pub keys: KeySource,
    /// What `aud` has to be, where that is neither our issuer nor our token endpoint.
    pub audience: Option<String>,
    /// The claim that says whom it is about.
    pub subject_claim: String,
    /// What stands in that claim.
    pub subject_is: SubjectIs,
    /// The clients that may bring its assertions.
    pub clients: Vec<ClientId>,
    /// All that clients may get for them.
    pub scope: Scope,
}

/// By which of its names an assertion calls an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectIs {
    /// Our own `sub`.
    Sub,
    /// What the user types to sign in.
    Username,
}

/// How long things live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// From approval to redemption; no leeway (RFC 6749 section 4.1.2).
    pub code: Duration,
    /// Access tokens.
    pub access_token: Duration,
    /// ID tokens.
    pub id_token: Duration,
    /// Refresh tokens, from the login on.
    pub refresh: Duration,
    /// Refresh tokens, since their last use.
    pub refresh_idle: Duration,
    /// Sessions, from the login on.
    pub session: Duration,
    /// Sessions, since their last use.
    pub session_idle: Duration,
    /// A login or consent page, before it counts as a new request.
    pub page: Duration,
    /// What a device waits with for its user (RFC 8628 section 3.2).
    pub device_code: Duration,
    /// A request over the back channel, at most: a client may ask for less (OpenID Connect CIBA
    /// Core 1.0 section 7.1).
    pub backchannel_request: Duration,
    /// How long after signing in a person may allow such a request.
    pub fresh_sign_in: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            code: Duration::from_secs(60),
            access_token: Duration::from_secs(600),
            id_token: Duration::from_secs(600),
            refresh: hours(90 * 24),
            refresh_idle: hours(30 * 24),
            session: hours(14 * 24),
            session_idle: hours(24),
            page: Duration::from_secs(900),
            device_code: Duration::from_secs(600),
            backchannel_request: Duration::from_secs(300),
            fresh_sign_in: Duration::from_secs(900),
        }
    }
}

/// For how long our key set may be kept by those who fetch it, as its `Cache-Control` says.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_secs(300);

/// How the server's keys follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// How long a new key is published before it is used.
    pub publish_for: Duration,
    /// How long a key is used before the server makes another; nothing: until the operator does.
    pub rotate_after: Option<Duration>,
}

impl Default for KeyRotation {
    fn default() -> Self {
        let day = 24 * 3600;
        Self {
            publish_for: Duration::from_secs(3600),
            rotate_after: Some(Duration::from_secs(90 * day)),
        }
    }
}

/// How many authorizations may wait for a user's word: they are written for strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingLimits {
    /// In all.
    pub in_all: u32,
    /// Devices', from one network.
    pub from_network: u32,
    /// Over the back channel, of one client.
    pub of_client: u32,
    /// Over the back channel, to one user.
    pub to_user: u32,
    /// Over the back channel, of one client to one user; what that user has just denied counts.
    pub of_client_to_user: u32,
}

impl Default for WaitingLimits {
    fn default() -> Self {
        Self {
            in_all: 10_000,
            from_network: 100,
            of_client: 1_000,
            to_user: 20,
            of_client_to_user: 5,
        }
    }
}

/// How many attempts at once, and how long until the next is allowed after those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Attempts in a row.
    pub burst: u32,
    /// Time that gives one back.
    pub every: Duration,
}

/// The bounds on guessing passwords, client secrets and user codes, for each node by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guessing {
    /// On one account, from anywhere.
    pub account: Rate,
    /// On one account from one network, or from one browser that signed in to it before.
    pub account_from_network: Rate,
    /// From one network, on any account.
    pub network: Rate,
    /// Failed client authentications from one network.
    pub client: Rate,
    /// Accounts that people make from one network.
    pub sign_up: Rate,
    /// Wrong user codes (RFC 8628 section 5.1) from one network.
    pub user_code: Rate,
    /// Wrong user codes from one browser.
    pub user_code_from_browser: Rate,
    /// Users that there are not, asked for by one client over the back channel.
    pub unknown_user: Rate,
}

impl Default for Guessing {
    fn default() -> Self {
        let rate = |burst, seconds| Rate { burst, every: Duration::from_secs(seconds) };
        Self {
            account: rate(20, 10),
            account_from_network: rate(6, 10),
            network: rate(60, 2),
            client: rate(60, 1),
            sign_up: rate(10, 60),
            user_code: rate(30, 10),
            user_code_from_browser: rate(5, 10),
            unknown_user: rate(30, 10),
        }
    }
}

/// Room for large pushed requests and codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkingRoom {
    /// Of one client; of one network, for public clients.
    pub per_client: u32,
    /// In all.
    pub in_all: u32,
}

impl Default for ParkingRoom {
    fn default() -> Self {
        Self { per_client: 2_000, in_all: 10_000 }
    }
}

/// Scopes that OpenID Connect Core 1.0 sections 5.4 and 11 define.
pub const STANDARD_SCOPES: [&str; 6] =
    ["openid", "profile", "email", "address", "phone", "offline_access"];

impl Policy {
    /// The standard's scopes, and no API.
    pub fn new(issuer: Issuer) -> Self {
        let scopes = STANDARD_SCOPES.map(|name| ScopeDefinition {
            name: name.to_owned(),
            title: None,
            detail: None,
            optional: matches!(name, "address" | "phone"),
            identity: name != "offline_access",
        });
        Self {
            issuer,
            scopes: scopes.to_vec(),
            apis: Vec::new(),
            details_types: Vec::new(),
            lifetimes: Lifetimes::default(),
            keys: KeyRotation::default(),
            guessing: Some(Guessing::default()),
            waiting: WaitingLimits::default(),
            require_pushed_requests: false,
            sign_up: false,
            dpop_nonces: false,
            mutual_tls: None,
            trusted_issuers: Vec::new(),
            signing_algorithms: Algorithm::ALL.to_vec(),
            parking: ParkingRoom::default(),
            registration: RegistrationPolicy::default(),
        }
    }

    /// The URLs of an endpoint that clients call: the issuer's, and the one that asks for a
    /// certificate (RFC 8705 section 5).
    pub fn urls(&self, path: &str) -> Vec<String> {
        let alias = self.mutual_tls.as_ref().and_then(|mutual_tls| mutual_tls.alias.as_ref());
        [&self.issuer].into_iter().chain(alias).map(|base| base.endpoint(path)).collect()
    }

    /// The scope of that name.
    pub fn scope(&self, name: &str) -> Option<&ScopeDefinition> {
        self.scopes.iter().find(|scope| scope.name == name)
    }

    /// What a token for these audiences looks like: opaque if one of them wants it so.
    pub fn token_form<'a>(&self, audiences: impl IntoIterator<Item = &'a str>) -> TokenForm {
        let wants = |name| self.api(name).is_some_and(|api| api.tokens == TokenForm::Opaque);
        if audiences.into_iter().any(wants) { TokenForm::Opaque } else { TokenForm::Jwt }
    }

    /// The grants that work here.
    pub fn grant_types(&self) -> impl Iterator<Item = GrantType> {
        let assertions = !self.trusted_issuers.is_empty();
        GrantType::ALL.into_iter().filter(move |grant| assertions || *grant != GrantType::JwtBearer)
    }

    /// The API of that name.
    pub fn api(&self, audience: &str) -> Option<&Api> {
        self.apis.iter().find(|api| api.audience == audience)
    }

    /// The type of authorization details of that name.
    pub fn details_type(&self, name: &str) -> Option<&DetailsType> {
        self.details_types.iter().find(|known| known.name == name)
    }
}

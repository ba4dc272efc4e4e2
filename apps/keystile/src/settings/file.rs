//! The keys of the configuration file, by their names.

use std::path::PathBuf;

use keystile_authority::rules::registration::ClientMetadata;
use keystile_protocol::Secret;
use serde::{Deserialize, Serialize};

/// The whole file. Paths in it are relative to the file itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// The server's URL, exactly as clients know it. `http` on loopback makes a development
    /// issuer.
    pub issuer: Option<String>,
    /// Address and port. 127.0.0.1:4000, or for a development issuer the issuer's own.
    pub listen: Option<String>,
    /// Where everything is kept.
    pub store: Store,
    /// The master key.
    pub keys: Keys,
    /// Clients, by the names of RFC 7591 and ours.
    pub clients: Vec<ClientMetadata>,
    /// Whether every authorization request has to be pushed (RFC 9126).
    pub require_pushed_authorization_requests: bool,
    /// Proofs of possession (RFC 9449).
    pub dpop: Dpop,
    /// Clients that register themselves (RFC 7591).
    pub registration: Registration,
    /// Users.
    pub users: Vec<User>,
    /// How people come to accounts.
    pub accounts: Accounts,
    /// Scopes beside the standard ones, and words for those.
    pub scopes: Vec<Scope>,
    /// APIs that access tokens are for.
    pub apis: Vec<Api>,
    /// Types of authorization details (RFC 9396).
    pub authorization_details: Vec<DetailsType>,
    /// Issuers whose word about users is a grant (RFC 7523).
    pub trusted_issuers: Vec<TrustedIssuer>,
    /// Certificate and key; without them something before the server does TLS.
    pub tls: Option<Tls>,
    /// Client certificates on a listener of their own.
    pub mtls: Option<Mtls>,
    /// Proxies before the server.
    pub proxy: Proxy,
    /// Requests that the server makes itself.
    pub outbound: Outbound,
    /// Bounds.
    pub limits: Limits,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// The pages that people see.
    pub pages: Pages,
    /// The log on standard error.
    pub log: Log,
    /// What a password's hash costs.
    pub password_hash: PasswordHash,
}

/// `[store]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite://PATH` or `postgres://USER@HOST/DATABASE`.
    pub url: Option<String>,
}

/// `[keys]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// A file of master keys, instead of `master.key` beside the database.
    pub master_key_file: Option<PathBuf>,
    /// How long a new key is published before it is used.
    pub publish_seconds: Option<u64>,
    /// After how many days a key gets a successor by itself; 0: never.
    pub rotate_after_days: Option<u64>,
    /// What the server signs with; everything that it can, if it is left out.
    pub algorithms: Option<Vec<String>>,
}

/// `[dpop]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dpop {
    /// Whether proofs need a nonce of the server's.
    pub nonces: bool,
}

/// `[accounts]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// Whether people may make accounts for themselves.
    pub sign_up: bool,
}

/// `[[scopes]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// The token, such as `photos:read`. A standard scope's name gives that one other words.
    pub name: String,
    /// What it allows, in words: "see your photos".
    pub title: Option<String>,
    /// A sentence more.
    #[serde(alias = "description")]
    pub detail: Option<String>,
    /// Whether the user may refuse it and allow the rest.
    pub optional: Option<bool>,
    /// Whether it is about who the user is.
    pub identity: Option<bool>,
}

/// `[[apis]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Its name in `aud` and `resource`: an absolute URI.
    pub audience: String,
    /// The scopes that are its own.
    pub scopes: Tokens,
    /// What its access tokens look like: `jwt`, or `opaque` for an API that asks about each.
    pub tokens: Option<String>,
}

/// `[[authorization_details]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetailsType {
    /// Its name in requests.
    #[serde(rename = "type")]
    pub name: String,
    /// What people are asked: "Make a payment".
    pub title: String,
    /// The most important of it: "Pay {amount} to {creditorName}". What it does not say stands in a
    /// table below it.
    pub words: Option<String>,
    /// The audiences of the APIs that it is for; without them a request may name any.
    pub locations: Vec<String>,
    /// Whether a client may have it for itself, with no user asked.
    pub client_credentials: bool,
    /// What may stand in it.
    pub fields: Vec<DetailsField>,
}

/// A field of a type of authorization details.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetailsField {
    /// Its name in requests.
    pub name: String,
    /// Its name for people.
    pub label: Option<String>,
    /// `text` (the default), `texts`, `number`, `boolean`, `object` or `objects`.
    pub kind: Option<String>,
    /// Whether it has to be there.
    pub required: bool,
    /// Longest text, in characters.
    pub max_length: Option<usize>,
    /// The only texts.
    pub values: Vec<String>,
    /// The fields of an object.
    pub fields: Vec<DetailsField>,
}

/// A list of tokens, or text with spaces between them.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a list of scopes, such as [\"photos:read\"]")]
pub enum Tokens {
    /// `["a", "b"]`
    List(Vec<String>),
    /// `"a b"`
    Text(String),
}

impl Tokens {
    /// As a scope.
    pub(super) fn scope(&self) -> Result<keystile_protocol::Scope, keystile_protocol::ValueError> {
        match self {
            Self::List(list) => list.join(" ").try_into(),
            Self::Text(text) => text.as_str().try_into(),
        }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// `[registration]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// `off`, `token` or `open`.
    pub mode: Option<String>,
    /// Scopes that clients may have beside the standard ones.
    pub scopes: Tokens,
    /// Grant types that clients may have.
    pub grant_types: Option<Vec<String>>,
    /// Hosts of redirect URIs, such as `app.example` or `*.corp.example`; any, if there is none.
    pub redirect_hosts: Vec<String>,
    /// Schemes of redirect URIs; any that the rules of registration take, if there is none.
    pub redirect_schemes: Vec<String>,
    /// False: confidential clients need no PKCE. Public ones always do.
    pub require_pkce: Option<bool>,
    /// True: public clients need none either. For a test bench alone.
    pub public_without_pkce: bool,
    /// Open registrations of one network within an hour.
    pub per_network: Option<u32>,
    /// Open registrations in all that nobody has used yet.
    pub unused_at_most: Option<u32>,
    /// Whether an identifier may be the address of a document of metadata.
    pub client_id_metadata_documents: bool,
}

/// `[[trusted_issuers]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustedIssuer {
    /// What stands in `iss` of its assertions.
    pub issuer: String,
    /// Its public keys: `{ keys = [ ... ] }`.
    pub jwks: Option<serde_json::Value>,
    /// A file with them, JSON, instead.
    pub jwks_file: Option<PathBuf>,
    /// Where they are, instead.
    pub jwks_uri: Option<String>,
    /// What `aud` of its assertions is, where that is neither our issuer nor our token endpoint.
    pub audience: Option<String>,
    /// The claim that says whom an assertion is about; `sub` otherwise.
    pub subject_claim: Option<String>,
    /// What stands in that claim: `sub` (our own for the account) or `username`.
    pub subject_is: Option<String>,
    /// The clients that may bring its assertions.
    pub clients: Vec<String>,
    /// All that clients may get for them.
    pub scope: Tokens,
}

/// `[tls]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// Whether connections are asked for a client certificate: `none` or `optional`.
    pub client_certificates: Option<String>,
}

/// `[mtls]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mtls {
    /// Address and port of a listener that asks for client certificates. It answers what clients
    /// call alone.
    pub listen: Option<String>,
    /// Below which URL clients reach the endpoints with a certificate, where not below the
    /// issuer's own.
    pub issuer_alias: Option<String>,
    /// The authorities that issue clients' certificates, PEM, for `tls_client_auth`.
    pub ca: Option<PathBuf>,
}

/// `[proxy]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// The proxies' own addresses or networks. By default nobody is trusted.
    pub trusted: Vec<String>,
    /// The header that they write: `X-Forwarded-For` or `Forwarded`.
    pub forwarded_header: Option<String>,
    /// The header that they write a client's certificate into, as RFC 9440 has it: `Client-Cert`.
    pub client_certificate_header: Option<String>,
}

/// `[outbound]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Whether requests may go to this machine itself, for a test bench.
    pub allow_loopback: bool,
    /// Certificate authorities to trust beside the usual ones, PEM.
    pub extra_ca: Option<PathBuf>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// False turns the slowing of guesses off, for a test bench.
    pub guessing: Option<bool>,
    /// Attempts on one account, from anywhere.
    pub account: Rate,
    /// Attempts on one account from one network, or from one browser that it knows.
    pub account_from_network: Rate,
    /// Attempts from one network on any account.
    pub network: Rate,
    /// Failed client authentications from one network.
    pub client: Rate,
    /// Accounts that people make from one network.
    pub sign_up: Rate,
    /// Wrong user codes from one network.
    pub user_code: Rate,
    /// Wrong user codes from one browser.
    pub user_code_from_browser: Rate,
    /// Users that there are not, asked for by one client over the back channel.
    pub unknown_user: Rate,
    /// Devices, and requests over the back channel, that may wait for their users.
    pub waiting: Option<u32>,
    /// Devices of one network.
    pub waiting_from_network: Option<u32>,
    /// Requests of one client.
    pub waiting_of_client: Option<u32>,
    /// Requests to one user.
    pub waiting_to_user: Option<u32>,
    /// Requests of one client to one user.
    pub waiting_of_client_to_user: Option<u32>,
    /// Largest body of a request.
    pub body_bytes: Option<usize>,
    /// Large pushed requests and codes that wait in the store, of one client.
    pub parked_per_client: Option<u32>,
    /// The same in all.
    pub parked: Option<u32>,
    /// Open connections.
    pub connections: Option<usize>,
    /// Requests under way.
    pub concurrent_requests: Option<usize>,
    /// Threads that hash passwords.
    pub password_hash_workers: Option<usize>,
    /// Passwords that may wait to be hashed.
    pub password_hash_queue: Option<usize>,
}

/// A rate, such as `{ burst = 20, every_seconds = 10 }`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Attempts in a row.
    pub burst: Option<u32>,
    /// Time that gives one back.
    pub every_seconds: Option<f64>,
}

/// `[lifetimes]`, in seconds
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lifetimes {
    /// Codes; 60 at most.
    pub code: Option<u64>,
    /// Access tokens.
    pub access_token: Option<u64>,
    /// ID tokens.
    pub id_token: Option<u64>,
    /// Refresh tokens, from the login on.
    pub refresh: Option<u64>,
    /// Refresh tokens, since their last use.
    pub refresh_idle: Option<u64>,
    /// Sessions, from the login on.
    pub session: Option<u64>,
    /// Sessions, since their last use.
    pub session_idle: Option<u64>,
    /// A login or consent page.
    pub page: Option<u64>,
    /// What a device waits with for its user; 1800 at most.
    pub device_code: Option<u64>,
    /// A request over the back channel; 1800 at most.
    pub backchannel_request: Option<u64>,
    /// How long after signing in a person may allow such a request.
    pub fresh_sign_in: Option<u64>,
}

/// `[pages]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pages {
    /// A folder with templates, words and styles of the operator's own.
    pub overrides: Option<PathBuf>,
    /// The place's name, in the title of each page.
    pub name: Option<String>,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: Option<String>,
    /// Which events, such as `info` or `warn,keystile=debug`.
    pub filter: Option<String>,
}

/// `[password_hash]`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordHash {
    /// Memory of one hash, in KiB.
    pub memory_kib: Option<u32>,
    /// Passes over it.
    pub iterations: Option<u32>,
}

/// `[[users]]`: how they sign in, and the claims of OpenID Connect Core 1.0 section 5.1.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub struct User {
    /// What they type. It is compared in lower case.
    #[serde(skip_serializing)]
    pub username: String,
    /// Counts when the account is made, and not again.
    #[serde(skip_serializing)]
    pub password: Option<Secret>,
    /// Argon2 in PHC string format, instead of a password.
    #[serde(skip_serializing)]
    pub password_hash: Option<String>,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub middle_name: Option<String>,
    pub nickname: Option<String>,
    pub preferred_username: Option<String>,
    pub profile: Option<String>,
    pub picture: Option<String>,
    pub website: Option<String>,
    pub email: Option<String>,
    pub email_verified: Option<bool>,
    pub gender: Option<String>,
    /// `1990-04-01`, in quotes or without; `0000-04-01` keeps the year back.
    pub birthdate: Option<Birthdate>,
    pub zoneinfo: Option<String>,
    pub locale: Option<String>,
    pub phone_number: Option<String>,
    pub phone_number_verified: Option<bool>,
    pub address: Option<Address>,
    /// Seconds since 1970.
    pub updated_at: Option<u64>,
}

/// A day, as text or as TOML's own date.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a day, such as \"1990-04-01\"")]
pub enum Birthdate {
    /// In quotes.
    Text(String),
    /// Without.
    Day(toml::value::Datetime),
}

impl Serialize for Birthdate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Day(day) => serializer.collect_str(day),
        }
    }
}

/// `address` of OpenID Connect Core 1.0 section 5.1.1.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub struct Address {
    pub formatted: Option<String>,
    pub street_address: Option<String>,
    pub locality: Option<String>,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: Option<String>,
}

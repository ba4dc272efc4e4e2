//! What the store keeps, as the rules see it.

use std::net::IpAddr;
use std::sync::Arc;

use keystile_protocol::access_token::SenderConstraint;
use keystile_protocol::encoding::equal_in_constant_time;
use keystile_protocol::jose::encryption::{Encryption, KeyType, SharedKey};
use keystile_protocol::jose::{Algorithm, JwkSet};
use keystile_protocol::{
    AuthorizationDetails, ClientId, RedirectUri, Scope, Secret, Timestamp, jwt_bearer,
    token_exchange,
};
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, GrantId, SessionId};
use crate::rules::asked_claims::AskedClaims;
use crate::rules::mutual_tls;

pub use crate::ciba::{CibaOptions, Delivery};
pub use crate::logout_message::LogoutChannels;
pub use crate::rules::exchange_policy::{ExchangeMode, ExchangePolicy};

/// A registered client (RFC 6749 section 2, RFC 7591 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// `client_name`: what people are told. The identifier where it was left out.
    pub name: String,
    /// Whether it can keep a secret, and what follows from that.
    pub kind: ClientKind,
    /// A switched-off client is treated as unknown, and its grants are dead.
    pub enabled: bool,
    /// Where answers may go; never empty for the code grant.
    pub redirect_uris: Vec<RedirectUri>,
    /// `post_logout_redirect_uris` (OpenID Connect RP-Initiated Logout 1.0 section 3.1).
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// `grant_types`.
    pub grant_types: Vec<GrantType>,
    /// All that it may ask for.
    pub scope: Scope,
    /// `id_token_signed_response_alg`.
    pub id_token_algorithm: Algorithm,
    /// Run by the same people as the server: no consent is asked for.
    #[serde(default)]
    pub trusted: bool,
    /// Whether people may sign in to it from within an embedded browser (row 4.3).
    #[serde(default)]
    pub allow_embedded_browser: bool,
    /// Whether one access token may be for several APIs (RFC 8707 section 3 advises against it).
    #[serde(default)]
    pub several_audiences: bool,
    /// How it is told who the user is.
    #[serde(default)]
    pub openid: OpenIdOptions,
    /// The APIs that this client is the face of: it may introspect the tokens for them.
    #[serde(default)]
    pub apis: Vec<String>,
    /// `introspection_signed_response_alg`, where it is not the standard's default.
    #[serde(default)]
    pub introspection_algorithm: Option<Algorithm>,
    /// Whether its access tokens are always bound to a key (RFC 9449 section 5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Whether they are always bound to its certificate (RFC 8705 section 3.4).
    #[serde(default)]
    pub certificate_bound_access_tokens: bool,
    /// Stricter rules that it asked for.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// `client_uri`, `logo_uri`, `policy_uri`, `tos_uri` and who runs it, for the pages.
    #[serde(default)]
    pub about: About,
    /// What its authorization requests ask for where they say nothing.
    #[serde(default)]
    pub defaults: RequestDefaults,
    /// Whose word it is that there is such a client.
    #[serde(default)]
    pub origin: ClientOrigin,
    /// A public client that a test bench let register without PKCE; no other way leads here.
    #[serde(default)]
    pub pkce_waived: bool,
    /// `jwks` or `jwks_uri`: where its public keys are.
    #[serde(default, alias = "jwks")]
    pub keys: Option<KeySource>,
    /// `request_uris`: where it keeps request objects.
    #[serde(default)]
    pub request_uris: Vec<String>,
    /// `request_object_signing_alg`: any that we know, if absent.
    #[serde(default)]
    pub request_object_algorithm: Option<Algorithm>,
    /// `authorization_signed_response_alg`, where it is not the standard's default.
    #[serde(default)]
    pub authorization_response_algorithm: Option<Algorithm>,
    /// `require_signed_request_object` (RFC 9101 section 10.5).
    #[serde(default)]
    pub require_signed_request_object: bool,
    /// `require_pushed_authorization_requests` (RFC 9126 section 6).
    #[serde(default)]
    pub require_pushed_requests: bool,
    /// How it is told that a session has ended.
    #[serde(default)]
    pub logout: LogoutChannels,
    /// `authorization_details_types` (RFC 9396 section 10): all that it may ask for.
    #[serde(default)]
    pub authorization_details_types: Vec<String>,
    /// What is encrypted between it and us.
    #[serde(default)]
    pub encryption: ClientEncryption,
    /// How it asks for users behind the browser's back.
    #[serde(default)]
    pub ciba: CibaOptions,
    /// What it may exchange tokens for, and who may exchange its own (RFC 8693).
    #[serde(default)]
    pub token_exchange: ExchangePolicy,
}

/// What is encrypted to a client, and what it may encrypt by a shared key (OpenID Connect Dynamic
/// Client Registration 1.0 section 2, JARM section 3). Each holds an `alg` and an `enc`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientEncryption {
    /// `id_token_encrypted_response_alg`: ID tokens and logout tokens.
    pub id_token: Option<Encryption>,
    /// `userinfo_encrypted_response_alg`.
    pub userinfo: Option<Encryption>,
    /// `authorization_encrypted_response_alg`.
    pub authorization_response: Option<Encryption>,
    /// `request_object_encryption_alg`: what it intends to use. It may use another but `dir`.
    pub request_object: Option<Encryption>,
}

/// How a client is told who the user is (OpenID Connect Dynamic Client Registration 1.0 section
/// 2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenIdOptions {
    /// The sector of its pairwise subjects (`subject_type`); without one they are public.
    pub sector: Option<String>,
    /// `sector_identifier_uri`: what names the sector, and holds the redirect URIs of it.
    pub sector_identifier_uri: Option<String>,
    /// `userinfo_signed_response_alg`; plain JSON without it.
    pub userinfo_algorithm: Option<Algorithm>,
}

/// Whose word it is that there is a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientOrigin {
    /// The operator's.
    #[default]
    Operator,
    /// Its own, with an initial access token of the operator's (RFC 7591 section 3).
    Token,
    /// Its own alone.
    Open,
    /// That of the document that its identifier is the address of.
    Document,
}

impl ClientOrigin {
    /// Whether a stranger said all of it: it goes if no person lets it in.
    pub const fn is_strangers(self) -> bool {
        matches!(self, Self::Open | Self::Document)
    }
}

/// What an authorization request asks for where it says nothing (OpenID Connect Dynamic Client
/// Registration 1.0 section 2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestDefaults {
    /// `default_max_age`, in seconds.
    pub max_age: Option<u64>,
    /// `default_acr_values`.
    pub acr_values: Vec<String>,
}

/// What a client says of itself for people (RFC 7591 section 2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its home page.
    pub client_uri: Option<String>,
    /// Where its logo is.
    pub logo_uri: Option<String>,
    /// The name of our copy of that logo, once there is one.
    pub logo: Option<String>,
    /// What it does with the user's data.
    pub policy_uri: Option<String>,
    /// Its terms of service.
    pub tos_uri: Option<String>,
    /// Who runs it, in words.
    pub operator: Option<String>,
}

/// Whether a client can keep a secret (RFC 6749 section 2.1). A public client has no PKCE switch
/// (row 5.1): there is nothing to turn off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// A server-side app.
    Confidential {
        /// How it proves itself.
        method: SecretMethod,
        /// Its secret, and the one before while the two overlap.
        secrets: Vec<ClientSecret>,
        /// False only by the operator's word, for a client that cannot do PKCE.
        require_pkce: bool,
    },
    /// A server-side app that proves itself by a key of its own (`private_key_jwt`, RFC 7523).
    PrivateKeyJwt {
        /// `token_endpoint_auth_signing_alg`: the one algorithm, where it is registered.
        algorithm: Option<Algorithm>,
        /// False only by the operator's word, for a client that cannot do PKCE.
        require_pkce: bool,
    },
    /// A server-side app that proves itself by its connection's certificate (RFC 8705 section 2).
    MutualTls {
        /// Which certificate is its own.
        certificate: ExpectedCertificate,
        /// False only by the operator's word, for a client that cannot do PKCE.
        require_pkce: bool,
    },
    /// An app that runs on people's own devices.
    Public {
        /// Loopback redirect URIs with any port and private-use schemes (RFC 8252).
        native: bool,
    },
}

/// Which certificate is a client's (RFC 8705 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedCertificate {
    /// `tls_client_auth`: one that an authority issued, with this name in it.
    Issued(CertificateName),
    /// `self_signed_tls_client_auth`: any with a key of the client's.
    SelfSigned,
}

impl ExpectedCertificate {
    /// The registered name of the method (RFC 8705 sections 2.1.1 and 2.2.1).
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Issued(_) => mutual_tls::BY_AUTHORITY,
            Self::SelfSigned => mutual_tls::SELF_SIGNED,
        }
    }
}

/// The one name that a client's certificate has to bear (RFC 8705 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateName {
    /// `tls_client_auth_subject_dn`, as RFC 4514 has it.
    SubjectDn(String),
    /// `tls_client_auth_san_dns`.
    SanDns(String),
    /// `tls_client_auth_san_uri`.
    SanUri(String),
    /// `tls_client_auth_san_ip`.
    SanIp(IpAddr),
    /// `tls_client_auth_san_email`.
    SanEmail(String),
}

impl CertificateName {
    /// The member that it is registered by, and its text.
    pub fn registered(&self) -> (&'static str, String) {
        match self {
            Self::SubjectDn(name) => ("tls_client_auth_subject_dn", name.clone()),
            Self::SanDns(host) => ("tls_client_auth_san_dns", host.clone()),
            Self::SanUri(uri) => ("tls_client_auth_san_uri", uri.clone()),
            Self::SanIp(address) => ("tls_client_auth_san_ip", address.to_string()),
            Self::SanEmail(address) => ("tls_client_auth_san_email", address.clone()),
        }
    }
}

/// Where a client's public keys are (RFC 7591 section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeySource {
    /// `jwks`: here.
    Inline(JwkSet),
    /// `jwks_uri`: there, to be fetched.
    Remote(String),
}

/// A set of stricter rules that a client is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// FAPI 2.0 Security Profile.
    Fapi2,
}

/// `token_endpoint_auth_method` of a client with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretMethod {
    /// HTTP Basic (RFC 6749 section 2.3.1).
    ClientSecretBasic,
    /// In the request's body (RFC 6749 section 2.3.1).
    ClientSecretPost,
}

impl SecretMethod {
    /// The registered name (RFC 7591 section 2).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

/// What is kept of a client secret. Its 256 bits make a password hash needless.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    digest: [u8; 32],
    /// When it ends; never, if absent.
    pub expires_at: Option<Timestamp>,
}

impl ClientSecret {
    /// Keeps a secret's digest.
    pub fn of(secret: &Secret, expires_at: Option<Timestamp>) -> Self {
        Self { digest: secret.digest(), expires_at }
    }

    /// Whether `presented` is the secret and its time has not run out.
    pub fn accepts(&self, presented: &Secret, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
            && equal_in_constant_time(&self.digest, &presented.digest())
    }

    /// The key for `dir`, which is the digest itself (OpenID Connect Core 1.0 section 10.2), while
    /// the secret's time has not run out.
    pub fn shared_key(&self, now: Timestamp) -> Option<SharedKey> {
        let alive = self.expires_at.is_none_or(|end| now < end);
        alive.then(|| SharedKey::from_digest(self.digest))
    }
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientSecret(expires_at: {:?})", self.expires_at)
    }
}

/// `grant_types` that a client may be registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 section 4.1.
    AuthorizationCode,
    /// RFC 6749 section 6.
    RefreshToken,
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 8628 section 3.4.
    DeviceCode,
    /// OpenID Connect CIBA Core 1.0 section 10.1.
    Ciba,
    /// RFC 7523 section 2.1.
    JwtBearer,
    /// RFC 8693.
    TokenExchange,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::Ciba,
        Self::JwtBearer,
        Self::TokenExchange,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::Ciba => "urn:openid:params:grant-type:ciba",
            Self::JwtBearer => jwt_bearer::GRANT_TYPE,
            Self::TokenExchange => token_exchange::GRANT_TYPE,
        }
    }

    /// Whether it is for clients alone that prove who they are.
    pub const fn needs_proof(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::JwtBearer | Self::TokenExchange)
    }

    /// The grant type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant_type| grant_type.as_str() == name)
    }
}

impl Client {
    /// Whether it may use the grant.
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Whether it has no secret.
    pub fn is_public(&self) -> bool {
        matches!(self.kind, ClientKind::Public { .. })
    }

    /// Whether it has a client secret.
    pub fn has_secret(&self) -> bool {
        matches!(self.kind, ClientKind::Confidential { .. })
    }

    /// Whether it is a native app (RFC 8252).
    pub fn is_native(&self) -> bool {
        matches!(self.kind, ClientKind::Public { native: true })
    }

    /// Whether its requests must carry a PKCE challenge (row 1.7).
    pub fn must_use_pkce(&self) -> bool {
        match self.kind {
            ClientKind::Confidential { require_pkce, .. }
            | ClientKind::PrivateKeyJwt { require_pkce, .. }
            | ClientKind::MutualTls { require_pkce, .. } => require_pkce,
            ClientKind::Public { .. } => !self.pkce_waived,
        }
    }

    /// `token_endpoint_auth_method`.
    pub fn authentication_method(&self) -> &'static str {
        match &self.kind {
            ClientKind::Confidential { method, .. } => method.as_str(),
            ClientKind::PrivateKeyJwt { .. } => "private_key_jwt",
            ClientKind::MutualTls { certificate, .. } => certificate.method(),
            ClientKind::Public { .. } => "none",
        }
    }
}

/// Claims about a user, by their standard names (OpenID Connect Core 1.0 section 5.1).
pub type UserClaims = serde_json::Map<String, serde_json::Value>;

/// A user's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose `sub` it is.
    pub id: AccountId,
    /// What the user types.
    pub username: String,
    /// A switched-off account cannot sign in, and its grants are dead.
    pub enabled: bool,
    /// Grants approved and sessions begun before are dead: the last change of the password, or
    /// "sign out everywhere".
    pub valid_from: Timestamp,
    /// Name, email and so on.
    pub claims: UserClaims,
}

/// Longest user name, in bytes.
const USERNAME_AT_MOST: usize = 256;
/// Shortest password that is taken, in characters (NIST SP 800-63B section 5.1.1.1: at least 8).
pub const PASSWORD_AT_LEAST: usize = 8;
/// Longest password that is looked at, in bytes.
pub const PASSWORD_AT_MOST: usize = 1024;

/// A user name as it is kept and looked up: trimmed, and in lower case, since people's keyboards
/// capitalise. Nothing if it cannot be one.
pub fn normalized_username(username: &str) -> Option<String> {
    let name = username.trim();
    let good =
        !name.is_empty() && name.len() <= USERNAME_AT_MOST && !name.contains(char::is_control);
    good.then(|| name.to_lowercase())
}

/// What a sign-in needs to know.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Whose they are.
    pub account: Account,
    /// In PHC string format; an account without one cannot sign in by password.
    pub password_hash: Option<String>,
}

/// A browser's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its key in the store; the first half of the handle in the cookie.
    pub id: SessionId,
    /// What clients are told (`sid`); says nothing about the handle.
    pub sid: [u8; 16],
    /// Who signed in.
    pub account: AccountId,
    /// When, with a password or the like.
    pub auth_time: Timestamp,
    /// By which means (`amr`, RFC 8176).
    pub methods: Vec<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last seen, within a tenth of the idle lifetime.
    pub last_used: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The browser's name for itself, for the account page.
    pub user_agent: String,
}

/// What a user allowed a client, remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Allowed.
    pub granted: Scope,
    /// Asked and not allowed: not asked again until the client says `prompt=consent`.
    pub refused: Scope,
}

/// What is known about the browser that makes an authorization request, read in one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The live session, with its account enabled; nothing otherwise.
    pub signed_in: Option<SignedIn>,
}

/// A live session and what its user allowed the client before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// What its user typed to sign in.
    pub username: String,
    /// What was allowed before.
    pub consent: Consent,
    /// Whether the session's list of clients has this one already.
    pub client_is_listed: bool,
}

/// A grant as it is read for a use of one of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its key.
    pub id: GrantId,
    /// Whose.
    pub account: AccountId,
    /// For whom.
    pub client: ClientId,
    /// In which session, unless it outlives it.
    pub session: Option<SessionId>,
    /// `sid` of the session that it was born in.
    pub sid: [u8; 16],
    /// What was allowed.
    pub scope: Scope,
    /// The APIs that were asked for; empty means whichever the scopes belong to.
    pub resources: Vec<String>,
    /// The claims that were asked for one by one.
    pub claims: AskedClaims,
    /// What was allowed beside the scope (RFC 9396).
    pub details: AuthorizationDetails,
    /// When the user was authenticated.
    pub auth_time: Timestamp,
    /// By which means.
    pub methods: Vec<String>,
    /// The end of its refresh token, fixed at birth; of its last access token if it has none.
    pub expires_at: Timestamp,
    /// The refresh token's counter.
    pub generation: u32,
    /// The counter of the token that brought the newest: the last one that was used. None: the
    /// newest is the first.
    pub predecessor: Option<u32>,
    /// When the counter last moved.
    pub rotated_at: Timestamp,
    /// When it was last refreshed, within a tenth of the idle lifetime.
    pub last_used: Timestamp,
    /// Goes into the refresh token's MAC.
    pub salt: [u8; 16],
    /// What its refresh token is bound to (RFC 9449 section 5, RFC 8705 section 7.1: public
    /// clients' alone).
    pub bound_to: Option<SenderConstraint>,
}

/// A grant with what the store says of its life right now: unrevoked, account and client enabled,
/// approved after the last withdrawal, session open where it needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantNow {
    /// The grant.
    pub grant: Grant,
    /// Whether it is alive.
    pub alive: bool,
    /// Whether the access token that was asked about has been revoked by itself.
    pub token_revoked: bool,
}

/// A signing key as it is kept: encrypted under the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name in key sets.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// PKCS #8, sealed.
    pub sealed: Vec<u8>,
    /// Since when it signs nothing, where its algorithm is switched off.
    pub unused_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is the one that is used.
    pub used_from: Timestamp,
}

/// A key that decrypts what clients send, as it is kept: encrypted under the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDecryptionKey {
    /// Its name in key sets.
    pub kid: String,
    /// Its type.
    pub key_type: KeyType,
    /// PKCS #8, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is the one that is used.
    pub used_from: Timestamp,
}

/// One of a user's sessions or apps, for the account page and the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAccess {
    /// The app.
    pub client: Arc<Client>,
    /// What it may do.
    pub granted: Scope,
    /// Since when.
    pub since: Timestamp,
}

//! What travels sealed through browsers and comes back. Each kind has a purpose of its own, so
//! that none can be opened as another, and a format number that a later release can tell apart.

use keystile_protocol::jose::Thumbprint;
use keystile_protocol::seal::Sealable;
use keystile_protocol::{AuthorizationDetails, ClientId, CodeChallenge, Nonce, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, GrantId, ParkedId, SessionId};
use crate::rules::asked_claims::AskedClaims;

/// The format that this release writes.
pub const FORMAT: u8 = 1;

/// An authorization code: the approval itself (RFC 6749 section 4.1.2). Nothing is stored until
/// it is redeemed; the grant's row is what makes it single use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// [`FORMAT`].
    pub format: u8,
    /// The key of the row that redemption writes.
    pub grant: GrantId,
    /// Who may redeem it.
    pub client: ClientId,
    /// Whose approval it is.
    pub account: AccountId,
    /// In which session it was given.
    pub session: SessionId,
    /// That session's `sid`.
    pub sid: [u8; 16],
    /// SHA-256 of the redirect URI that was asked for.
    pub redirect_uri: [u8; 32],
    /// PKCE; absent only for a client that is registered so.
    pub challenge: Option<CodeChallenge>,
    /// What was allowed.
    pub scope: Scope,
    /// The APIs that were asked for by name.
    pub resources: Vec<String>,
    /// For the ID token.
    pub nonce: Option<Nonce>,
    /// When the user was authenticated.
    pub auth_time: Timestamp,
    /// By which means.
    pub methods: Vec<String>,
    /// When it was given: its life begins here.
    pub approved_at: Timestamp,
    /// Whether the session's list of clients lacks this one.
    pub first_in_session: bool,
    /// The claims that were asked for one by one, and allowed.
    pub claims: AskedClaims,
    /// The key that the client will prove when it redeems the code (RFC 9449 section 10).
    pub dpop_key: Option<Thumbprint>,
    /// Which approval this is of a request that was pushed: all of them share one grant.
    pub approval: Option<[u8; 16]>,
    /// What was allowed beside the scope (RFC 9396).
    #[serde(with = "as_json")]
    pub details: AuthorizationDetails,
}

impl Sealable for Code {
    const PURPOSE: &'static str = "code";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// A code that is too long to travel: it waits in the store, and this is what is redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedCode {
    /// [`FORMAT`].
    pub format: u8,
    /// Where it is.
    pub id: ParkedId,
}

impl Sealable for ParkedCode {
    const PURPOSE: &'static str = "parked-code";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// An authorization request that waits for login or consent. It carries the question, never an
/// answer: nothing in it says that anybody signed in or allowed anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// [`FORMAT`].
    pub format: u8,
    /// What it leads to.
    pub destination: Destination,
    /// When the request came, or became new again.
    pub requested_at: Timestamp,
    /// Digest of the browser cookie of the browser that the page was made for.
    pub browser: [u8; 16],
}

impl Sealable for Interaction {
    const PURPOSE: &'static str = "interaction";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// Where a sign-in leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// To the client, by this authorization request (as received, or as it stood in a request
    /// object or a pushed request).
    Client(ParamsAt, Origin),
    /// To the user's own account page.
    Account,
    /// To what a device waits for (RFC 8628 section 3.3).
    Device(GrantId),
    /// To the requests that wait for the user (OpenID Connect CIBA Core 1.0 section 8), or to the
    /// word on one of them.
    Requests(Option<GrantId>),
}

/// Where the parameters of a request stand that waits, form encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParamsAt {
    /// Here.
    Here(String),
    /// In the store, since they are too large to travel.
    Parked(ParkedId),
}

/// How an authorization request came, as far as that bounds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// In its own parameters.
    #[default]
    Plain,
    /// In a request object (RFC 9101), which may end.
    RequestObject(Option<Timestamp>),
    /// Pushed before (RFC 9126).
    Pushed {
        /// All approvals of it are for this grant, so that one `request_uri` gives one.
        grant: GrantId,
        /// Until when it can arrive.
        expires_at: Timestamp,
    },
}

/// A pushed authorization request: what stands behind its `request_uri` (RFC 9126 section 2.2).
/// Nothing is stored, unless it is large.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedRequest {
    /// [`FORMAT`].
    pub format: u8,
    /// Who pushed it, and may use it.
    pub client: ClientId,
    /// Its parameters, without credentials and without a request object.
    pub params: ParamsAt,
    /// The grant that it leads to.
    pub grant: GrantId,
    /// Until when it can arrive at the authorization endpoint.
    pub expires_at: Timestamp,
}

impl Sealable for PushedRequest {
    const PURPOSE: &'static str = "par";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// A consent page: who was asked what. A post under another session, account or request shows the
/// page again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentPage {
    /// The request that it belongs to.
    pub interaction: Interaction,
    /// Who was signed in.
    pub session: SessionId,
    /// Whose consent it is.
    pub account: AccountId,
    /// Who asks.
    pub client: ClientId,
    /// Digest of what was shown.
    pub shown: [u8; 16],
}

impl Sealable for ConsentPage {
    const PURPOSE: &'static str = "consent";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// A page of ours with a form that changes something outside of an authorization request: it is
/// bound to session and browser (CSRF).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormToken {
    /// [`FORMAT`].
    pub format: u8,
    /// Which form.
    pub form: FormKind,
    /// Of whose session.
    pub session: Option<SessionId>,
    /// Digest of the browser cookie.
    pub browser: [u8; 16],
    /// When the page was made.
    pub made_at: Timestamp,
    /// What the form goes on with, form encoded.
    pub params: String,
}

/// Forms that a [`FormToken`] can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FormKind {
    /// The page that asks whether to sign out.
    SignOut,
    /// The account page.
    Account,
    /// The page that asks for a user code.
    UserCode,
}

impl Sealable for FormToken {
    const PURPOSE: &'static str = "csrf";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// A nonce for DPoP proofs (RFC 9449 section 8): when it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DpopNonce {
    /// [`FORMAT`].
    pub format: u8,
    /// When.
    pub made_at: Timestamp,
}

impl Sealable for DpopNonce {
    const PURPOSE: &'static str = "dpop-nonce";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// A cookie of a browser that signed in before: its attempts have a bucket of their own, so that
/// an account under attack stays open to its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBrowser {
    /// [`FORMAT`].
    pub format: u8,
    /// A random name for the browser.
    pub browser: [u8; 16],
    /// The accounts that signed in from it, the latest first.
    pub accounts: Vec<AccountId>,
}

impl Sealable for KnownBrowser {
    const PURPOSE: &'static str = "known-browser";
    const FORMAT: Option<u8> = Some(FORMAT);
}

/// JSON as text: a compact form that does not describe itself cannot hold what has any shape.
mod as_json {
    use keystile_protocol::AuthorizationDetails;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        details: &AuthorizationDetails,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = if details.is_empty() { String::new() } else { details.to_json() };
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<AuthorizationDetails, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(AuthorizationDetails::default());
        }
        serde_json::from_str(&text).map_err(Error::custom)
    }
}

//! The endpoints: each reads facts, asks the rules in their order, and commits.

mod account;
mod answer;
mod arrival;
mod at_once;
mod authorize;
mod backchannel_authentication;
mod client;
mod client_documents;
mod client_keys;
mod device;
mod device_authorization;
mod encryption;
mod introspect;
mod life;
mod logos;
mod logout;
mod logout_messages;
mod metadata;
mod own_keys;
mod parking;
mod pings;
mod pushed_request;
mod readiness;
mod registration;
mod requests;
mod resume;
mod revoke;
mod sector;
mod sign_in;
mod sign_up;
mod subject;
mod token;
mod userinfo;

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};

use keystile_protocol::encoding::sha256;
use keystile_protocol::recent_proofs::RecentProofs;
use keystile_protocol::seal::{Sealed, Seals};
use keystile_protocol::{Params, Timestamp};

pub use account::{AccountAction, AccountNotice, AccountView};
pub use answer::{
    Answer, ConsentView, Cookies, EndpointError, Fault, Outcome, SessionCookie, SignInError,
    SignInView, SignUpView,
};
pub use client::ClientRequest;
pub use device::{DeviceDoneView, DeviceView, UserCodeForm, UserCodeProblem, UserCodeView};
pub use logos::{LogoError, fetch_logo};
pub use logout::{LogoutOutcome, SignedOutView};
pub use logout_messages::LogoutRound;
pub use metadata::paths;
pub use own_keys::{KeyWork, LoadKeysError, NoteMasterKeysError};
pub use pings::PingRound;
pub use readiness::NotReady;
pub use registration::{RegistrationAnswer, RegistrationRequest};
pub use requests::{RequestNotice, RequestsView, WaitingRequest};
pub use resume::ConsentForm;
pub use sector::{SectorError, check_sector};
pub use sign_in::SignInForm;
pub use sign_up::SignUpForm;
pub use userinfo::{PresentedToken, Userinfo};

use crate::ids::SessionId;
use crate::incident::{Incident, Reference};
use crate::keys::Keys;
use crate::policy::Policy;
use crate::ports::{
    Clock, Documents, Entropy, Outbound, Passwords, SessionHandle, Store, StoreError,
};
use crate::recognised::Recognised;
use crate::sealed::{FORMAT, FormKind, FormToken, KnownBrowser};
use crate::throttle::Throttle;

/// The authorization server without a face: what is asked comes in as values, and what is
/// answered goes out as values.
pub struct Authority {
    policy: Policy,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    passwords: Arc<dyn Passwords>,
    outbound: Arc<dyn Outbound>,
    documents: Arc<dyn Documents>,
    seals: Seals,
    keys: RwLock<Arc<Keys>>,
    /// When the store was last asked for a key that a token named, in milliseconds.
    keys_asked_at: AtomicI64,
    /// Counts how often the keys were loaded.
    key_loads: AtomicU64,
    throttle: Option<Throttle>,
    recognised: Recognised,
    recent_proofs: RecentProofs,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.policy.issuer)
    }
}

/// What an [`Authority`] needs of the world.
#[allow(missing_debug_implementations, reason = "ports have nothing to show")]
pub struct Ports {
    /// The memory.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Password hashing.
    pub passwords: Arc<dyn Passwords>,
    /// Requests of our own.
    pub outbound: Arc<dyn Outbound>,
    /// What they fetched.
    pub documents: Arc<dyn Documents>,
}

/// What is known about the browser behind a request.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    /// From the session cookie.
    pub session: Option<SessionHandle>,
    /// From the browser cookie: random, and no authority by itself.
    pub token: Option<[u8; 16]>,
    /// From the cookie of a browser that signed in before.
    pub known: Option<Sealed<KnownBrowser>>,
    /// Its network: /24 or /56 of its address.
    pub network: String,
    /// Its name for itself, cut short.
    pub user_agent: String,
}

impl Browser {
    /// What pages are bound to.
    fn digest(token: &[u8; 16]) -> [u8; 16] {
        let mut digest = [0; 16];
        digest.copy_from_slice(&sha256(token)[..16]);
        digest
    }

    /// Whether a page was made for this browser.
    fn is(&self, digest: &[u8; 16]) -> bool {
        self.token.as_ref().is_some_and(|token| Self::digest(token) == *digest)
    }
}

impl Authority {
    /// An authority that has no signing keys yet: see [`Self::load_keys`].
    pub fn new(policy: Policy, seals: Seals, ports: Ports) -> Self {
        let Ports { store, clock, entropy, passwords, outbound, documents } = ports;
        let throttle = policy.guessing.as_ref().map(Throttle::new);
        let keys = RwLock::default();
        let recognised = Recognised::default();
        let recent_proofs = RecentProofs::default();
        Self {
            policy,
            store,
            clock,
            entropy,
            passwords,
            outbound,
            documents,
            seals,
            keys,
            keys_asked_at: AtomicI64::new(0),
            key_loads: AtomicU64::new(0),
            throttle,
            recognised,
            recent_proofs,
        }
    }

    /// The operator's decisions.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The keys that tokens are signed with now.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new reference number.
    pub fn reference(&self) -> Reference {
        Reference::from_random(self.entropy.bytes())
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Keeps an incident for `keystile explain`.
    pub async fn record(&self, incident: &Incident) -> Result<(), StoreError> {
        self.store.record_incident(incident).await
    }

    fn seal<T: keystile_protocol::seal::Sealable>(&self, value: &T, now: Timestamp) -> Sealed<T> {
        self.seals.seal(value, self.store.epoch(), now, self.entropy.bytes())
    }

    /// What binds a form of ours to the session and the browser that it was made for.
    fn form_token(
        &self,
        form: FormKind,
        session: impl Into<Option<SessionId>>,
        params: String,
        browser: &Browser,
        cookies: &mut Cookies,
        now: Timestamp,
    ) -> Sealed<FormToken> {
        let browser = Browser::digest(&self.browser_token(browser, cookies));
        let session = session.into();
        let token = FormToken { format: FORMAT, form, session, browser, made_at: now, params };
        self.seal(&token, now)
    }

    fn open<T: keystile_protocol::seal::Sealable>(&self, sealed: &str) -> Option<T> {
        self.open_in(sealed, self.store.epoch())
    }

    fn open_in<T: keystile_protocol::seal::Sealable>(&self, sealed: &str, epoch: u64) -> Option<T> {
        self.seals.open(&Sealed::from_text(sealed), epoch).ok()
    }
}

/// A request's parameters, or why they could not be taken apart.
pub type ReceivedParams = Result<Params, keystile_protocol::ParamError>;

//! What the endpoints answer, as values.

use keystile_protocol::seal::Sealed;
use keystile_protocol::{ErrorCode, ProtocolError, Secret};

use super::device::{DeviceDoneView, DeviceView, UserCodeView};
use super::requests::RequestsView;
use crate::incident::Incident;
use crate::ports::StoreError;
use crate::records::Client;
use crate::rules::consent::Permission;
use crate::rules::details_words::ShownDetail;
use crate::rules::next_step::LoginReason;
use crate::rules::redirect::{PageError, Reply};
use crate::rules::sign_up::{SignUpError, SignUpFields};
use crate::sealed::{ConsentPage, Interaction, KnownBrowser};
use crate::throttle::Throttled;

/// What goes to a browser: what it sees, and cookies.
#[derive(Debug)]
pub struct Answer {
    /// What it sees.
    pub outcome: Outcome,
    /// Cookies to be set.
    pub cookies: Cookies,
}

/// Cookies to be set; those that are absent stay as they are.
#[derive(Debug, Default)]
pub struct Cookies {
    /// The browser cookie.
    pub browser: Option<[u8; 16]>,
    /// The session cookie.
    pub session: Option<SessionCookie>,
    /// The cookie of a browser that signed in.
    pub known: Option<Sealed<KnownBrowser>>,
}

/// A change of the session cookie.
#[derive(Debug)]
pub enum SessionCookie {
    /// A new handle.
    Set(Secret),
    /// None any more.
    Clear,
}

/// What a browser sees.
#[derive(Debug)]
pub enum Outcome {
    /// An authorization response, with the incident behind an error.
    Reply(Box<Reply>, Option<Box<Incident>>),
    /// An error that must not be redirected.
    Page(PageError, Box<Incident>),
    /// The sign-in page.
    SignIn(Box<SignInView>),
    /// The page where an account is made.
    SignUp(Box<SignUpView>),
    /// The consent page.
    Consent(Box<ConsentView>),
    /// On to the account page.
    Account,
    /// On to the page that asks for a user code, with this filled in.
    EnterUserCode(String),
    /// The page that asks for a user code.
    UserCode(Box<UserCodeView>),
    /// The page that asks whether a device may have what it waits for.
    Device(Box<DeviceView>),
    /// The page that says what the device is told.
    DeviceDone(Box<DeviceDoneView>),
    /// On to the page with the requests that wait for the user.
    OpenRequests,
    /// That page.
    Requests(Box<RequestsView>),
    /// A page that belongs to nothing that is under way here.
    CannotGoOn(Box<Incident>),
    /// A fault of ours before it was known where an answer may go.
    Fault(Fault, Box<Incident>),
}

/// The sign-in page.
#[derive(Debug)]
pub struct SignInView {
    /// What it goes on with.
    pub request: Sealed<Interaction>,
    /// Which app the user comes from; none for the account page.
    pub client: Option<std::sync::Arc<Client>>,
    /// Whether there is a way back to it.
    pub back_to_app: bool,
    /// What the user typed before, or the client's hint.
    pub username: String,
    /// Languages that the client asks for.
    pub ui_locales: Option<String>,
    /// Why the page is shown.
    pub reason: LoginReason,
    /// Whether an older page became a new request.
    pub renewed: bool,
    /// What went wrong the last time.
    pub error: Option<SignInError>,
}

/// The page where a person makes an account.
#[derive(Debug)]
pub struct SignUpView {
    /// What it goes on with.
    pub request: Sealed<Interaction>,
    /// Which app the user comes from; none for the account page.
    pub client: Option<std::sync::Arc<Client>>,
    /// What the user typed before.
    pub fields: SignUpFields,
    /// Languages that the client asks for.
    pub ui_locales: Option<String>,
    /// What is wrong with what was typed.
    pub error: Option<SignUpError>,
}

/// Why a sign-in did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInError {
    /// No such user, or not the password, or switched off: nobody can tell which.
    Rejected,
    /// Too many attempts.
    Throttled(Throttled),
    /// No password can be checked right now.
    Busy,
}

/// The consent page.
#[derive(Debug)]
pub struct ConsentView {
    /// What the page's address goes on with.
    pub request: Sealed<Interaction>,
    /// What its form posts.
    pub page: Sealed<ConsentPage>,
    /// Who asks.
    pub client: std::sync::Arc<Client>,
    /// Who is signed in.
    pub username: String,
    /// What is asked for.
    pub permissions: Vec<Permission>,
    /// What is asked for beside scopes.
    pub details: Vec<ShownDetail>,
    /// Languages that the client asks for.
    pub ui_locales: Option<String>,
}

/// A fault of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The store is away, or something is full; nothing was done. Worth another try.
    #[error("{0}")]
    Unavailable(String),
    /// What was to be written may have been written, or not.
    #[error("{0}")]
    InDoubt(String),
    /// Something is broken.
    #[error("{0}")]
    Broken(String),
}

impl Fault {
    /// The error that clients are told (rows 3.8 and 3.9).
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) | Self::InDoubt(_) => ErrorCode::TemporarilyUnavailable,
            Self::Broken(_) => ErrorCode::ServerError,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::InDoubt(why) => Self::InDoubt(why),
            StoreError::Broken(why) | StoreError::Conflict(why) => Self::Broken(why),
        }
    }
}

impl From<crate::mint::MintError> for Fault {
    fn from(error: crate::mint::MintError) -> Self {
        match error {
            crate::mint::MintError::NotReady(_) => Self::Unavailable(error.to_string()),
            crate::mint::MintError::SwitchedOff(_) | crate::mint::MintError::Signing(_) => {
                Self::Broken(error.to_string())
            }
        }
    }
}

/// Why an endpoint that clients and APIs call did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// The standard's error.
    Protocol(ProtocolError),
    /// Too many failed attempts from that network.
    Throttled(Throttled),
    /// A fault of ours.
    Fault(Fault),
}

impl EndpointError {
    /// The standard's error with words.
    pub fn protocol(code: ErrorCode, words: impl AsRef<str>) -> Self {
        Self::Protocol(ProtocolError::new(code, words))
    }
}

impl From<ProtocolError> for EndpointError {
    fn from(error: ProtocolError) -> Self {
        match error.error {
            // The endpoints' standards have no such error: HTTP has a status for it.
            ErrorCode::TemporarilyUnavailable => {
                Self::Fault(Fault::Unavailable(error.error_description))
            }
            _ => Self::Protocol(error),
        }
    }
}

impl From<keystile_protocol::ParamError> for EndpointError {
    fn from(error: keystile_protocol::ParamError) -> Self {
        Self::protocol(ErrorCode::InvalidRequest, error.to_string())
    }
}

impl<F: Into<Fault>> From<F> for EndpointError {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

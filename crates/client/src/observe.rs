//! What happens in a login, told to whoever wants to know: an audit log, or a page that shows the
//! flow. Secrets arrive wrapped, so that nobody prints one by accident.

use keystile_protocol::{Secret, Timestamp};

/// Is told each step. Called in the middle of requests, so it returns at once: what takes time
/// belongs into a queue.
///
/// ```
/// # use keystile_client::{Event, Observer, Shown, Step};
/// struct Audit;
///
/// impl Observer for Audit {
///     fn event(&self, event: &Event) {
///         if matches!(event.step, Step::SessionStarted | Step::SessionEnded) {
///             println!("{:?} of session {:?}", event.step, event.session);
///         }
///     }
/// }
/// # let client = keystile_client::Client::builder("https://login.example", "app")
/// #     .public().app_url("https://app.example");
/// let client = client.observer(std::sync::Arc::new(Audit)).build()?;
/// # Ok::<(), keystile_client::BuildError>(())
/// ```
pub trait Observer: Send + Sync {
    /// One message between two parties, or one change of a session.
    fn event(&self, event: &Event);
}

/// One step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Which login it belongs to: a digest of its `state`. Not a secret.
    pub login: Option<String>,
    /// Which session it belongs to: a digest of its handle. Not a secret.
    pub session: Option<String>,
    /// What happened.
    pub step: Step,
    /// Who spoke.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// HTTP method, where the step is a request.
    pub method: Option<String>,
    /// Where to, without its query: that is in [`Event::parameters`].
    pub url: Option<String>,
    /// HTTP status, where the step is a response.
    pub status: Option<u16>,
    /// Whether it passed through the browser, where an onlooker could see it.
    pub visible_in_browser: bool,
    /// What was said.
    pub parameters: Vec<(String, Shown)>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The browser was sent to the authorization server.
    LoginStarted,
    /// The browser came back from there.
    CallbackReceived,
    /// What it brought was refused; the parameter `reason` says why.
    CallbackRefused,
    /// The codes of a device were asked for.
    DeviceRequest,
    /// The answer to that.
    DeviceResponse,
    /// The authorization request was sent ahead (RFC 9126).
    PushedRequest,
    /// The answer to that.
    PushedResponse,
    /// The code was sent for tokens.
    TokenRequest,
    /// The answer to that.
    TokenResponse,
    /// The user's claims were asked for.
    UserinfoRequest,
    /// The answer to that.
    UserinfoResponse,
    /// The user is signed in.
    SessionStarted,
    /// The refresh token was sent for new tokens.
    RefreshRequest,
    /// The answer to that.
    RefreshResponse,
    /// The refresh token of a session that is over was given back.
    RevocationRequest,
    /// The answer to that.
    RevocationResponse,
    /// The session is over; the parameter `reason` says why.
    SessionEnded,
    /// An API was called.
    ApiRequest,
    /// The answer to that.
    ApiResponse,
    /// The browser was sent to the authorization server to sign out there too.
    LogoutStarted,
}

/// Who speaks or listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The user's browser.
    Browser,
    /// The app that uses this crate.
    App,
    /// Where users sign in.
    AuthorizationServer,
    /// What the app calls on the user's behalf.
    Api,
}

/// A value as an observer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Anybody may see it.
    Plain(String),
    /// A token, a code, a verifier, a credential.
    Secret(Secret),
}

impl Event {
    /// An event with nothing in it but who, what and when.
    pub(crate) fn new(at: Timestamp, step: Step, from: Party, to: Party) -> Self {
        Self {
            at,
            login: None,
            session: None,
            step,
            from,
            to,
            method: None,
            url: None,
            status: None,
            visible_in_browser: from == Party::Browser || to == Party::Browser,
            parameters: Vec::new(),
        }
    }

    pub(crate) fn in_login(mut self, login: &str) -> Self {
        self.login = Some(login.to_owned());
        self
    }

    pub(crate) fn in_session(mut self, session: &str) -> Self {
        self.session = Some(session.to_owned());
        self
    }

    pub(crate) fn request(mut self, method: &str, url: &str) -> Self {
        self.method = Some(method.to_owned());
        self.url = Some(url.split(['?', '#']).next().unwrap_or_default().to_owned());
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn plain(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.push((name.to_owned(), Shown::Plain(value.into())));
        self
    }

    pub(crate) fn all(mut self, parameters: impl IntoIterator<Item = (String, Shown)>) -> Self {
        self.parameters.extend(parameters);
        self
    }
}

/// Parameters whose values nobody is to see.
const SECRETS: [&str; 14] = [
    "code",
    "response",
    "code_verifier",
    "client_secret",
    "access_token",
    "refresh_token",
    "id_token",
    "token",
    "authorization",
    "client_assertion",
    "device_code",
    "subject_token",
    "actor_token",
    "registration_access_token",
];

pub(crate) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name.to_ascii_lowercase().as_str())
}

/// Wraps a parameter as its name demands.
pub(crate) fn shown(name: &str, value: &str) -> (String, Shown) {
    let value = if is_secret(name) {
        Shown::Secret(Secret::new(value))
    } else {
        Shown::Plain(value.to_owned())
    };
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_wrapped_and_queries_cut_off() {
        assert!(matches!(shown("code", "x").1, Shown::Secret(_)));
        assert!(matches!(shown("Authorization", "x").1, Shown::Secret(_)));
        assert!(matches!(shown("state", "x").1, Shown::Plain(_)));
        let event = Event::new(Timestamp::default(), Step::ApiRequest, Party::App, Party::Api)
            .request("GET", "https://a/b?token=c");
        assert_eq!(event.url.as_deref(), Some("https://a/b"));
        assert!(!event.visible_in_browser);
    }
}

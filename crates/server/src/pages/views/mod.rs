//! What each page shows, as plain values.

mod account;
mod device;
mod requests;
mod sign_in;
mod sign_out;
mod sign_up;
mod trouble;

use minijinja::value::{Serde, Value};
use serde::Serialize;

pub use account::{Account, AccountApp, AccountNotice, AccountSession, Home};
pub use device::{Device, DeviceDone, UserCode, UserCodeError};
pub use requests::{NoRequests, RequestWord, Requests, WaitingRequest};
pub use sign_in::{
    Consent, Detail, DetailRow, FormPost, GoOn, Permission, PermissionGroup, PermissionKind,
    Phrase, SignIn, SignInError, SignInReason,
};
pub use sign_out::{SignOut, SignOutProblem, SignedOut};
pub use sign_up::{SignUp, SignUpError};
pub use trouble::{
    Busy, Developer, EmbeddedBrowser, ErrorHelp, Framed, Platform, Problem, ProblemKind,
};

/// The place that people sign in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// Its name, as in the title of each page.
    pub name: String,
    /// The path that it is below, without a slash at the end; empty at the root.
    pub base: String,
}

impl Default for Brand {
    fn default() -> Self {
        Self { name: "Keystile".to_owned(), base: String::new() }
    }
}

/// The app that sent the person here.
#[derive(Debug, Clone, Default, Serialize)]
pub struct App {
    /// Its name, for people.
    pub name: String,
    /// The domain that it belongs to.
    pub domain: Option<String>,
    /// The hosts that answers go to, where a stranger says what the app is and they are others.
    pub answers_to: Option<String>,
    /// The path of its logo below that of the issuer.
    pub logo: Option<String>,
    /// Who runs it.
    pub operator: Option<String>,
    /// The https address of its privacy policy.
    pub policy: Option<String>,
    /// The https address of its terms of service.
    pub terms: Option<String>,
}

/// A page that can be shown.
pub(super) trait View: Serialize {
    /// The template that shows it.
    const TEMPLATE: &'static str;

    /// What the template gets.
    fn context(&self) -> Value {
        Value::from(Serde(self))
    }

    fn shown(&self) -> Shown {
        Shown { name: Self::TEMPLATE, template: Self::TEMPLATE, page: self.context() }
    }
}

/// A view, ready for its template.
#[derive(Debug)]
pub(super) struct Shown {
    /// What sets this one apart from others of the same template.
    pub(super) name: &'static str,
    pub(super) template: &'static str,
    pub(super) page: Value,
}

//! The pages for when something is in the way.

use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::super::comparison::Comparison;
use super::{App, View};

/// Says what went wrong where there is no way back to an app.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// What went wrong.
    pub kind: ProblemKind,
    /// What finds the line in the log.
    pub reference: String,
    /// What helps a developer; only for a development issuer.
    pub developer: Option<Developer>,
}

impl View for Problem {
    const TEMPLATE: &'static str = "problem.html";

    fn context(&self) -> Value {
        minijinja::context! {
            kind => Value::from(Serde(self.kind)),
            technical => self.kind.technical_name(),
            reference => self.reference.as_str(),
            developer => self.developer.as_ref().map(|developer| Value::from(Serde(Comparison::new(developer)))),
        }
    }
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The app is not registered.
    UnknownClient,
    /// The address to return to is not one of the app's.
    BadRedirectUri,
    /// The request names no app.
    MissingClient,
    /// The request cannot be read.
    BadRequest,
    /// The request is too old to be taken up again.
    RequestTooOld,
    /// The step belongs to nothing that this browser began.
    CannotGoOn,
    /// No page has this path.
    NotFound,
    /// The page does not take this method.
    MethodNotAllowed,
    /// More was sent than the page takes.
    TooLarge,
    /// A fault of ours.
    Internal,
}

impl ProblemKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::UnknownClient,
        Self::BadRedirectUri,
        Self::MissingClient,
        Self::BadRequest,
        Self::RequestTooOld,
        Self::CannotGoOn,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::Internal,
    ];

    /// What the app's people call the thing, so that they find it in their code.
    fn technical_name(self) -> Option<&'static str> {
        match self {
            Self::UnknownClient | Self::MissingClient => Some("client_id"),
            Self::BadRedirectUri => Some("redirect_uri"),
            _ => None,
        }
    }
}

/// What helps a developer to see what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Developer {
    /// The rule that was not kept.
    pub rule: String,
    /// The section of the standard that has it.
    pub section: String,
    /// What was received.
    pub received: Option<String>,
    /// What is registered.
    pub expected: Vec<String>,
    /// Where `received` first differs from the closest of `expected`, counted in characters from 0.
    pub first_difference: Option<usize>,
    /// Which of `expected` is the closest, counted from 0.
    pub closest: Option<usize>,
    /// What to do.
    pub hint: String,
}

/// Leads out of a browser that is built into another app.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EmbeddedBrowser {
    /// The app that the person was on the way to.
    pub app: Option<App>,
    /// The address to open instead; one of ours.
    pub url: String,
    /// A link that opens the person's own browser, where the platform has one.
    pub open: Option<String>,
    /// Which words describe the menu.
    pub platform: Platform,
}

impl View for EmbeddedBrowser {
    const TEMPLATE: &'static str = "embedded_browser.html";
}

/// The system under a built-in browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Android.
    Android,
    /// iOS and iPadOS.
    Ios,
    /// Any other.
    #[default]
    Other,
}

/// Leads out of a frame.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Framed {
    /// The address to open on its own; one of ours.
    pub url: String,
}

impl View for Framed {
    const TEMPLATE: &'static str = "framed.html";
}

/// Asks to try again in a moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Busy {
    /// What finds the line in the log.
    pub reference: String,
    /// How long to wait.
    pub seconds: u64,
    /// What the page tries again by itself; one of our own addresses.
    pub retry: Option<String>,
}

impl View for Busy {
    const TEMPLATE: &'static str = "busy.html";
}

/// What a standard error means, for a developer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ErrorHelp {
    /// The error's name.
    pub code: String,
    /// What it means and what to do, in English: it is about the standards' own terms.
    pub meaning: String,
    /// Where it is defined.
    pub section: String,
}

impl View for ErrorHelp {
    const TEMPLATE: &'static str = "error_help.html";
}

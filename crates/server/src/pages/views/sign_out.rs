//! The pages on the way out.

use serde::Serialize;

use super::{App, View};

/// Asks whether to sign out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SignOut {
    /// Who is signed in.
    pub account: Option<String>,
    /// The sealed question, posted back as `request`.
    pub token: String,
}

impl View for SignOut {
    const TEMPLATE: &'static str = "sign_out.html";
}

/// Says what a person is signed out from, and nothing more than what happened.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SignedOut {
    /// The app that began it.
    pub app: Option<App>,
    /// Where to go back to: an app's name and its checked address.
    pub return_to: Option<(String, String)>,
    /// The names of the apps that were told.
    pub told: Vec<String>,
    /// Checked addresses of apps that are told through this page.
    pub frames: Vec<String>,
}

impl View for SignedOut {
    const TEMPLATE: &'static str = "signed_out.html";
}

/// Says that a sign-out that an app began cannot be completed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SignOutProblem {
    /// What finds the line in the log.
    pub reference: String,
}

impl View for SignOutProblem {
    const TEMPLATE: &'static str = "sign_out_problem.html";
}

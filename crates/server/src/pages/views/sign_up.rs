//! The page where a person makes an account.

use serde::Serialize;

use super::{App, View};

/// Asks for what an account is made of.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SignUp {
    /// The app that the person comes from.
    pub app: Option<App>,
    /// The sealed request, posted back as `request`.
    pub request: String,
    /// What was typed before, or empty.
    pub username: String,
    /// The same.
    pub name: String,
    /// The same.
    pub email: String,
    /// Fewest characters of a password.
    pub password_at_least: usize,
    /// What is wrong with what was typed.
    pub error: Option<SignUpError>,
    /// The path for a person who has an account.
    pub sign_in: String,
}

impl View for SignUp {
    const TEMPLATE: &'static str = "sign_up.html";
}

/// Why there is no account yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignUpError {
    /// No good user name.
    Username,
    /// Somebody has the user name.
    Taken,
    /// No good full name.
    Name,
    /// No email address.
    Email,
    /// Too short a password, or too long.
    Password,
    /// Too many accounts from there.
    Throttled {
        /// How long to wait.
        seconds: u64,
    },
    /// Too much to do; nothing was done.
    Busy,
}

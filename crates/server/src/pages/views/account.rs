//! The pages of a person's own account.

use serde::Serialize;

use super::{App, View};

/// Shows which apps have access, where the account is signed in, and changes its password.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Account {
    /// The user name.
    pub account: String,
    /// The person's name.
    pub name: Option<String>,
    /// How many requests wait for an answer.
    pub waiting: usize,
    /// The path where they are answered.
    pub requests: String,
    /// The apps that have access.
    pub apps: Vec<AccountApp>,
    /// The browsers that are signed in.
    pub sessions: Vec<AccountSession>,
    /// What binds the page's forms to this browser, posted back as `token`.
    pub token: String,
    /// What the last action did.
    pub notice: Option<AccountNotice>,
}

impl View for Account {
    const TEMPLATE: &'static str = "account.html";
}

/// An app that has access to an account.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AccountApp {
    /// The app.
    pub app: App,
    /// Its identifier, posted back as `client_id`; never shown.
    pub client_id: String,
    /// Since when, as an ISO date.
    pub since: String,
    /// What it may do, in words.
    pub permissions: Vec<String>,
}

/// A browser that is signed in.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AccountSession {
    /// Its identifier, posted back as `session`; never shown.
    pub id: String,
    /// When it signed in: an ISO date, or date and time in UTC.
    pub started: String,
    /// When it was last used: an ISO date, or date and time in UTC.
    pub last_used: String,
    /// Whether it is the browser that shows the page.
    pub current: bool,
    /// What kind of browser it is, in words.
    pub agent: Option<String>,
}

/// What the last action on the account page did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountNotice {
    /// An app no longer has access.
    AccessRemoved,
    /// Another browser is signed out.
    SignedOutElsewhere,
    /// The password was changed.
    PasswordChanged,
    /// The current password was wrong.
    PasswordWrong,
    /// The new password is too short.
    PasswordTooShort,
}

/// Says what this place is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Home {
    /// Who is signed in.
    pub signed_in: Option<String>,
}

impl View for Home {
    const TEMPLATE: &'static str = "home.html";
}

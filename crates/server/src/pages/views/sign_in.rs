//! The pages on the way to an app.

use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::{App, View};

/// Asks for user name and password.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SignIn {
    /// The app that the person comes from.
    pub app: Option<App>,
    /// Whether there is a way back to it.
    pub back_to_app: bool,
    /// The sealed request, posted back as `request`.
    pub request: String,
    /// The name to begin with, or empty.
    pub username: String,
    /// Whether only this name will do.
    pub username_fixed: bool,
    /// Why the last attempt did not succeed.
    pub error: Option<SignInError>,
    /// Why the page shows although the person may be signed in.
    pub reason: Option<SignInReason>,
    /// Where to go with a forgotten password.
    pub forgot: Option<String>,
    /// The path where a person makes an account, if there is one.
    pub sign_up: Option<String>,
}

impl View for SignIn {
    const TEMPLATE: &'static str = "sign_in.html";
}

/// Why an attempt to sign in did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignInError {
    /// Wrong name or wrong password; the page does not tell which.
    Rejected,
    /// Too many attempts.
    Throttled {
        /// How long to wait.
        seconds: u64,
    },
    /// Too much to do; the password was not checked.
    Busy,
}

/// Why a person who may be signed in is asked to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInReason {
    /// The app asks for a fresh sign-in.
    AskedAgain,
    /// The app means another account than the one that is signed in.
    OtherAccount,
    /// The page was old; signing in goes on with what it was about.
    OldPage,
}

/// Asks whether an app may have what it wants.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Consent {
    /// The app that asks.
    pub app: App,
    /// Who is signed in.
    pub account: String,
    /// The sealed question, posted back as `consent`.
    pub consent: String,
    /// What the app asks for in detail.
    pub details: Vec<Detail>,
    /// What the app asks for.
    pub groups: Vec<PermissionGroup>,
    /// The path that leads to another account.
    pub switch: String,
    /// The path where all of it can be taken back.
    pub manage: Option<String>,
}

impl View for Consent {
    const TEMPLATE: &'static str = "consent.html";

    fn context(&self) -> Value {
        minijinja::context! {
            has_optional => has_optional(&self.groups), ..Value::from(Serde(self))
        }
    }
}

/// One thing that an app asks for in detail, such as a payment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Detail {
    /// What it is about.
    pub title: String,
    /// The most important of it, or nothing.
    pub sentence: Vec<Phrase>,
    /// All of it that the sentence does not say.
    pub rows: Vec<DetailRow>,
}

/// A piece of a sentence.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Phrase {
    /// The text.
    pub text: String,
    /// Whether the app put it in.
    pub by_app: bool,
}

/// What a detail says about one thing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DetailRow {
    /// The thing.
    pub label: String,
    /// What is said.
    pub values: Vec<String>,
}

/// Whether anything can be left out.
pub(super) fn has_optional(groups: &[PermissionGroup]) -> bool {
    groups.iter().flat_map(|group| &group.permissions).any(|permission| permission.optional)
}

/// Permissions under one heading.
#[derive(Debug, Clone, Serialize)]
pub struct PermissionGroup {
    /// The heading.
    pub kind: PermissionKind,
    /// What is under it.
    pub permissions: Vec<Permission>,
}

/// What a permission is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionKind {
    /// Who the person is.
    Identity,
    /// What the app may do.
    Access,
}

/// One thing that an app asks for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Permission {
    /// Its code, posted back as `scope` if it is optional; never shown.
    pub scope: String,
    /// What it is, in words.
    pub title: String,
    /// More about it.
    pub detail: Option<String>,
    /// Whether the person may leave it out.
    pub optional: bool,
    /// Whether the box of an optional one is ticked to begin with.
    pub checked: bool,
    /// Whether it was allowed before.
    pub already: bool,
}

/// Leads on from an old page with one button.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GoOn {
    /// The app that the person was on the way to.
    pub app: Option<App>,
    /// The path that goes on.
    pub action: String,
    /// The name of the field that it takes.
    pub token_field: String,
    /// The value of that field.
    pub token: String,
}

impl View for GoOn {
    const TEMPLATE: &'static str = "go_on.html";
}

/// Hands an answer to an app by a form.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FormPost {
    /// The app's checked address.
    pub action: String,
    /// The answer's fields, in order.
    pub fields: Vec<(String, String)>,
}

impl View for FormPost {
    const TEMPLATE: &'static str = "form_post.html";
}

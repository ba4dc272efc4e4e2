//! The pages with the requests that wait for a person.

use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::sign_in::has_optional;
use super::{App, Detail, PermissionGroup, View};

/// Shows the requests that wait, each with its buttons.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Requests {
    /// Who is signed in.
    pub account: String,
    /// The path that leads to another account.
    pub switch: String,
    /// What waits, the newest first.
    pub requests: Vec<WaitingRequest>,
    /// What became of the last word.
    pub word: Option<RequestWord>,
}

impl View for Requests {
    const TEMPLATE: &'static str = "requests.html";

    fn context(&self) -> Value {
        let entry = |request: &WaitingRequest| {
            minijinja::context! {
                has_optional => has_optional(&request.groups), ..Value::from(Serde(request))
            }
        };
        let requests: Vec<Value> = self.requests.iter().map(entry).collect();
        minijinja::context! { requests, ..Value::from(Serde(self)) }
    }
}

/// A request that waits.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WaitingRequest {
    /// The app that asks.
    pub app: App,
    /// What the app shows too, so that the person can compare.
    pub message: Option<String>,
    /// The sealed question, posted back as `consent`.
    pub consent: String,
    /// What the app asks for.
    pub groups: Vec<PermissionGroup>,
    /// What the app asks for in detail.
    pub details: Vec<Detail>,
    /// The path where all of it can be taken back.
    pub manage: Option<String>,
    /// Seconds since it came.
    pub age: u64,
    /// Seconds until it ends.
    pub ends_in: u64,
}

/// Says that nothing waits, and looks again by itself.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NoRequests {
    /// Who is signed in.
    pub account: String,
    /// The path that leads to another account.
    pub switch: String,
    /// The path where what was allowed can be taken back.
    pub manage: String,
    /// What became of the last word.
    pub word: Option<RequestWord>,
    /// The page's own path.
    pub again: String,
    /// Seconds until it looks again.
    pub seconds: u64,
}

impl View for NoRequests {
    const TEMPLATE: &'static str = "no_requests.html";
}

/// What became of a word on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RequestWord {
    /// The app goes on.
    Allowed {
        /// Its name.
        app: String,
    },
    /// The app gets nothing.
    Denied {
        /// Its name.
        app: String,
    },
    /// It had ended, or was answered elsewhere.
    Gone,
}

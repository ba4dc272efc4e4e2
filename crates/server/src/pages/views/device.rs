//! The pages for a device that has no browser of its own.

use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::sign_in::has_optional;
use super::{App, Detail, PermissionGroup, View};

/// Asks for the code that a device shows.
#[derive(Debug, Clone, Default, Serialize)]
pub struct UserCode {
    /// What binds the form to this browser, posted back as `token`.
    pub token: String,
    /// What is in the field to begin with, or empty.
    pub code: String,
    /// What is wrong with that.
    pub error: Option<UserCodeError>,
}

impl View for UserCode {
    const TEMPLATE: &'static str = "user_code.html";
}

/// What is wrong with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum UserCodeError {
    /// It is none, or was used, or has ended; the page does not tell which.
    NotGood,
    /// Too many were not good.
    Throttled {
        /// How long to wait.
        seconds: u64,
    },
}

/// Asks whether a device may have what its app wants.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Device {
    /// The app that asks.
    pub app: App,
    /// The code that the device shows.
    pub code: String,
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

impl View for Device {
    const TEMPLATE: &'static str = "device.html";

    fn context(&self) -> Value {
        minijinja::context! {
            has_optional => has_optional(&self.groups), ..Value::from(Serde(self))
        }
    }
}

/// Says what the device is told.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeviceDone {
    /// The app that asked.
    pub app: App,
    /// Whether it was allowed.
    pub allowed: bool,
    /// The path where it can be taken back.
    pub manage: String,
}

impl View for DeviceDone {
    const TEMPLATE: &'static str = "device_done.html";
}

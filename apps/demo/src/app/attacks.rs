//! The break-it panel: errors and attacks, played live against the real three parties by plain
//! HTTP, as an attacker would. Each is a row of the mission.

mod browser;
mod by_redirect;
mod direct;
mod table;
mod wire;

use serde::Serialize;

pub(crate) use browser::{callback, play, result};
pub(crate) use table::{ATTACKS, Attack};
pub(crate) use wire::Wire;

use crate::app::watch::{Lane, Message};

/// An attack that waits for the browser to come back.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) id: &'static str,
    pub(crate) state: String,
    pub(crate) verifier: String,
    pub(crate) sent: Message,
}

/// How an attack ended.
#[derive(Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) id: &'static str,
    /// Every rule held.
    pub(crate) held: bool,
    /// Nothing was decided: the person chose otherwise, or a party was away.
    pub(crate) open: bool,
    pub(crate) verdict: String,
    pub(crate) sayings: Vec<Saying>,
    pub(crate) messages: Vec<Message>,
    /// The same request, to be seen in the browser.
    pub(crate) look: Option<String>,
}

/// What a party said to it.
#[derive(Clone, Serialize)]
pub(crate) struct Saying {
    pub(crate) who: &'static str,
    pub(crate) text: String,
}

impl Outcome {
    pub(crate) fn new(id: &'static str, held: bool, verdict: impl Into<String>) -> Self {
        Self {
            id,
            held,
            open: false,
            verdict: verdict.into(),
            sayings: Vec::new(),
            messages: Vec::new(),
            look: None,
        }
    }

    /// An attack that came to no end.
    pub(crate) fn open(id: &'static str, verdict: impl Into<String>) -> Self {
        Self { open: true, ..Self::new(id, true, verdict) }
    }

    pub(crate) fn says(mut self, who: Lane, text: impl Into<String>) -> Self {
        self.sayings.push(Saying { who: who.name(), text: text.into() });
        self
    }
}

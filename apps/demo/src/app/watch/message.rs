//! One message between two parties, as the flow inspector shows it.

use keystile_client::Party;
use serde::Serialize;

/// A party's lane, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lane {
    Browser,
    /// Whoever plays against the others; has no lane of its own, and stands where browsers are.
    Attacker,
    App,
    Server,
    Api,
}

impl Lane {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Browser => "Browser",
            Self::Attacker => "Attacker",
            Self::App => "Photo Printer",
            Self::Server => "Authorization server",
            Self::Api => "Photo API",
        }
    }
}

impl From<Party> for Lane {
    fn from(party: Party) -> Self {
        match party {
            Party::Browser => Self::Browser,
            Party::App => Self::App,
            Party::AuthorizationServer => Self::Server,
            Party::Api => Self::Api,
        }
    }
}

/// A value in a message; a secret is masked before it gets here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) secret: bool,
}

/// One arrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) from: Lane,
    pub(crate) to: Lane,
    /// What it is, in a few words.
    pub(crate) title: String,
    /// Why it is sent, in a sentence.
    pub(crate) note: String,
    /// Its first line: method and address, or status.
    pub(crate) line: String,
    /// Whether it passed through the browser.
    pub(crate) visible: bool,
    /// An answer, not a request.
    pub(crate) answer: bool,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) parameters: Vec<Parameter>,
    /// How many such messages it stands for.
    pub(crate) times: u32,
    /// Messages of the same name that follow each other are one arrow.
    #[serde(skip)]
    pub(crate) folds_as: Option<&'static str>,
}

impl Message {
    pub(crate) fn new(from: Lane, to: Lane, title: impl Into<String>) -> Self {
        Self {
            from,
            to,
            title: title.into(),
            note: String::new(),
            line: String::new(),
            visible: from == Lane::Browser || to == Lane::Browser,
            answer: false,
            at: now(),
            parameters: Vec::new(),
            times: 1,
            folds_as: None,
        }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.line = line.into();
        self
    }

    pub(crate) fn plain(mut self, name: &str, value: impl Into<String>) -> Self {
        let (name, value) = (name.to_owned(), value.into());
        self.parameters.push(Parameter { name, value, secret: false });
        self
    }

    pub(crate) fn answer(mut self) -> Self {
        self.answer = true;
        self
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

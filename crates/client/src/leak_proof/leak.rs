use std::fmt;

use super::search::Form;

/// A secret that left, without a character of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// What kind of secret, by its standard's name: `access_token`.
    pub secret: String,
    /// Where to.
    pub place: Place,
    /// At which byte of that it begins.
    pub at: u64,
    /// In which form it stands there.
    pub form: Form,
}

/// Where a secret was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In an answer of the app.
    Answer {
        /// Method and path of the request.
        request: String,
        /// The answer's status.
        status: u16,
        /// Which part of the answer.
        part: Part,
    },
    /// In a log.
    Log {
        /// Which line, of all that were written since the proof began: 1 is the first.
        line: u64,
        /// How that line begins.
        beginning: String,
    },
    /// In something else that was searched: what it was called.
    Other(String),
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The words behind the status.
    Reason,
    /// The name of a header.
    HeaderName,
    /// The value of the header with that name.
    Header(String),
    /// The body.
    Body,
    /// The value of the trailer with that name.
    Trailer(String),
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret, place, at, form } = self;
        write!(f, "{secret} in {place}, from byte {at} on, in {}", form.words())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { request, status, part } => {
                write!(f, "the {part} of the answer {status} to {request}")
            }
            Self::Log { line, beginning } => {
                write!(f, "line {line} of the log, which begins with {beginning:?}")
            }
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason => f.write_str("reason phrase"),
            Self::HeaderName => f.write_str("name of a header"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Body => f.write_str("body"),
            Self::Trailer(name) => write!(f, "trailer {name}"),
        }
    }
}

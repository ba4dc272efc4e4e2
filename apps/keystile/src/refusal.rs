//! Why the program stops, in words for the person in front of it.

use std::error::Error;

/// One clear paragraph. Any error becomes one by what it says of itself.
#[derive(Debug)]
pub struct Refusal(String);

/// What a command ends with.
pub type Outcome<T = ()> = Result<T, Refusal>;

impl Refusal {
    /// In these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// The words.
    pub fn words(&self) -> &str {
        &self.0
    }
}

impl<E: Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// `Err`, in these words.
pub fn refuse<T>(words: impl Into<String>) -> Outcome<T> {
    Err(Refusal::new(words))
}

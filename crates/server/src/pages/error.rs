//! What is wrong with an override, and where.

use std::fmt;
use std::path::PathBuf;

/// Pages that cannot be used: the file, the line where that is known, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagesError {
    /// The file at fault.
    pub file: PathBuf,
    /// The line in it, counted from one.
    pub line: Option<usize>,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl PagesError {
    pub(super) fn new(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, message: message.into() }
    }

    pub(super) fn at(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for PagesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PagesError {}

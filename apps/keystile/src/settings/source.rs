//! The file's text, and errors that say where in it they are.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// What is wrong in a configuration file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct SettingsError {
    /// The file, and line and column where they are known: `keystile.toml:3:1`.
    pub at: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl SettingsError {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let problem = format!("the configuration file cannot be read: {error}");
        Self { at: path.display().to_string(), problem }
    }
}

/// A configuration file's text.
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    pub(super) fn new(path: PathBuf, text: String) -> Self {
        Self { path, text }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path that the file names: relative to the file.
    pub(super) fn beside(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    pub(super) fn root(&self) -> Place<'_> {
        Place { source: self, steps: Vec::new() }
    }

    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        toml::from_str(&self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            self.error(offset, self.in_words(error.message(), offset))
        })
    }

    fn error(&self, offset: usize, problem: String) -> SettingsError {
        let (line, column) = line_and_column(&self.text, offset);
        SettingsError { at: format!("{}:{line}:{column}", self.path.display()), problem }
    }

    /// What the parser says, in the words of this file.
    fn in_words(&self, message: &str, offset: usize) -> String {
        if let Some(rest) = message.strip_prefix("unknown field ") {
            return unknown_key(rest);
        }
        let key = self.tree().and_then(|tree| key_around(tree.get_ref(), offset));
        let Some(key) = key else { return format!("it is not TOML: {message}") };
        // What was given may be a secret, and is on that line for all to see.
        let given = message.split_once(", expected ");
        let Some((_, expected)) = given.filter(|_| message.starts_with("invalid ")) else {
            return format!("{key}: {message}");
        };
        format!("{key}: {} is expected here", plain(expected))
    }

    fn tree(&self) -> Option<toml::Spanned<DeTable<'_>>> {
        DeTable::parse(&self.text).ok()
    }
}

/// A place in the file, by the keys that lead to it.
#[derive(Clone)]
pub(super) struct Place<'a> {
    source: &'a Source,
    steps: Vec<Step>,
}

#[derive(Clone, Copy)]
enum Step {
    Key(&'static str),
    Index(usize),
}

impl Place<'_> {
    pub(super) fn key(&self, name: &'static str) -> Self {
        self.then(Step::Key(name))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { source: self.source, steps }
    }

    /// An error at this place; where the file leaves it out, at what is around it.
    pub(super) fn wrong<T>(&self, problem: impl Display) -> Result<T, SettingsError> {
        let key = self.steps.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Index(_) => None,
        });
        let problem = match key {
            Some(key) => format!("{key}: {problem}"),
            None => problem.to_string(),
        };
        Err(self.source.error(self.offset(), problem))
    }

    fn offset(&self) -> usize {
        let Some(tree) = self.source.tree() else { return 0 };
        let root = DeValue::Table(tree.into_inner());
        let (mut offset, mut value) = (0, &root);
        for step in &self.steps {
            let found = match (value, step) {
                (DeValue::Table(table), Step::Key(name)) => table
                    .iter()
                    .find(|(key, _)| key.get_ref() == name)
                    .map(|(key, value)| (key.span().start, value.get_ref())),
                (DeValue::Array(array), Step::Index(index)) => {
                    array.get(*index).map(|value| (value.span().start, value.get_ref()))
                }
                _ => None,
            };
            let Some(found) = found else { break };
            (offset, value) = found;
        }
        offset
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The innermost key whose value is around `offset`.
fn key_around(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inside = match value.get_ref() {
            DeValue::Table(table) => key_around(table, offset),
            DeValue::Array(array) => array.iter().find_map(|element| match element.get_ref() {
                DeValue::Table(table) => key_around(table, offset),
                _ => None,
            }),
            _ => None,
        };
        let here = || value.span().contains(&offset).then(|| key.get_ref().to_string());
        inside.or_else(here)
    })
}

/// `rest` is what serde writes of an unknown field: "`x`, expected one of `a`, `b`".
fn unknown_key(rest: &str) -> String {
    let mut names = rest.split('`').skip(1).step_by(2);
    let unknown = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    match nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!(
            "unknown key '{unknown}'; the nearest known key is '{nearest}' (all that are known \
             here: {})",
            known.join(", ")
        ),
        None => format!("unknown key '{unknown}'; no key is known here"),
    }
}

/// The name that `unknown` was probably meant to be. Names that begin alike count as near, so that
/// `cert` is `certificate` rather than `key`.
pub(super) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let unknown = unknown.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&unknown, name);
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// A type as serde calls it, as people do.
fn plain(expected: &str) -> &str {
    match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" => "text in quotes",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "a table",
        other => other,
    }
}

//! What an operator puts in place of our own pages: a folder with some of our files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::edit_distance::suggestion;
use super::error::PagesError;
use super::templates;

/// The files of an override folder, read but not yet understood.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// By template name, such as `sign_in.html`.
    pub(super) templates: BTreeMap<String, TextFile>,
    /// By language tag.
    pub(super) words: BTreeMap<String, TextFile>,
    /// Rules that come after our own.
    pub(super) style: Option<String>,
    /// A picture in place of our mark.
    pub(super) logo: Option<LogoFile>,
}

#[derive(Debug)]
pub(super) struct TextFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct LogoFile {
    pub(super) extension: &'static str,
    pub(super) body: Vec<u8>,
}

const ENTRIES: [&str; 5] = ["templates", "words", "style.css", "logo.svg", "logo.png"];

impl Overrides {
    pub(super) fn read(folder: &Path) -> Result<Self, PagesError> {
        let mut read = Self::default();
        for (name, path) in entries(folder)? {
            match name.as_str() {
                "templates" => read.templates = read_templates(&path)?,
                "words" => read.words = read_words(&path)?,
                "style.css" => read.style = Some(text(&path)?),
                "logo.svg" => read.logo = Some(LogoFile { extension: "svg", body: bytes(&path)? }),
                "logo.png" => read.logo = Some(LogoFile { extension: "png", body: bytes(&path)? }),
                _ => return Err(unknown(&path, &name, "file", ENTRIES.into_iter())),
            }
        }
        Ok(read)
    }

    /// Where a template comes from, for an error message.
    pub(super) fn source_of(&self, template: &str) -> PathBuf {
        match self.templates.get(template) {
            Some(file) => file.path.clone(),
            None => PathBuf::from(format!("built-in templates/{template}")),
        }
    }
}

fn read_templates(folder: &Path) -> Result<BTreeMap<String, TextFile>, PagesError> {
    let mut found = BTreeMap::new();
    for (name, path) in entries(folder)? {
        if !templates::names().any(|known| known == name) {
            return Err(unknown(&path, &name, "template", templates::names()));
        }
        let text = text(&path)?;
        found.insert(name, TextFile { path, text });
    }
    Ok(found)
}

fn read_words(folder: &Path) -> Result<BTreeMap<String, TextFile>, PagesError> {
    let mut found = BTreeMap::new();
    for (name, path) in entries(folder)? {
        let tag = name.strip_suffix(".toml").filter(|tag| is_language_tag(tag)).ok_or_else(|| {
            let message = "a file of words is called as its language, such as `de.toml` or `pt-BR.toml`; rename it";
            PagesError::new(&path, message)
        })?;
        let text = text(&path)?;
        found.insert(tag.to_owned(), TextFile { path, text });
    }
    Ok(found)
}

fn is_language_tag(tag: &str) -> bool {
    let part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    tag.len() >= 2 && tag.len() <= 35 && tag.split('-').all(part)
}

/// The visible entries of a folder, in the order of their names.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, PagesError> {
    let unreadable = |error: std::io::Error| {
        PagesError::new(folder, format!("cannot be read as a folder of pages: {error}"))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

fn text(path: &Path) -> Result<String, PagesError> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        PagesError::new(path, "this is not UTF-8 text; save it as UTF-8").at(Some(line))
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, PagesError> {
    fs::read(path).map_err(|error| PagesError::new(path, format!("cannot be read: {error}")))
}

fn unknown<'a>(
    path: &Path,
    name: &str,
    kind: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> PagesError {
    let nearest = suggestion(name, known);
    PagesError::new(path, format!("unknown {kind} `{name}`; {nearest} Rename or remove it."))
}

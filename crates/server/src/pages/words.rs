//! The words of the pages, in every language.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::edit_distance::suggestion;
use super::error::PagesError;
use super::escape::{escape, escaped};
use super::overrides::Overrides;

const ENGLISH: &str = include_str!("../../ui/words/en.toml");
const GERMAN: &str = include_str!("../../ui/words/de.toml");

/// A placeholder that every text may use without being given it.
const PLACE: &str = "place";

/// All words of one language.
#[derive(Debug, Clone)]
pub(super) struct Dictionary {
    tag: String,
    texts: BTreeMap<String, Text>,
}

impl Dictionary {
    /// The language's tag, such as `en` or `pt-BR`.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether the language is written from right to left.
    pub(super) fn is_right_to_left(&self) -> bool {
        let primary = self.tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        ["ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"].contains(&primary.as_str())
    }

    /// A text with its placeholders filled in, as markup: everything that is not markup is escaped.
    pub(super) fn say(
        &self,
        key: &str,
        mut fill: impl FnMut(&str) -> Result<String, Error>,
    ) -> Result<Value, Error> {
        let text = self.texts.get(key).ok_or_else(|| unknown(key, &self.texts))?;
        let mut out = String::new();
        for part in &text.0 {
            match part {
                Part::Words(words) => out.push_str(&escape(words)),
                Part::Placeholder(name) => out.push_str(&fill(name)?),
            }
        }
        Ok(Value::from_safe_string(out))
    }

    /// A text without placeholders, as it is; nothing if there is none of that key.
    pub(super) fn plain(&self, key: &str) -> Option<String> {
        let text = self.texts.get(key)?;
        let words = text.0.iter().map(|part| match part {
            Part::Words(words) => words.as_str(),
            Part::Placeholder(_) => "",
        });
        Some(words.collect())
    }

    /// What templates call `t`: the text `key`, filled in from the arguments.
    pub(super) fn tell(&self, key: &str, arguments: &Kwargs, place: &str) -> Result<Value, Error> {
        self.say(key, |name| {
            if name == PLACE {
                return Ok(escape(place));
            }
            arguments.get::<Value>(name).map(|value| escaped(&value)).map_err(|_| {
                let detail = format!("the word `{key}` needs `{name}`: t(\"{key}\", {name}=…)");
                Error::new(ErrorKind::MissingArgument, detail)
            })
        })
    }

    /// Takes the texts of an override in place of ours, if `ours` has their keys and placeholders.
    fn replace(&mut self, ours: &Self, file: &Path, source: &str) -> Result<(), PagesError> {
        for found in read(file, source)? {
            let line = || line_of(source, found.offset);
            let at = |message: String| PagesError::new(file, message).at(Some(line()));
            let known = ours.texts.get(&found.key).ok_or_else(|| {
                let nearest = suggestion(&found.key, ours.texts.keys().map(String::as_str));
                at(format!("unknown word `{}`; {nearest}", found.key))
            })?;
            if let Some(stray) = found.text.placeholders().find(|name| !known.has(name)) {
                let known: Vec<_> =
                    known.placeholders().map(|name| format!("{{{name}}}")).collect();
                return Err(at(format!(
                    "`{}` has no `{{{stray}}}`; it may use: {{place}} {}",
                    found.key,
                    known.join(" "),
                )));
            }
            self.texts.insert(found.key, found.text);
        }
        Ok(())
    }
}

/// The built-in languages, English first, with an operator's words in place of ours.
pub(super) fn load(overrides: &Overrides) -> Result<Vec<Dictionary>, PagesError> {
    let english = built_in("en", ENGLISH)?;
    let mut all = vec![english.clone(), built_in("de", GERMAN)?];
    for (tag, file) in &overrides.words {
        // A new language is English where it has no words of its own.
        let index =
            all.iter().position(|words| words.tag.eq_ignore_ascii_case(tag)).unwrap_or_else(|| {
                let mut new = all[0].clone();
                new.tag.clone_from(tag);
                all.push(new);
                all.len() - 1
            });
        all[index].replace(&english, &file.path, &file.text)?;
    }
    Ok(all)
}

fn built_in(tag: &str, source: &str) -> Result<Dictionary, PagesError> {
    let file = format!("built-in words/{tag}.toml");
    let texts = read(Path::new(&file), source)?.into_iter().map(|found| (found.key, found.text));
    Ok(Dictionary { tag: tag.to_owned(), texts: texts.collect() })
}

fn unknown(key: &str, texts: &BTreeMap<String, Text>) -> Error {
    let nearest = suggestion(key, texts.keys().map(String::as_str));
    Error::new(ErrorKind::InvalidOperation, format!("there is no word `{key}`; {nearest}"))
}

/// A text, taken apart at its placeholders.
#[derive(Debug, Clone)]
struct Text(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Words(String),
    Placeholder(String),
}

impl Text {
    /// Takes `Back to {app}` apart; `None` if a brace is not closed.
    fn parse(mut text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        while let Some((words, rest)) = text.split_once('{') {
            let (name, rest) = rest.split_once('}')?;
            parts.push(Part::Words(words.to_owned()));
            parts.push(Part::Placeholder(name.to_owned()));
            text = rest;
        }
        parts.push(Part::Words(text.to_owned()));
        Some(Self(parts))
    }

    fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            Part::Words(_) => None,
        })
    }

    fn has(&self, name: &str) -> bool {
        name == PLACE || self.placeholders().any(|known| known == name)
    }
}

struct Found {
    key: String,
    text: Text,
    /// Where it stands in its file.
    offset: usize,
}

/// Reads a file of words; tables become keys with dots.
fn read(file: &Path, source: &str) -> Result<Vec<Found>, PagesError> {
    let table = DeTable::parse(source).map_err(|error| {
        let line = error.span().map(|span| line_of(source, span.start));
        PagesError::new(file, error.message()).at(line)
    })?;
    let mut found = Vec::new();
    collect(file, source, "", table.get_ref(), &mut found)?;
    Ok(found)
}

fn collect(
    file: &Path,
    source: &str,
    prefix: &str,
    table: &DeTable<'_>,
    found: &mut Vec<Found>,
) -> Result<(), PagesError> {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let offset = key.span().start;
        let line = || line_of(source, offset);
        let wrong = |message: String| PagesError::new(file, message).at(Some(line()));
        match Spanned::get_ref(value) {
            DeValue::Table(inner) => collect(file, source, &format!("{name}."), inner, found)?,
            DeValue::String(text) => {
                let text = Text::parse(text)
                    .ok_or_else(|| wrong(format!("`{name}` has a `{{` without its `}}`")))?;
                found.push(Found { key: name, text, offset });
            }
            other => {
                let kind = other.type_str();
                return Err(wrong(format!("`{name}` is {kind}; a word is text in quotes")));
            }
        }
    }
    Ok(())
}

fn line_of(source: &str, offset: usize) -> usize {
    let before = source.as_bytes().get(..offset).unwrap_or_default();
    before.split(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pages::templates;

    #[test]
    fn both_languages_have_the_same_keys_and_placeholders() {
        let all = load(&Overrides::default()).unwrap();
        let [english, german] = all.as_slice() else { panic!("two languages") };
        assert!(english.texts.keys().eq(german.texts.keys()));
        for (key, text) in &english.texts {
            let names = |text: &Text| -> BTreeSet<String> {
                text.placeholders().filter(|name| *name != PLACE).map(str::to_owned).collect()
            };
            assert_eq!(names(text), names(&german.texts[key]), "{key}");
        }
    }

    #[test]
    fn no_words_are_empty_or_technical() {
        for dictionary in load(&Overrides::default()).unwrap() {
            for key in dictionary.texts.keys() {
                let text = dictionary.say(key, |_| Ok("x".to_owned())).unwrap().to_string();
                assert!(!text.trim().is_empty(), "{key}");
                for term in ["scope", "client", "token", "OAuth", "redirect", "grant", "session"] {
                    let found = text.to_lowercase().contains(&term.to_lowercase());
                    assert!(!found, "{key} says {term}: {text}");
                }
            }
        }
    }

    /// Beginnings of keys that templates put together, such as `"problem." ~ page.kind`.
    const PUT_TOGETHER: &[&str] = &[
        "problem.",
        "sign_in.asked_again",
        "sign_up.wrong_",
        "sign_in.old_page",
        "sign_in.other_account",
        "consent.identity",
        "consent.access",
        "embedded_browser.",
        "account.access_removed",
        "account.signed_out_elsewhere",
        "account.password_changed",
        "permission.",
        "detail.",
        "time.",
        "date.",
    ];

    #[test]
    fn no_words_are_left_over() {
        let english = built_in("en", ENGLISH).unwrap();
        for key in english.texts.keys() {
            let together = PUT_TOGETHER.iter().any(|start| key.starts_with(start));
            let quoted = format!("\"{key}\"");
            let used = templates::sources().any(|source| source.contains(&quoted));
            assert!(together || used, "no page says {key}");
        }
    }
}

//! Which language a person gets.

use std::sync::Arc;

use super::error::PagesError;
use super::overrides::Overrides;
use super::words::{self, Dictionary};

/// A language that the pages speak. The default is English.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Language(usize);

/// How much of a header is read; nobody honest prefers more languages.
const LONGEST_HEADER: usize = 1_000;
const MOST_ENTRIES: usize = 20;

/// All languages, English first.
#[derive(Debug)]
pub(super) struct Languages(Vec<Arc<Dictionary>>);

impl Languages {
    pub(super) fn new(overrides: &Overrides) -> Result<Self, PagesError> {
        Ok(Self(words::load(overrides)?.into_iter().map(Arc::new).collect()))
    }

    pub(super) fn get(&self, language: Language) -> &Arc<Dictionary> {
        // The fallback is for a `Language` of other `Pages`, which may know more languages.
        self.0.get(language.0).unwrap_or(&self.0[0])
    }

    /// What the app asks for counts first, then what the browser prefers, then English.
    pub(super) fn choose(&self, accept: Option<&str>, ui_locales: Option<&str>) -> Language {
        let asked = ui_locales.map(bounded).unwrap_or_default();
        let preferred = preferences(accept.map(bounded).unwrap_or_default());
        let mut wanted = asked.split_ascii_whitespace().take(MOST_ENTRIES).chain(preferred);
        wanted.find_map(|tag| self.find(tag)).unwrap_or_default()
    }

    /// The language with this tag, or with what is left of it (`de-AT`, then `de`).
    fn find(&self, tag: &str) -> Option<Language> {
        if tag == "*" {
            return Some(Language::default());
        }
        let mut rest = tag;
        loop {
            let found = self.0.iter().position(|words| words.tag().eq_ignore_ascii_case(rest));
            if let Some(index) = found {
                return Some(Language(index));
            }
            rest = rest.rsplit_once('-')?.0;
        }
    }
}

fn bounded(header: &str) -> &str {
    let mut end = header.len().min(LONGEST_HEADER);
    while !header.is_char_boundary(end) {
        end -= 1;
    }
    &header[..end]
}

/// The tags of an `Accept-Language` header, the most preferred first, refused ones left out.
fn preferences(header: &str) -> impl Iterator<Item = &str> {
    let mut entries: Vec<(&str, u16)> =
        header.split(',').take(MOST_ENTRIES).filter_map(entry).filter(|e| e.1 > 0).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.1));
    entries.into_iter().map(|entry| entry.0)
}

/// A tag and its weight in thousandths.
fn entry(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| !tag.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some((tag, weight.map_or(1000, thousandths)))
}

/// `0.85` as 850; what is no weight counts as none.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "0" if digits => format!("{fraction:0<3}").parse().unwrap_or_default(),
        "1" if digits => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, Languages};
    use crate::pages::overrides::Overrides;

    /// header `Accept-Language`, parameter `ui_locales`, language
    const TABLE: &[(Option<&str>, Option<&str>, &str)] = &[
        (None, None, "en"),
        (Some(""), Some(""), "en"),
        (Some("de"), None, "de"),
        (Some("de-AT,de;q=0.9,en;q=0.8"), None, "de"),
        (Some("en;q=0.5, de;q=0.7"), None, "de"),
        (Some("fr, de;q=0.3"), None, "de"),
        (Some("fr"), None, "en"),
        (Some("*"), None, "en"),
        (Some("*, de;q=0.5"), None, "en"),
        (Some("de;q=0, en;q=0.1"), None, "en"),
        (Some("de;q=0.000, fr"), None, "en"),
        (Some("de;q=nonsense, en;q=0.1"), None, "en"),
        (Some("DE-de"), None, "de"),
        (Some("deutsch"), None, "en"),
        (Some("en"), Some("de"), "de"),
        (Some("en"), Some("fr-CA de-CH"), "de"),
        (Some("de"), Some("fr"), "de"),
        (Some(";;;,,,=q;de"), None, "en"),
    ];

    #[test]
    fn languages_are_chosen_as_the_table_says() {
        let languages = Languages::new(&Overrides::default()).unwrap();
        for (accept, locales, expected) in TABLE {
            let chosen = languages.get(languages.choose(*accept, *locales)).tag();
            assert_eq!(chosen, *expected, "{accept:?} {locales:?}");
        }
    }

    #[test]
    fn a_long_header_is_read_in_part() {
        let languages = Languages::new(&Overrides::default()).unwrap();
        let long = format!("{},de", "ü".repeat(2_000));
        assert_eq!(languages.choose(Some(&long), Some(&long)), Language::default());
        let many = format!("{}de", "xx,".repeat(30));
        assert_eq!(languages.choose(Some(&many), None), Language::default());
    }
}

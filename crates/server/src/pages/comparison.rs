//! What was received beside what is registered, with the first difference marked.

use serde::Serialize;

use super::Developer;

/// The longest value and the most registered ones that a page shows.
const LONGEST: usize = 1_000;
const MOST: usize = 10;

/// A [`Developer`] section, ready for its template.
#[derive(Debug, Serialize)]
pub(super) struct Comparison<'a> {
    rule: &'a str,
    section: &'a str,
    hint: &'a str,
    received: Option<Marked>,
    expected: Vec<Marked>,
    difference: Option<Difference>,
}

/// A value with a mark at its first difference.
#[derive(Debug, Serialize)]
struct Marked {
    before: String,
    /// The character that differs; empty where the value ends too early.
    mark: Option<String>,
    after: String,
    closest: bool,
}

/// The first difference in words.
#[derive(Debug, Serialize)]
struct Difference {
    /// Counted from one, as people do.
    position: usize,
    /// `None` where the value ends.
    received: Option<String>,
    registered: Option<String>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(developer: &'a Developer) -> Self {
        let at = developer.first_difference.filter(|at| *at < LONGEST);
        let is_closest = |index| developer.closest == Some(index);
        let expected = developer.expected.iter().enumerate().take(MOST).map(|(index, value)| {
            let closest = is_closest(index);
            Marked::new(value, at.filter(|_| closest), closest)
        });
        Self {
            rule: &developer.rule,
            section: &developer.section,
            hint: &developer.hint,
            received: developer.received.as_ref().map(|value| Marked::new(value, at, false)),
            expected: expected.collect(),
            difference: at.and_then(|at| Difference::new(developer, at)),
        }
    }
}

impl Marked {
    fn new(value: &str, at: Option<usize>, closest: bool) -> Self {
        let Some(at) = at else {
            return Self { before: cut(value.chars()), mark: None, after: String::new(), closest };
        };
        let mut letters = value.chars();
        let before = letters.by_ref().take(at).map(visible_letter).collect();
        let mark = letters.next().map(visible).unwrap_or_default();
        Self { before, mark: Some(mark), after: cut(letters), closest }
    }
}

impl Difference {
    fn new(developer: &Developer, at: usize) -> Option<Self> {
        let received = developer.received.as_ref()?;
        let registered = developer.expected.get(developer.closest?)?;
        Some(Self {
            position: at + 1,
            received: received.chars().nth(at).map(visible),
            registered: registered.chars().nth(at).map(visible),
        })
    }
}

fn cut(letters: std::str::Chars<'_>) -> String {
    let mut letters = letters.map(visible_letter);
    let mut text: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        text.push('…');
    }
    text
}

/// A control character as its picture, so that it can be seen.
fn visible_letter(letter: char) -> char {
    match letter {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(letter)).unwrap_or(letter),
        '\x7f' => '␡',
        other => other,
    }
}

/// A single character; one that cannot be told from another by looking gets its number.
fn visible(letter: char) -> String {
    if letter.is_ascii_graphic() {
        letter.to_string()
    } else {
        format!("{} (U+{:04X})", visible_letter(letter), u32::from(letter))
    }
}

#[cfg(test)]
mod tests {
    use super::{Comparison, visible};
    use crate::pages::Developer;

    fn developer(received: &str, at: usize) -> Developer {
        Developer {
            received: Some(received.to_owned()),
            expected: vec!["https://b.example".to_owned(), "https://a.example/cb".to_owned()],
            first_difference: Some(at),
            closest: Some(1),
            ..Developer::default()
        }
    }

    #[test]
    fn the_first_difference_is_marked_on_both_sides() {
        let developer = developer("https://a.example/cB", 19);
        let shown = Comparison::new(&developer);
        let received = shown.received.unwrap();
        assert_eq!(received.before, "https://a.example/c");
        assert_eq!(received.mark.as_deref(), Some("B"));
        assert_eq!(shown.expected[1].mark.as_deref(), Some("b"));
        assert_eq!(shown.expected[0].mark, None);
        let difference = shown.difference.unwrap();
        assert_eq!(difference.position, 20);
        assert_eq!(difference.registered.as_deref(), Some("b"));
    }

    #[test]
    fn a_value_that_goes_on_differs_where_the_other_ends() {
        let developer = developer("https://a.example/cb/", 20);
        let shown = Comparison::new(&developer);
        assert_eq!(shown.received.unwrap().mark.as_deref(), Some("/"));
        assert_eq!(shown.difference.unwrap().registered, None);
    }

    #[test]
    fn wild_offsets_and_long_values_do_no_harm() {
        let long = "ü".repeat(5_000);
        for at in [0, 5, 999, 1_000, usize::MAX] {
            let developer = developer(&long, at);
            let received = Comparison::new(&developer).received.unwrap();
            assert!(received.before.chars().count() + received.after.chars().count() <= 2_001);
        }
    }

    #[test]
    fn what_looks_alike_gets_its_number() {
        assert_eq!(visible('a'), "a");
        assert_eq!(visible(' '), "  (U+0020)");
        assert_eq!(visible('а'), "а (U+0430)");
        assert_eq!(visible('\n'), "␊ (U+000A)");
    }
}

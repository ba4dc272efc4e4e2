//! What went wrong, for the developer: kept under the reference number that the user was shown.

use keystile_protocol::Timestamp;
use keystile_protocol::redirect_uri::first_difference;
use serde::{Deserialize, Serialize};

/// Something that went wrong, with what a developer needs to mend it. It never holds a secret, a
/// code or a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// What the user was shown.
    pub reference: Reference,
    /// When.
    pub at: Timestamp,
    /// The error's name: the standard's, or one of ours for errors that are never redirected.
    pub error: String,
    /// What happened, in a sentence.
    pub summary: String,
    /// The rule that was broken, and its section.
    pub section: String,
    /// The client, as it named itself; at most 255 characters.
    pub client_id: Option<String>,
    /// What was received, where that can be shown.
    pub received: Option<String>,
    /// What would have been accepted.
    pub expected: Vec<String>,
    /// What to do.
    pub hint: String,
}

/// Where what was received first differs from the nearest of what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstDifference {
    /// Index into [`Incident::expected`].
    pub closest: usize,
    /// Characters that are alike before it.
    pub at: usize,
}

impl Incident {
    /// The first difference from the closest expected text, if there is one.
    pub fn first_difference(&self) -> Option<FirstDifference> {
        let received = self.received.as_deref()?;
        let differences = self.expected.iter().enumerate().filter_map(|(closest, expected)| {
            first_difference(received, expected).map(|at| FirstDifference { closest, at })
        });
        differences.max_by_key(|difference| difference.at)
    }
}

/// A short name for an incident that a person can read out: `K7QF-2M9X`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reference(String);

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Reference {
    /// A reference from 40 random bits.
    pub fn from_random(random: [u8; 5]) -> Self {
        let bits = random.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let digit = |place: u32| ALPHABET[usize::try_from(bits >> (5 * place) & 31).unwrap_or(0)];
        let mut text: String = (0..8).rev().map(|place| char::from(digit(place))).collect();
        text.insert(4, '-');
        Self(text)
    }

    /// What a person typed: any case, with or without the hyphen, O for 0 and I or L for 1.
    pub fn from_person(typed: &str) -> Option<Self> {
        let digit = |c: char| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let mut text: String =
            typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(digit).take(9).collect();
        if text.len() != 8 || !text.bytes().all(|c| ALPHABET.contains(&c)) {
            return None;
        }
        text.insert(4, '-');
        Some(Self(text))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_can_be_read_out_and_typed_again() {
        let reference = Reference::from_random([0xff, 0, 0x12, 0x34, 0x56]);
        assert_eq!(reference.as_str().len(), 9);
        let typed = reference.as_str().to_lowercase().replace('-', " ").replace('0', "o");
        assert_eq!(Reference::from_person(&typed), Some(reference));
        for bad in ["", "K7QF", "K7QF-2M9", "K7QF-2M9XX", "K7QF-2M9!", "UUUU-UUUU"] {
            assert_eq!(Reference::from_person(bad), None, "{bad}");
        }
    }
}

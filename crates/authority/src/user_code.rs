//! The code that a person types to find what a device waits for (RFC 8628 section 6.1).

use std::fmt;

/// Consonants that no two of look or sound alike, and that spell no word (section 6.1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// With these eight letters there are 25.6 thousand million codes.
const LETTERS: usize = 8;
/// What a person types is looked at as far as this, in characters.
const TYPED_AT_MOST: usize = 64;

/// A user code: eight letters, shown as `BCDF-GHJK`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserCode([u8; LETTERS]);

impl UserCode {
    /// A code of random bits, many more than it has, so that all codes are as likely.
    pub fn from_random(random: [u8; 16]) -> Self {
        let mut rest = u128::from_be_bytes(random);
        let base = ALPHABET.len() as u128;
        Self(std::array::from_fn(|_| {
            let letter = usize::try_from(rest % base).unwrap_or(0);
            rest /= base;
            ALPHABET[letter]
        }))
    }

    /// What a person typed: any case, and whatever is neither letter nor digit left out ("the
    /// server should strip dashes and other punctuation").
    pub fn from_person(typed: &str) -> Option<Self> {
        let letters = typed.chars().take(TYPED_AT_MOST).filter(|c| c.is_alphanumeric());
        let letters: String = letters.take(LETTERS + 1).map(|c| c.to_ascii_uppercase()).collect();
        Self::from_letters(&letters)
    }

    /// A code as it is shown, character for character.
    pub fn from_shown(text: &str) -> Option<Self> {
        Self::from_person(text).filter(|code| code.to_string() == text)
    }

    /// A code as a store keeps it.
    pub fn from_letters(letters: &str) -> Option<Self> {
        let letters: [u8; LETTERS] = letters.as_bytes().try_into().ok()?;
        letters.iter().all(|letter| ALPHABET.contains(letter)).then_some(Self(letters))
    }

    /// Its letters alone, as a store keeps them.
    pub fn letters(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.letters().split_at(LETTERS / 2);
        write!(f, "{first}-{second}")
    }
}

/// Whoever has it can ask for what waits behind it: no log line holds one.
impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_can_be_read_out_and_typed_as_people_type_rfc_8628_6_1() {
        let code = UserCode::from_letters("BCDFGHJK").expect("a code");
        assert_eq!(code.to_string(), "BCDF-GHJK");
        for typed in [
            "BCDF-GHJK",
            "bcdfghjk",
            " bcdf ghjk ",
            "b-c-d-f-g-h-j-k",
            "BCDF\u{2013}GHJK.",
            "\tBcDf_GhJk\n",
        ] {
            assert_eq!(UserCode::from_person(typed), Some(code), "{typed}");
        }
        let long = "-".repeat(64) + "BCDFGHJK";
        for typed in
            ["", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJA", "BCDF-GHJ1", "BCDF-GHJ\u{c4}", &long]
        {
            assert_eq!(UserCode::from_person(typed), None, "{typed}");
        }
    }

    #[test]
    fn one_text_is_the_shown_one() {
        assert!(UserCode::from_shown("BCDF-GHJK").is_some());
        for other in ["BCDFGHJK", "bcdf-ghjk", "BCDF-GHJK ", "BCDF--GHJK"] {
            assert_eq!(UserCode::from_shown(other), None, "{other}");
        }
    }

    #[test]
    fn all_letters_are_as_likely() {
        let mut counts = [0_u32; 20];
        for seed in 0..1000_u32 {
            let random = keystile_protocol::encoding::sha256(seed.to_be_bytes());
            let code = UserCode::from_random(random[..16].try_into().expect("16 bytes"));
            for letter in code.letters().bytes() {
                counts[ALPHABET.iter().position(|known| *known == letter).expect("known")] += 1;
            }
        }
        assert!(counts.iter().all(|count| (300..500).contains(count)), "{counts:?}");
    }
}

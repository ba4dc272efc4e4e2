//! Master keys as text: a word `ID:KEY` for each, the first seals and all open.

use super::MasterKey;
use crate::encoding::{base64url, from_base64url};

const FORM: &str = "a key is written ID:KEY, the id from 0 to 255 and the key 32 random bytes in \
                    base64url or hexadecimal";

/// Why a text is not one of master keys. It shows nothing of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotMasterKeys(String);

impl MasterKey {
    /// The key as a word. It is a secret.
    pub fn word(&self) -> String {
        format!("{}:{}", self.id, base64url(self.secret))
    }

    /// The keys of a text: words with spaces or line breaks between them. A line that begins with
    /// `#` says nothing.
    pub fn read_all(text: &str) -> Result<Vec<Self>, NotMasterKeys> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut keys: Vec<Self> = Vec::new();
        for word in lines.flat_map(str::split_whitespace) {
            // The word itself is a secret and stays out of the message.
            let key = read(word).ok_or_else(|| {
                NotMasterKeys(format!("key number {} is not one: {FORM}", keys.len() + 1))
            })?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(NotMasterKeys(format!("two keys have the id {}", key.id)));
            }
            if let Some(other) = keys.iter().find(|other| other.secret == key.secret) {
                let (one, two) = (other.id, key.id);
                return Err(NotMasterKeys(format!("the keys {one} and {two} are the same one")));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            Err(NotMasterKeys(format!("it holds no key: {FORM}")))
        } else {
            Ok(keys)
        }
    }
}

fn read(word: &str) -> Option<MasterKey> {
    let (id, key) = word.split_once(':')?;
    let bytes = if key.len() == 64 { from_hex(key)? } else { from_base64url(key)? };
    Some(MasterKey { id: id.parse().ok()?, secret: bytes.try_into().ok()? })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |character: &u8| char::from(*character).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(&pair[0])? << 4 | digit(&pair[1])?).ok();
    text.as_bytes().chunks_exact(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_keys_in_two_spellings() {
        let hex = "ab".repeat(32);
        let text = format!("# the new one\n2:{hex}\n1:{}\n", base64url([7; 32]));
        let keys = MasterKey::read_all(&text).expect("good");
        assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((keys[0].secret, keys[1].secret), ([0xab; 32], [7; 32]));
        let words: Vec<_> = keys.iter().map(MasterKey::word).collect();
        assert_eq!(MasterKey::read_all(&words.join(" ")).expect("good"), keys, "as it is written");
    }

    #[test]
    fn what_is_no_key_is_refused_in_words_that_do_not_show_it() {
        let hex = "ab".repeat(32);
        let (short, long) = (base64url([7; 31]), base64url([7; 33]));
        let table: &[(&str, &str)] = &[
            ("", "holds no key"),
            ("# 1:nothing but a comment", "holds no key"),
            ("1:", "key number 1 is not one"),
            (&hex, "key number 1 is not one"),
            (&format!("256:{hex}"), "32 random bytes"),
            (&format!("-1:{hex}"), "key number 1"),
            (&format!("1:{short}"), "key number 1"),
            (&format!("1:{long}"), "key number 1"),
            (&format!("1:{}", &hex[..62]), "key number 1"),
            (&format!("1:{}zz", &hex[..62]), "key number 1"),
            (&format!("1:{hex} 2:{short}"), "key number 2"),
            (&format!("1:{hex} 1:{}", base64url([7; 32])), "two keys have the id 1"),
            (&format!("1:{hex} 2:{hex}"), "1 and 2 are the same one"),
        ];
        for (text, words) in table {
            let refused = MasterKey::read_all(text).expect_err("refused").to_string();
            assert!(refused.contains(words), "{text}: {refused}");
            for secret in [&hex, &short, &long] {
                assert!(!refused.contains(secret.as_str()), "the secret is not shown");
            }
        }
    }
}

//! What a source of master keys read last.

use super::MasterKey;

/// What is known of keys that are read again and again, for a [`super::MasterKeySource`]. Which
/// file, and how often, is for the source to say.
#[derive(Debug)]
pub struct LastRead {
    keys: Vec<MasterKey>,
    trouble: Option<String>,
}

/// What another reading says that the last one did not.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing: the same keys, or the same trouble.
    None,
    /// Other keys.
    Keys(Vec<MasterKey>),
    /// They could not be read, in the reader's words; those of before stay.
    Trouble(String),
}

impl LastRead {
    /// Keys that were read without trouble.
    pub fn of(keys: Vec<MasterKey>) -> Self {
        Self { keys, trouble: None }
    }

    /// Takes what was read now.
    pub fn read_again(&mut self, read: Result<Vec<MasterKey>, String>) -> News {
        match read {
            Ok(keys) => {
                self.trouble = None;
                if keys == self.keys {
                    return News::None;
                }
                self.keys.clone_from(&keys);
                News::Keys(keys)
            }
            Err(trouble) if self.trouble.as_ref() == Some(&trouble) => News::None,
            Err(trouble) => {
                self.trouble = Some(trouble.clone());
                News::Trouble(trouble)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8) -> MasterKey {
        MasterKey { id, secret: [id; 32] }
    }

    #[test]
    fn only_what_is_new_is_told() {
        let trouble = |words: &str| Err(words.to_owned());
        let told = |words: &str| News::Trouble(words.to_owned());
        let table = [
            (Ok(vec![key(1)]), News::None),
            (Ok(vec![key(2), key(1)]), News::Keys(vec![key(2), key(1)])),
            (Ok(vec![key(2), key(1)]), News::None),
            (trouble("it is gone"), told("it is gone")),
            (trouble("it is gone"), News::None),
            (trouble("it is empty"), told("it is empty")),
            (Ok(vec![key(2), key(1)]), News::None),
            (trouble("it is empty"), told("it is empty")),
            (Ok(vec![key(3)]), News::Keys(vec![key(3)])),
        ];
        let mut last = LastRead::of(vec![key(1)]);
        for (step, (read, expected)) in table.into_iter().enumerate() {
            assert_eq!(last.read_again(read), expected, "step {step}");
        }
    }
}

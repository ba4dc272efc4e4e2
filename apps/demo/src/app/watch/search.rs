//! Looks for secrets in bytes: any eight characters of one, in a row, count as found.

use std::collections::HashMap;

/// A run this long would be worth something to an attacker, and is no chance.
pub(crate) const RUN: usize = 8;

/// What is looked for: every run of every secret.
pub(crate) struct Needles {
    runs: HashMap<[u8; RUN], Vec<usize>>,
    shorter: Vec<(usize, Vec<u8>)>,
    count: usize,
}

impl Needles {
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut needles = Self { runs: HashMap::new(), shorter: Vec::new(), count: 0 };
        for secret in secrets {
            let which = needles.count;
            needles.count += 1;
            if (1..RUN).contains(&secret.len()) {
                needles.shorter.push((which, secret.as_bytes().to_vec()));
            }
            for run in secret.as_bytes().windows(RUN) {
                let Ok(run) = run.try_into() else { continue };
                let owners = needles.runs.entry(run).or_default();
                if !owners.contains(&which) {
                    owners.push(which);
                }
            }
        }
        needles
    }

    /// How many runs of each secret are in there.
    pub(crate) fn count_in(&self, haystack: &[u8]) -> Vec<usize> {
        let mut found = vec![0; self.count];
        for window in haystack.windows(RUN) {
            for &which in self.runs.get(window).into_iter().flatten() {
                found[which] += 1;
            }
        }
        for (which, secret) in &self.shorter {
            found[*which] += haystack.windows(secret.len()).filter(|w| w == secret).count();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(secrets: &[&str], haystack: &str) -> Vec<usize> {
        Needles::new(secrets.iter().copied()).count_in(haystack.as_bytes())
    }

    #[test]
    fn any_eight_characters_in_a_row_are_found() {
        let secret = "0123456789abcdef";
        assert_eq!(count(&[secret], "nothing here"), [0]);
        assert_eq!(count(&[secret], "xx456789abxx"), [1]);
        assert_eq!(count(&[secret], "xx456789axx"), [0], "seven are not");
        assert_eq!(count(&[secret], secret), [9], "a whole one has nine runs");
        assert_eq!(count(&[secret], ""), [0]);
    }

    #[test]
    fn each_secret_is_counted_for_itself() {
        assert_eq!(count(&["aaaaaaaaZ", "aaaaaaaaY"], "aaaaaaaaY"), [1, 2]);
        assert_eq!(count(&["short", ""], "a short one"), [1, 0]);
    }
}

//! Looks for secrets in bytes, as the leak proof of the client crate does: any eight characters of
//! one, in a row, as they are or encoded.

use keystile_client::leak_proof::{Search, Secrets};

/// What is looked for.
#[derive(Default)]
pub(crate) struct Needles {
    secrets: Secrets,
    count: usize,
}

impl Needles {
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut needles = Self::default();
        for secret in secrets {
            needles.secrets.add(secret.as_bytes());
            needles.count += 1;
        }
        needles
    }

    /// How many runs of each secret are in there. One that two secrets have is the first one's.
    pub(crate) fn count_in(&self, haystack: &[u8]) -> Vec<usize> {
        let mut found = vec![0; self.count];
        Search::default().feed(&self.secrets, haystack, |run| found[run.secret] += 1);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_counted_for_itself() {
        let needles = Needles::new(["0123456789abcdef", "aaaaaaaaZ", "short"].into_iter());
        assert_eq!(needles.count_in(b"0123456789abcdef aaaaaaaaZ short"), [9, 2, 0]);
        assert_eq!(needles.count_in(b"01234567%38 aaaaaaa aaaaaaa"), [2, 0, 0]);
        assert_eq!(needles.count_in(b""), [0, 0, 0]);
    }
}

//! Secrets as they may be shown: a short digest under a key of this process, so that the same
//! value is recognised in two places and nothing of it can be seen.

use std::hash::{BuildHasher, RandomState};

/// Parameters whose values nobody is to see, and what they are called.
const SECRETS: [(&str, &str); 9] = [
    ("code", "authorization code"),
    ("code_verifier", "code verifier"),
    ("client_secret", "client secret"),
    ("access_token", "access token"),
    ("refresh_token", "refresh token"),
    ("id_token", "ID token"),
    ("authorization", "credential"),
    ("token", "token"),
    ("id_token_hint", "ID token"),
];

/// What a parameter's secret is called; `None` where it is none.
pub(crate) fn kind_of(parameter: &str) -> Option<&'static str> {
    let known = SECRETS.iter().find(|(name, _)| name.eq_ignore_ascii_case(parameter));
    known.map(|(_, kind)| *kind)
}

/// Masks with a key that is made at start and kept nowhere.
#[derive(Default)]
pub(crate) struct Masker {
    key: RandomState,
}

impl Masker {
    /// The mark that stands for the secret.
    pub(crate) fn mask(&self, secret: &str) -> String {
        let digest = self.key.hash_one(bare(secret)) & 0xffff;
        format!("\u{2039}secret #{digest:04x}\u{203a}")
    }

    /// `text` with every secret in it masked.
    pub(crate) fn mask_within<'a>(
        &self,
        text: &str,
        secrets: impl Iterator<Item = &'a str>,
    ) -> String {
        let mut masked = text.to_owned();
        for secret in secrets.map(bare).filter(|secret| secret.len() >= 8) {
            if masked.contains(secret) {
                masked = masked.replace(secret, &self.mask(secret));
            }
        }
        masked
    }
}

/// Without the scheme in front: `Bearer x` and `x` are the same secret.
pub(crate) fn bare(secret: &str) -> &str {
    secret.rsplit(' ').next().unwrap_or(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_has_the_same_mark_and_none_of_its_characters() {
        let masker = Masker::default();
        let mark = masker.mask("eyJhbGciOiJFUzI1NiJ9");
        assert_eq!(mark, masker.mask("Bearer eyJhbGciOiJFUzI1NiJ9"));
        assert_ne!(mark, masker.mask("eyJhbGciOiJFUzI1NiJ8"));
        assert_eq!(mark.chars().count(), "‹secret #3f9a›".chars().count());
        assert_ne!(mark, Masker::default().mask("eyJhbGciOiJFUzI1NiJ9"), "another process");
    }

    #[test]
    fn secrets_inside_other_text_are_masked() {
        let masker = Masker::default();
        let text = "a=topsecret1&b=topsecret1";
        let shown = masker.mask_within(text, ["topsecret1"].into_iter());
        let mark = masker.mask("topsecret1");
        assert_eq!(shown, format!("a={mark}&b={mark}"));
    }

    #[test]
    fn what_counts_as_a_secret() {
        assert_eq!(kind_of("Authorization"), Some("credential"));
        assert_eq!(kind_of("code"), Some("authorization code"));
        assert_eq!(kind_of("state"), None);
        assert_eq!(kind_of("code_challenge"), None);
    }
}

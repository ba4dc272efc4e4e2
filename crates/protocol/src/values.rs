//! Values that the standards name, checked once, where they come in.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::encoding::{base64url, equal_in_constant_time, sha256};

/// Why a text is not such a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Longer than we take, in bytes.
    #[error("it is {received} bytes long, at most {limit} are taken")]
    TooLong {
        /// What came.
        received: usize,
        /// What is taken.
        limit: usize,
    },
    /// Shorter than the standard wants, in bytes.
    #[error("it is {received} bytes long, at least {limit} are needed ({section})")]
    TooShort {
        /// What came.
        received: usize,
        /// What is needed.
        limit: usize,
        /// The rule.
        section: &'static str,
    },
    /// A character outside of the standard's set.
    #[error("it has the character {character:?} at {at}, which {section} does not allow")]
    Character {
        /// The first such character.
        character: char,
        /// Its place, in bytes from the start.
        at: usize,
        /// The rule.
        section: &'static str,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(&'static str),
}

fn check(
    text: &str,
    limits: std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
    section: &'static str,
) -> Result<(), ValueError> {
    if text.len() > *limits.end() {
        return Err(ValueError::TooLong { received: text.len(), limit: *limits.end() });
    }
    if text.len() < *limits.start() {
        let limit = *limits.start();
        return Err(ValueError::TooShort { received: text.len(), limit, section });
    }
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        Some((at, character)) => Err(ValueError::Character { character, at, section }),
        None => Ok(()),
    }
}

fn printable(c: char) -> bool {
    matches!(c, ' '..='~')
}

fn unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~".contains(c)
}

macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $limits:expr, $allowed:expr, $section:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it is one.
            pub fn new(text: impl Into<String>) -> Result<Self, ValueError> {
                let text = text.into();
                check(&text, $limits, $allowed, $section)?;
                Ok(Self(text))
            }

            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = ValueError;
            fn try_from(text: &str) -> Result<Self, ValueError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ValueError;
            fn try_from(text: String) -> Result<Self, ValueError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_value! {
    /// A client's identifier (RFC 6749 section 2.2), at most 255 bytes.
    ClientId, 1..=255, printable, "RFC 6749 appendix A.1"
}
text_value! {
    /// What the client wants back unchanged (RFC 6749 section 4.1.1), at most 1,024 bytes. Wider
    /// than the standard's printable ASCII: any text without control characters.
    State, 1..=1024, |c: char| !c.is_control(), "RFC 6749 appendix A.5"
}
text_value! {
    /// Ties an ID token to a login (OpenID Connect Core 1.0 section 3.1.2.1), at most 512 bytes.
    Nonce, 1..=512, |c: char| !c.is_control(), "OpenID Connect Core 1.0 section 3.1.2.1"
}

/// The S256 challenge of PKCE: base64url of a SHA-256 (RFC 7636 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeChallenge([u8; 32]);

impl CodeChallenge {
    /// Whether `verifier` is what this was made from (RFC 7636 section 4.6).
    pub fn matches(&self, verifier: &CodeVerifier) -> bool {
        equal_in_constant_time(&self.0, &sha256(verifier.expose()))
    }
}

impl TryFrom<&str> for CodeChallenge {
    type Error = ValueError;
    fn try_from(text: &str) -> Result<Self, ValueError> {
        crate::encoding::from_base64url(text)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(ValueError::Other(
                "it is not the 43 base64url characters of a SHA-256 (RFC 7636 section 4.2)",
            ))
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(self.0))
    }
}

/// The secret behind a [`CodeChallenge`] (RFC 7636 section 4.1): 43 to 128 unreserved characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeVerifier(Secret);

impl CodeVerifier {
    /// A verifier from 32 random bytes.
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(Secret::new(base64url(random)))
    }

    /// Its challenge.
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(sha256(self.expose()))
    }

    /// The text, to be sent to the token endpoint and nowhere else.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl TryFrom<&str> for CodeVerifier {
    type Error = ValueError;
    fn try_from(text: &str) -> Result<Self, ValueError> {
        check(text, 43..=128, unreserved, "RFC 7636 section 4.1")?;
        Ok(Self(Secret::new(text)))
    }
}

/// A set of scope tokens in the order in which they were first named (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Scope(String);

/// A scope parameter longer than this is refused, in bytes.
const SCOPE_AT_MOST: usize = 2000;

impl Scope {
    /// The empty set.
    pub const fn empty() -> Self {
        Self(String::new())
    }

    /// The tokens, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// Whether the token is in it.
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|mine| mine == token)
    }

    /// Whether every token of `other` is in it.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.iter().all(|token| self.contains(token))
    }

    /// The first token that is not in `other`.
    pub fn first_missing_in(&self, other: &Self) -> Option<&str> {
        self.iter().find(|token| !other.contains(token))
    }

    /// The tokens for which `keep` says yes.
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut kept = Self(String::with_capacity(self.0.len()));
        self.iter().filter(|token| keep(token)).for_each(|token| kept.push(token));
        kept
    }

    /// The tokens of both.
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        other.iter().filter(|token| !self.contains(token)).for_each(|token| all.push(token));
        all
    }

    /// Adds a token that is not in it.
    fn push(&mut self, token: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(token);
    }

    /// Whether there is no token in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens separated by single spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Scope {
    type Error = ValueError;
    fn try_from(text: &str) -> Result<Self, ValueError> {
        let token = |c| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
        check(text, 0..=SCOPE_AT_MOST, token, "RFC 6749 section 3.3")?;
        let mut scope = Self(String::with_capacity(text.len()));
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if !scope.contains(token) {
                scope.push(token);
            }
        }
        Ok(scope)
    }
}

impl TryFrom<String> for Scope {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.as_str().try_into()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An authorization server's identifier: an https URL without query and fragment (RFC 8414
/// section 2), or an http one on loopback, which makes a *development issuer*.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Issuer(String);

impl Issuer {
    /// As text, exactly as configured: issuers are compared as strings.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of one of its endpoints; `path` begins with `/`.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }

    /// Its path, without a slash at the end; empty for an issuer at the root.
    pub fn path(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        self.0[after_scheme..]
            .find('/')
            .map_or("", |at| self.0[after_scheme + at..].trim_end_matches('/'))
    }

    /// Whether it is http on loopback, for development: errors tell more, and clients may have
    /// http redirect URIs on loopback.
    pub fn is_development(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// Where its metadata are by RFC 8414 section 3.1: the path comes after the well-known part.
    pub fn oauth_metadata_url(&self) -> String {
        let path = self.path();
        let origin = self.0.trim_end_matches('/').strip_suffix(path).unwrap_or(&self.0);
        format!("{origin}/.well-known/oauth-authorization-server{path}")
    }

    /// Where its metadata are by OpenID Connect Discovery 1.0 section 4.
    pub fn openid_metadata_url(&self) -> String {
        self.endpoint("/.well-known/openid-configuration")
    }
}

impl TryFrom<&str> for Issuer {
    type Error = ValueError;
    fn try_from(text: &str) -> Result<Self, ValueError> {
        let url = url::Url::parse(text)
            .map_err(|_| ValueError::Other("it is not a URL, such as https://login.example"))?;
        if text.len() > 500 {
            return Err(ValueError::TooLong { received: text.len(), limit: 500 });
        }
        if url.query().is_some() || url.fragment().is_some() || text.contains(['?', '#']) {
            return Err(ValueError::Other(
                "an issuer has neither query nor fragment (RFC 8414 section 2)",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ValueError::Other("an issuer has no user name and password"));
        }
        match url.scheme() {
            "https" => Ok(Self(text.to_owned())),
            "http" if crate::redirect_uri::is_loopback(&url) => Ok(Self(text.to_owned())),
            _ => Err(ValueError::Other(
                "an issuer is an https URL (RFC 8414 section 2); http is taken on localhost, \
                 127.0.0.1 and [::1] alone, for development",
            )),
        }
    }
}

impl TryFrom<String> for Issuer {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.as_str().try_into()
    }
}

impl From<Issuer> for String {
    fn from(issuer: Issuer) -> Self {
        issuer.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that must not be seen: a client secret, a password, a token. `Debug` shows its length
/// alone, comparison takes constant time, and its memory is wiped when it goes.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Each call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, which is what a store keeps of a secret with full entropy.
    pub fn digest(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        equal_in_constant_time(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_bounds_and_character_sets() {
        assert!(ClientId::new("photo-printer").is_ok());
        assert!(ClientId::new("").is_err());
        assert!(ClientId::new("a".repeat(256)).is_err());
        assert!(ClientId::new("a\nb").is_err());
        assert!(State::new("\u{e9}").is_ok());
        assert!(State::new("a\0").is_err());
        assert!(State::new("x".repeat(1025)).is_err());
        assert!(Nonce::new("x".repeat(513)).is_err());
    }

    #[test]
    fn pkce_s256_of_rfc_7636_appendix_b() {
        let verifier = CodeVerifier::try_from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let verifier = verifier.expect("the standard's own");
        let challenge = CodeChallenge::try_from("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let challenge = challenge.expect("the standard's own");
        assert!(challenge.matches(&verifier));
        assert_eq!(verifier.challenge(), challenge);
        assert!(!challenge.matches(&CodeVerifier::from_random([7; 32])));
    }

    #[test]
    fn pkce_values_that_are_none() {
        for text in ["", "short", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c=", &"a".repeat(44)] {
            assert!(CodeChallenge::try_from(text).is_err(), "{text}");
        }
        for text in ["", &"a".repeat(42), &"a".repeat(129), &format!("{} ", "a".repeat(43))] {
            assert!(CodeVerifier::try_from(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scope_is_a_set_in_order_rfc_6749_3_3() {
        let scope = Scope::try_from("b  a b").expect("tokens");
        assert_eq!(scope.as_str(), "b a");
        assert!(scope.contains("a") && !scope.contains(""));
        let other = Scope::try_from("a c").expect("tokens");
        assert_eq!(scope.union(&other).as_str(), "b a c");
        assert_eq!(scope.first_missing_in(&other), Some("b"));
        assert_eq!(scope.filter(|token| token == "a").as_str(), "a");
        assert!(Scope::try_from("a\tb").is_err());
        assert!(Scope::try_from("a\"b").is_err());
        assert!(Scope::try_from("").expect("none").is_empty());
    }

    #[test]
    fn issuers() {
        for good in ["https://login.example", "https://a.example/t/", "http://localhost:4000"] {
            assert!(Issuer::try_from(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "login.example",
            "http://login.example",
            "https://a/?q",
            "https://a/#",
            "https://u:p@a/",
            "ftp://a/",
            "http://localhost.example/",
        ];
        for bad in bad {
            assert!(Issuer::try_from(bad).is_err(), "{bad}");
        }
        let issuer = Issuer::try_from("https://a.example/t/").expect("good");
        assert_eq!(issuer.endpoint("/token"), "https://a.example/t/token");
        assert_eq!(issuer.path(), "/t");
        assert_eq!(
            issuer.oauth_metadata_url(),
            "https://a.example/.well-known/oauth-authorization-server/t"
        );
        let root = Issuer::try_from("https://a.example").expect("good");
        assert_eq!(
            root.oauth_metadata_url(),
            "https://a.example/.well-known/oauth-authorization-server"
        );
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(7 bytes)");
        assert!(secret == Secret::new("hunter2") && secret != Secret::new("hunter3"));
    }
}

//! What is looked for: every eight bytes in a row of every secret.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use keystile_protocol::encoding::{base64url, from_base64url};
use serde_json::{Map, Value};

use super::windows::low_half;

/// A run this long would be worth something to an attacker, and is no chance.
pub const RUN: usize = 8;

/// How the claims of a JWT begin, whoever wrote it: an app's own may do so too.
const BEGINNINGS: [&str; 8] = [
    r#"{"iss":"https://"#,
    r#"{"iss":"http://"#,
    r#"{"aud":"https://"#,
    r#"{"aud":"http://"#,
    r#"{"sub":""#,
    r#"{"jti":""#,
    r#"{"exp":17"#,
    r#"{"iat":17"#,
];

/// Secrets, in the form in which [`Search`](super::Search) looks for them.
///
/// Of a JWT, the header is no secret: all that one key signed have the same. Secrets of fewer than
/// eight bytes are not looked for.
#[derive(Debug)]
pub struct Secrets {
    /// Each run, and whose it is; of several the first one's. Runs of text and others are apart:
    /// what comes of text that is no base64 is mostly no text, and of those others there are few.
    runs: [HashMap<u64, usize, BuildHasherDefault<Mixed>>; 2],
    public: HashSet<u64, BuildHasherDefault<Mixed>>,
    count: usize,
}

impl Default for Secrets {
    fn default() -> Self {
        let mut secrets = Self { runs: Default::default(), public: HashSet::default(), count: 0 };
        for beginning in BEGINNINGS {
            // One more character may be the same, with four bits of what comes next: text has these.
            for next in (2..8).map(|upper| upper << 4) {
                let mut encoded = base64url([beginning.as_bytes(), &[next]].concat());
                encoded.truncate((beginning.len() * 8 + 4) / 6);
                secrets.add_public(encoded.as_bytes());
            }
        }
        secrets
    }
}

impl Secrets {
    /// Adds one. What is found of it is found under the number that comes back: 0 for the first,
    /// then 1.
    pub fn add(&mut self, secret: &[u8]) -> usize {
        let number = self.count;
        self.count += 1;
        let secret = &secret[public_part(secret)..];
        self.insert(number, secret);
        // A form sends it like this (application/x-www-form-urlencoded).
        if secret.contains(&b' ') {
            let form: Vec<u8> = secret.iter().map(|&b| if b == b' ' { b'+' } else { b }).collect();
            self.insert(number, &form);
        }
        number
    }

    /// Adds what may be seen: its runs are found no more, whatever secret they are of.
    pub fn add_public(&mut self, text: &[u8]) {
        self.public.extend(runs(text));
    }

    fn insert(&mut self, number: usize, secret: &[u8]) {
        for run in runs(secret) {
            self.runs[kind_of(run)].entry(run).or_insert(number);
        }
    }

    /// Whose it is.
    pub(super) fn with(&self, run: u64) -> Option<usize> {
        self.runs[kind_of(run)].get(&run).copied().filter(|_| !self.public.contains(&run))
    }
}

/// 0 where all eight bytes are ASCII, else 1.
fn kind_of(run: u64) -> usize {
    usize::from(run & 0x8080_8080_8080_8080 != 0)
}

fn runs(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let run = |window: &[u8]| window.try_into().map(u64::from_be_bytes).ok();
    bytes.windows(RUN).filter_map(run)
}

/// The length of a JWT's header and the dot behind it; 0 of everything else.
fn public_part(secret: &[u8]) -> usize {
    let parts: Vec<&[u8]> = secret.split(|&byte| byte == b'.').collect();
    let header = from_base64url(parts[0]).filter(|_| [3, 5].contains(&parts.len()));
    let is_header =
        header.is_some_and(|it| serde_json::from_slice::<Map<String, Value>>(&it).is_ok());
    if is_header { parts[0].len() + 1 } else { 0 }
}

/// Spreads runs, which nobody chooses to collide: a search asks several times for each byte.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, run: u64) {
        // Multiplying carries upwards alone; folding brings it down again.
        let wide = u128::from(run ^ self.0) * 0x9e37_79b9_7f4a_7c15;
        self.0 = low_half(wide >> 64) ^ low_half(wide);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a token and the text that counts.
    fn counting(secret: &str) -> (&str, &str) {
        secret.split_at(public_part(secret.as_bytes()))
    }

    #[test]
    fn of_a_jwt_the_header_is_no_secret() {
        let header = base64url(r#"{"alg":"ES256","kid":"k"}"#);
        let signed = format!("{header}.payload.signature");
        assert_eq!(counting(&signed).1, "payload.signature");
        let encrypted = format!("{header}.key.iv.text.tag");
        assert_eq!(counting(&encrypted).1, "key.iv.text.tag");
        for opaque in [
            "an opaque token".to_owned(),
            "with.two.dots".to_owned(),
            format!("{header}.payload"),
            format!("{}.payload.signature", base64url("[1]")),
            String::new(),
        ] {
            assert_eq!(counting(&opaque), ("", opaque.as_str()));
        }
    }

    #[test]
    fn what_may_be_seen_is_found_no_more_whenever_that_is_said() {
        let run = |text: &[u8; 8]| u64::from_be_bytes(*text);
        let mut secrets = Secrets::default();
        secrets.add_public(b"photo-printer");
        assert_eq!(secrets.add(b"photo-printer-secret"), 0);
        assert_eq!(secrets.with(run(b"photo-pr")), None);
        assert_eq!(secrets.with(run(b"printer-")), Some(0));
        assert_eq!(secrets.add(b"a printer-secret"), 1);
        assert_eq!(secrets.with(run(b"printer-")), Some(0), "the first one's");
        assert_eq!(secrets.with(run(b"a+printe")), Some(1), "as a form sends it");
        secrets.add_public(b"printer-secret");
        assert_eq!(secrets.with(run(b"printer-")), None);
        assert_eq!(secrets.with(run(b"er-secre")), None);
    }

    #[test]
    fn how_every_jwts_claims_begin_is_no_secret() {
        let mut secrets = Secrets::default();
        let header = base64url(r#"{"alg":"ES256"}"#);
        let claims = base64url(r#"{"iss":"https://login.example","sub":"user-1"}"#);
        secrets.add(format!("{header}.{claims}.signature").as_bytes());
        let mine = base64url(r#"{"iss":"https://app.example"}"#);
        assert!(runs(mine.as_bytes()).all(|run| secrets.with(run).is_none()));
        assert!(runs(claims.as_bytes()).any(|run| secrets.with(run).is_some()));
    }

    #[test]
    fn runs_are_spread_over_all_bits() {
        let mixed = |run| {
            let mut mixed = Mixed::default();
            mixed.write_u64(run);
            mixed.finish()
        };
        let places: HashSet<u64> = (0..1000_u64).map(|n| mixed(n << 56) % 4096).collect();
        assert!(places.len() > 200, "{}", places.len());
    }
}

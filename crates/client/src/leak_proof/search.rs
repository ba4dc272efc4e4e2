//! Looks for secrets in a stream of bytes.

use super::escapes::Unescape;
use super::secrets::Secrets;
use super::windows::{Base64, Bytes, Hexadecimal, Numbers, Run, Symbol};

/// A search through one stream: a body, a header, a line of a log. It comes in pieces of any
/// length; a run that two pieces share is found too.
///
/// ```
/// use keystile_client::leak_proof::{Form, Search, Secrets};
///
/// let mut secrets = Secrets::default();
/// secrets.add(b"cv7Zq2kLmN8");
/// let mut found = Vec::new();
/// let mut search = Search::default();
/// search.feed(&secrets, b"<p>cv7Zq2", |it| found.push(it));
/// search.feed(&secrets, b"kLmN8</p>", |it| found.push(it));
/// assert_eq!(found.len(), 4, "four times eight characters in a row");
/// assert_eq!((found[0].secret, found[0].at, found[0].form), (0, 3, Form::Plain));
/// ```
#[derive(Default)]
pub struct Search {
    length: u64,
    plain: Bytes,
    undo: [Unescape; 2],
    unescaped: [Bytes; 2],
    base64: Base64,
    hexadecimal: Hexadecimal,
    numbers: Numbers,
}

/// Eight bytes of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Which secret's: the number that [`Secrets::add`] gave it.
    pub secret: usize,
    /// Where in the stream they begin, in bytes.
    pub at: u64,
    /// In which form they stand there.
    pub form: Form,
}

/// The form of a secret that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// As it is.
    Plain,
    /// With escapes of a URL, of JSON, of Rust's `Debug` or of HTML, once or twice.
    Escaped,
    /// In base64 or base64url, at any place of a longer text.
    Base64,
    /// In hexadecimal digits.
    Hexadecimal,
    /// In numbers with commas between them.
    Numbers,
}

impl Form {
    /// In words, to stand behind "in".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Plain => "plain text",
            Self::Escaped => "escapes",
            Self::Base64 => "base64",
            Self::Hexadecimal => "hexadecimal digits",
            Self::Numbers => "numbers",
        }
    }
}

impl Search {
    /// Searches the next piece, and tells of each run that ends in it.
    pub fn feed(&mut self, secrets: &Secrets, piece: &[u8], mut found: impl FnMut(Found)) {
        let mut tell = |form, run: Option<Run>| {
            let known = run.and_then(|(run, at)| Some((secrets.with(run)?, at)));
            if let Some((secret, at)) = known {
                found(Found { secret, at, form });
            }
        };
        let Self { undo: [once, twice], unescaped: [first, second], .. } = self;
        for (at, &byte) in (self.length..).zip(piece) {
            let symbol = Symbol::new(byte, at);
            tell(Form::Plain, self.plain.push(symbol));
            once.push(symbol, |symbol| {
                tell(Form::Escaped, first.push_unescaped(symbol));
                twice.push(symbol, |symbol| {
                    tell(Form::Escaped, second.push_unescaped(symbol));
                    for run in self.base64.push(symbol) {
                        tell(Form::Base64, run);
                    }
                    tell(Form::Hexadecimal, self.hexadecimal.push(symbol));
                    tell(Form::Numbers, self.numbers.push(symbol));
                });
            });
        }
        self.length += piece.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use keystile_protocol::encoding::{base64url, percent_encode};

    use super::*;

    const SECRET: &str = "q/7+Zk&2<m\"N8'\u{e9}vT";

    fn each_byte(write: impl Fn(u8) -> String) -> String {
        SECRET.bytes().map(write).collect::<Vec<_>>().concat()
    }

    fn all_found(secrets: &[&[u8]], text: &[u8]) -> Vec<Found> {
        let mut known = Secrets::default();
        for secret in secrets {
            known.add(secret);
        }
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Search::default().feed(&known, text, |it| whole.push(it));
        let mut search = Search::default();
        for byte in text {
            search.feed(&known, &[*byte], |it| pieces.push(it));
        }
        whole.sort_by_key(|it| (it.at, it.secret));
        pieces.sort_by_key(|it| (it.at, it.secret));
        assert_eq!(whole, pieces, "the pieces do not matter");
        whole
    }

    #[test]
    fn any_eight_bytes_in_a_row_are_found() {
        let secret: &[u8] = b"0123456789abcdef";
        let count = |text: &str| all_found(&[secret], text.as_bytes()).len();
        assert_eq!(count("nothing here"), 0);
        assert_eq!(count("xx456789abxx"), 1);
        assert_eq!(count("xx456789axx"), 0, "seven are not");
        assert_eq!(count("0123456789abcdef"), 9, "a whole one has nine runs");
        assert_eq!(count(""), 0);
        assert!(all_found(&[b"short", b""], b"a short one").is_empty());
    }

    #[test]
    fn each_form_is_found_where_it_begins() {
        let mut percent = String::new();
        percent_encode(SECRET, &mut percent);
        let mut twice = String::new();
        percent_encode(&percent, &mut twice);
        let html = SECRET.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let html = html.replace('\'', "&#39;").replace('/', "&#x2f;");
        let hexadecimal = each_byte(|byte| format!("{byte:02x}"));
        let cases = [
            (Form::Plain, SECRET.to_owned()),
            (Form::Escaped, percent.clone()),
            (Form::Escaped, twice),
            (Form::Escaped, html.clone()),
            (Form::Escaped, html.replace('&', "&amp;")),
            (Form::Escaped, serde_json::to_string(SECRET).expect("JSON").replace('/', "\\/")),
            (Form::Escaped, each_byte(|byte| format!("%{byte:02X}"))),
            (Form::Escaped, each_byte(|byte| format!("\\x{byte:02x}"))),
            (Form::Base64, STANDARD.encode(SECRET)),
            (Form::Base64, base64url(SECRET)),
            (Form::Base64, STANDARD.encode(SECRET).replace('+', "%2B").replace('/', "%2F")),
            (Form::Hexadecimal, hexadecimal.clone()),
            (Form::Hexadecimal, hexadecimal.to_uppercase()),
            (Form::Numbers, format!("{:?}", SECRET.as_bytes())),
            (Form::Numbers, serde_json::to_string(SECRET.as_bytes()).expect("JSON")),
        ];
        for (form, text) in cases {
            let found = all_found(&[SECRET.as_bytes()], format!("<i>{text}</i>").as_bytes());
            let first = found.iter().find(|it| it.form == form);
            let begin = 3 + u64::from(text.starts_with(['"', '[']));
            assert_eq!(first.map(|it| it.at), Some(begin), "{form:?} {text}");
        }
    }

    #[test]
    fn inside_a_longer_text_base64_is_found_wherever_it_begins() {
        for before in ["", "B", "Be", "Bea", "Bearer ", "photo-printer:"] {
            for secret in [SECRET, "8 chars."] {
                let text = format!("{before}{secret}");
                let found = all_found(&[secret.as_bytes()], STANDARD.encode(&text).as_bytes());
                let begin = before.len() as u64 * 8 / 6;
                assert_eq!(found.first().map(|it| it.at), Some(begin), "{text}");
                assert_eq!(found.len(), secret.len() - 7, "each run once: {text}");
                let lines: Vec<_> = STANDARD.encode(&text).bytes().collect();
                let lines = lines.chunks(5).collect::<Vec<_>>().join(&b"\r\n"[..]);
                assert!(!all_found(&[secret.as_bytes()], &lines).is_empty(), "in lines: {text}");
            }
        }
    }

    #[test]
    fn what_only_resembles_a_secret_is_none() {
        let secret: &[u8] = b"cv7Zq2kLmN8xY";
        for text in [
            "cv7Zq2k LmN8xY",
            "CV7ZQ2KLMN8XY",
            "cv7Zq2k%20LmN8xY",
            "Y3Y3WnEya0 xtTjh4WQ",
            "637637 5a71326b4c",
            "99, 118, 55, 90, 113, 50, 107",
            "99, 118, 55, 90; 113, 50, 107, 76",
            "355, 118, 55, 90, 113, 50, 107, 76",
        ] {
            assert_eq!(all_found(&[secret], text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn each_secret_is_found_for_itself() {
        let found = all_found(&[b"aaaaaaaaZ", b"aaaaaaaaY"], b"aaaaaaaaY");
        assert_eq!(found.iter().map(|it| it.secret).collect::<Vec<_>>(), [0, 1]);
    }
}

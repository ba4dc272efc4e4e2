//! Text as it was before somebody escaped it: for a URL, for JSON or `Debug`, for HTML.

use super::windows::Symbol;

/// No escape of a byte or a character is longer.
const LONGEST: usize = 10;

/// Undoes the escapes of all three kinds, whichever the text has. What only looks like one stays.
#[derive(Default)]
pub(super) struct Unescape {
    /// What may become one.
    pending: Vec<Symbol>,
}

/// What some bytes are.
#[derive(Debug, PartialEq, Eq)]
enum Escape {
    /// It may become one.
    Begun,
    Byte(u8),
    Char(char),
    None,
}

impl Unescape {
    /// Takes the next symbol, and gives what is certain by then.
    pub(super) fn push(&mut self, symbol: Symbol, mut plain: impl FnMut(Symbol)) {
        let symbol = Symbol { unescaped: false, ..symbol };
        if self.pending.is_empty() && !begins(symbol.byte) {
            plain(symbol);
            return;
        }
        self.pending.push(symbol);
        while let Some(first) = self.pending.first().copied() {
            let bytes: Vec<u8> = self.pending.iter().map(|symbol| symbol.byte).collect();
            let unescaped = |byte| Symbol { byte, at: first.at, unescaped: true };
            match read(&bytes) {
                Escape::Begun => return,
                Escape::Byte(byte) => plain(unescaped(byte)),
                Escape::Char(char) => {
                    char.encode_utf8(&mut [0; 4]).bytes().map(unescaped).for_each(&mut plain);
                }
                Escape::None => {
                    plain(self.pending.remove(0));
                    continue;
                }
            }
            self.pending.clear();
        }
    }
}

const fn begins(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}

/// Reads an escape that the bytes are the whole of.
fn read(bytes: &[u8]) -> Escape {
    match bytes {
        [b'%' | b'\\' | b'&'] => Escape::Begun,
        [b'%', digits @ ..] | [b'\\', b'x', digits @ ..] => byte_of(digits),
        [b'\\', b'u', rest @ ..] => code_point(rest),
        [b'\\', one] => match one {
            b'n' => Escape::Byte(b'\n'),
            b'r' => Escape::Byte(b'\r'),
            b't' => Escape::Byte(b'\t'),
            punctuation if punctuation.is_ascii_punctuation() => Escape::Byte(*punctuation),
            _ => Escape::None,
        },
        [b'&', name @ .., b';'] => entity(name),
        [b'&', name @ ..] if is_like_a_name(name) && bytes.len() < LONGEST => Escape::Begun,
        _ => Escape::None,
    }
}

/// Two hexadecimal digits.
fn byte_of(digits: &[u8]) -> Escape {
    match number(digits, 16) {
        None if !digits.is_empty() => Escape::None,
        Some(number) if digits.len() == 2 => {
            u8::try_from(number).map_or(Escape::None, Escape::Byte)
        }
        _ => Escape::Begun,
    }
}

/// `uXXXX` of JSON, `u{X}` of Rust.
fn code_point(rest: &[u8]) -> Escape {
    let (digits, whole) = match rest {
        [b'{', digits @ .., b'}'] => (digits, true),
        [b'{', digits @ ..] => (digits, false),
        digits => (digits, digits.len() == 4),
    };
    match number(digits, 16) {
        Some(number) if whole => char::from_u32(number).map_or(Escape::None, Escape::Char),
        Some(_) if rest.len() < LONGEST - 2 => Escape::Begun,
        None if digits.is_empty() && !whole => Escape::Begun,
        _ => Escape::None,
    }
}

/// What stands between `&` and `;`.
fn entity(name: &[u8]) -> Escape {
    let number = match name {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    };
    match name {
        b"amp" => Escape::Byte(b'&'),
        b"lt" => Escape::Byte(b'<'),
        b"gt" => Escape::Byte(b'>'),
        b"quot" => Escape::Byte(b'"'),
        b"apos" => Escape::Byte(b'\''),
        _ => number.and_then(char::from_u32).map_or(Escape::None, Escape::Char),
    }
}

fn is_like_a_name(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#')
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    u32::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(text: &[u8]) -> Vec<Symbol> {
        let (mut undo, mut plain) = (Unescape::default(), Vec::new());
        for (at, &byte) in (10..).zip(text) {
            undo.push(Symbol::new(byte, at), |symbol| plain.push(symbol));
        }
        plain
    }

    #[test]
    fn each_kind_of_escape_is_undone_and_nothing_else() {
        for (escaped, plain) in [
            ("plain", "plain"),
            // RFC 3986 section 2.1.
            ("a%2Bb%2bc%41.", "a+b+cA."),
            ("100%, 5%x %%41.", "100%, 5%x %A."),
            ("%c3%a9.", "\u{e9}."),
            // RFC 8259 section 7, and Rust's Debug.
            (r#"a\"b\\c\/d\u002B\u00e9\n."#, "a\"b\\c/d+\u{e9}\n."),
            (r"\x41\u{42}\u{1F600}\'.", "AB\u{1f600}'."),
            (r"\q\u12\ud800\u{}\xg", r"\q\u12\ud800\u{}\xg"),
            // HTML.
            ("a&amp;b&lt;&gt;&quot;&apos;&#39;&#x2F;&#x2b;.", "a&b<>\"''/+."),
            ("AT&T & &nbsp; &unknownname; &#xd800;.", "AT&T & &nbsp; &unknownname; &#xd800;."),
            ("%&amp;\\%41.", "%&%41."),
        ] {
            let bytes = undone(escaped.as_bytes()).iter().map(|symbol| symbol.byte).collect();
            assert_eq!(String::from_utf8(bytes).as_deref(), Ok(plain), "{escaped}");
        }
    }

    #[test]
    fn a_byte_that_was_escaped_stands_where_its_escape_begins() {
        let plain = undone(b"a%2Bb");
        let told: Vec<_> = plain.iter().map(|s| (s.byte, s.at, s.unescaped)).collect();
        assert_eq!(told, [(b'a', 10, false), (b'+', 11, true), (b'b', 14, false)]);
    }
}

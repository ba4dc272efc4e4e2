//! Base64url as RFC 7515 section 2 has it, digests, and comparison in constant time.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Base64url without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same, written behind what is in `out`.
pub(crate) fn base64url_onto(bytes: impl AsRef<[u8]>, out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, out);
}

/// The bytes that `text` stands for; nothing unless it is the one text for them: no padding, no
/// other alphabet, no stray bits at the end.
pub fn from_base64url(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The standard alphabet, with its padding or without.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes that `text` stands for in base64's standard alphabet (RFC 4648 section 4), with
/// padding or without; nothing if it is something else.
pub fn from_base64(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// SHA-256.
pub fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes.as_ref()).as_ref());
    out
}

/// Whether the two are equal, in a time that depends on their lengths alone.
pub fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// HMAC-SHA-256 of the parts one after another. The caller sees to it that the parts cannot be
/// shifted against each other (fixed lengths, or a length before each).
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    hmac_of(&hmac::Key::new(hmac::HMAC_SHA256, key), parts)
}

/// The same with a key that is ready.
pub(crate) fn hmac_of(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// `text` with everything percent-encoded but RFC 3986's unreserved characters.
pub fn percent_encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = text;
    // Most of what is encoded needs no encoding: it is copied in runs.
    while let Some(at) = rest.bytes().position(|byte| !is_unreserved(byte)) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let width = tail.chars().next().map_or(1, char::len_utf8);
        for byte in &tail.as_bytes()[..width] {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        rest = &tail[width..];
    }
    out.push_str(rest);
}

/// Whether a byte is one of RFC 3986's unreserved characters (section 2.3).
fn is_unreserved(byte: u8) -> bool {
    const UNRESERVED: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0u8;
        while byte < 128 {
            table[byte as usize] =
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            byte += 1;
        }
        table
    };
    UNRESERVED[usize::from(byte)]
}

/// Decodes `application/x-www-form-urlencoded` text; nothing where that is not UTF-8. A `%` that
/// no two hexadecimal digits follow stands for itself, as browsers have it.
pub fn form_decode(encoded: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    form_decode_onto(encoded, &mut bytes);
    String::from_utf8(bytes).ok()
}

/// The same, text or not, written behind what is in `bytes`.
pub(crate) fn form_decode_onto(encoded: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = encoded;
    // What stands for itself is copied in runs.
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'+' | b'%')) {
        bytes.extend_from_slice(&rest[..at]);
        rest = match &rest[at..] {
            [b'%', high, low, after @ ..]
                if let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) =>
            {
                bytes.push(high << 4 | low);
                after
            }
            [first, after @ ..] => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                after
            }
            [] => &[],
        };
    }
    bytes.extend_from_slice(rest);
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_one_text_for_each_value() {
        assert_eq!(from_base64url("AA"), Some(vec![0]));
        for other in ["AB", "AA==", "A", "A+", "A A", "AA\n"] {
            assert_eq!(from_base64url(other), None, "{other:?}");
        }
    }

    #[test]
    fn base64_has_its_own_alphabet_and_may_have_padding() {
        for text in ["+/8=", "+/8"] {
            assert_eq!(from_base64(text), Some(vec![0xfb, 0xff]), "{text}");
        }
        for other in ["-_8=", "+/9", "+/8==", "+", "+/8\n", "=+/8"] {
            assert_eq!(from_base64(other), None, "{other:?}");
        }
    }

    #[test]
    fn form_decoding_is_strict_about_utf8_and_lax_about_percent() {
        assert_eq!(form_decode(b"a+b%20c%C3%A9").as_deref(), Some("a b c\u{e9}"));
        assert_eq!(form_decode(b"100%").as_deref(), Some("100%"));
        assert_eq!(form_decode(b"%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(form_decode(b"%FF"), None);
    }

    #[test]
    fn percent_encoding_round_trips() {
        let text = "a b&c=d/\u{e9}?%+~";
        let mut out = String::new();
        percent_encode(text, &mut out);
        assert_eq!(out, "a%20b%26c%3Dd%2F%C3%A9%3F%25%2B~");
        assert_eq!(form_decode(out.as_bytes()).as_deref(), Some(text));
    }
}

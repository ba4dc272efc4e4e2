use serde::{Deserialize, Serialize};

/// Longer paths are not kept: they travel in a cookie.
const AT_MOST: usize = 512;

/// Where a login leads back to: a path on the app's own origin, and nothing else. A redirect to
/// anywhere would make the app an open redirector (RFC 9700 section 4.11.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The path if it is one, `/` otherwise: a bad link is no reason to stop a login.
    pub fn or_root(path: &str) -> Self {
        if is_local(path) { Self(path.to_owned()) } else { Self::default() }
    }

    /// As text, beginning with one `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ReturnTo {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

/// Browsers read `\` as `/`, drop tabs and line breaks wherever they stand, and take `//host` for
/// another origin (WHATWG URL, "relative slash state"). Only printable ASCII passes, so that the
/// text fits a `Location` header as it is.
fn is_local(path: &str) -> bool {
    path.len() <= AT_MOST
        && path.starts_with('/')
        && !path[1..].starts_with('/')
        && path.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_same_origin_rfc_9700_4_11_1() {
        for path in ["/", "/photos", "/photos?a=b&c=%2F%2Fx#top", "/a//b", "/@x:y", "/%5Cevil"] {
            assert_eq!(ReturnTo::or_root(path).as_str(), path);
        }
        let long = format!("/{}", "a".repeat(AT_MOST));
        for other in [
            "",
            "photos",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\r\nSet-Cookie: x=y",
            "/a\0",
            "/a b",
            "/\u{e9}",
            "https://evil.example",
            "javascript:alert(1)",
            "http:/evil",
            " /a",
            "?a",
            "#a",
            &long,
        ] {
            assert_eq!(ReturnTo::or_root(other).as_str(), "/", "{other:?}");
        }
    }

    #[test]
    fn whatever_passes_stays_on_the_origin() {
        let base = url::Url::parse("https://app.example/login").expect("a URL");
        for path in
            ["/", "/a//b", "/@evil.example", "/.//evil.example", "/..//evil.example", "/:80"]
        {
            let passed = ReturnTo::or_root(path);
            let joined = base.join(passed.as_str()).expect("a path");
            assert_eq!(joined.origin(), base.origin(), "{path}");
        }
    }
}

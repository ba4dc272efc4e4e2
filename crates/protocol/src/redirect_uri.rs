//! Redirect URIs: which may be registered, and when one that is asked for is one of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::values::ValueError;

/// A redirect URI that passed the rules for registration. It is kept as the text that was
/// registered, since it is compared as a string (RFC 6749 section 3.1.2.3, RFC 9700 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// What kind of client registers the URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriPolicy {
    /// `https` alone.
    Web,
    /// `https`, and `http` on loopback: any client of a development issuer.
    Development,
    /// `https`, `http` on loopback with any port, and private-use schemes (RFC 8252 section 7).
    Native,
}

/// A redirect URI longer than this is refused, in bytes.
pub const REDIRECT_URI_AT_MOST: usize = 2000;

impl RedirectUri {
    /// Takes a URI that a client wants to register (rows 5.1 and 5.2 of the mission).
    pub fn register(text: &str, policy: UriPolicy) -> Result<Self, ValueError> {
        if text.len() > REDIRECT_URI_AT_MOST {
            return Err(ValueError::TooLong { received: text.len(), limit: REDIRECT_URI_AT_MOST });
        }
        // `Url::parse` forgives white space, control characters and backslashes; browsers then
        // read something else than we do.
        if text.chars().any(|c| !matches!(c, '!'..='~') || "\\\"<>^`{|}".contains(c)) {
            return Err(ValueError::Other("it has characters that RFC 3986 does not allow"));
        }
        let url = Url::parse(text)
            .map_err(|_| ValueError::Other("it is not an absolute URI (RFC 6749 section 3.1.2)"))?;
        if text.contains('#') {
            return Err(ValueError::Other("it has a fragment (RFC 6749 section 3.1.2)"));
        }
        if text.contains('*') && url.host_str().is_none_or(|host| host.contains('*')) {
            return Err(ValueError::Other("it has a wildcard; register each URI by itself"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ValueError::Other("it has a user name or password"));
        }
        match (url.scheme(), policy) {
            ("https", _) => {}
            ("http", UriPolicy::Development | UriPolicy::Native) if is_loopback(&url) => {}
            ("http", UriPolicy::Web) => {
                return Err(ValueError::Other(
                    "it is http: only https redirect URIs are taken (http on loopback is for \
                     native apps, and for an issuer that is itself http on loopback)",
                ));
            }
            ("http", _) => {
                return Err(ValueError::Other(
                    "it is http and not on loopback: use https, or 127.0.0.1, [::1] or localhost",
                ));
            }
            // "reverse domain name" (RFC 8252 section 7.1) also keeps `javascript:` and the like out.
            (scheme, UriPolicy::Native) if scheme.contains('.') => {}
            (_, UriPolicy::Native) => {
                return Err(ValueError::Other(
                    "a private-use scheme is a reverse domain name, such as com.example.app \
                     (RFC 8252 section 7.1)",
                ));
            }
            _ => return Err(ValueError::Other("it is not an https URI")),
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether `requested` is this one: equal as a string; for a native app's http loopback
    /// address the port may differ (RFC 8252 section 7.3), and nothing else.
    pub fn matches(&self, requested: &str, native: bool) -> bool {
        self.0 == requested
            || (native
                && match (loopback_without_port(&self.0), loopback_without_port(requested)) {
                    (Some(mine), Some(theirs)) => mine == theirs,
                    _ => false,
                })
    }

    /// The text that was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, where the URI has one.
    pub fn host(&self) -> Option<String> {
        Url::parse(&self.0).ok()?.host_str().map(str::to_owned)
    }

    /// Scheme, host and port, where the URI has them.
    pub fn origin(&self) -> Option<String> {
        let url = Url::parse(&self.0).ok()?;
        url.origin().is_tuple().then(|| url.origin().ascii_serialization())
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the URL's host is this machine by name or address.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Host and what follows the port of an `http` URI on a loopback address; nothing for others, and
/// for texts in which the port is not plain digits.
fn loopback_without_port(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let host =
        ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(*host))?;
    let rest = &rest[host.len()..];
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(port) => {
            let digits = port.len() - port.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            port[..digits].parse::<u16>().ok()?;
            &port[digits..]
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

/// Where two texts first differ, in characters; nothing if they are equal.
pub fn first_difference(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    Some(a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_5_2_only_https_but_for_loopback_and_private_schemes() {
        use UriPolicy::{Development, Native, Web};
        let cases = [
            ("https://app.example/cb", true, true, true),
            ("https://app.example/cb?x=1", true, true, true),
            ("http://app.example/cb", false, false, false),
            ("http://localhost:8080/cb", false, true, true),
            ("http://127.0.0.1/cb", false, true, true),
            ("http://[::1]:9/cb", false, true, true),
            ("http://localhost.evil.example/", false, false, false),
            ("http://127.0.0.1.evil.example/", false, false, false),
            ("com.example.app:/cb", false, false, true),
            ("myapp://cb", false, false, false),
            ("javascript:alert(1)", false, false, false),
            ("data:text/html,x", false, false, false),
            ("https://app.example/cb#f", false, false, false),
            ("https://app.example/cb#", false, false, false),
            ("https://*.example/cb", false, false, false),
            ("https://u:p@app.example/", false, false, false),
            ("https://app.example/ cb", false, false, false),
            ("https://app.example\\@evil.example/", false, false, false),
            ("https://app.example/\r\nX: y", false, false, false),
            ("/cb", false, false, false),
            ("", false, false, false),
        ];
        for (text, web, development, native) in cases {
            let result = |policy| RedirectUri::register(text, policy).is_ok();
            assert_eq!(
                (result(Web), result(Development), result(Native)),
                (web, development, native),
                "{text}"
            );
        }
    }

    #[test]
    fn redirect_uris_are_compared_as_strings_rfc_9700_2_1() {
        let uri = RedirectUri::register("https://app.example/cb", UriPolicy::Web).expect("good");
        assert!(uri.matches("https://app.example/cb", false));
        let others = [
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://app.example:443/cb",
            "https://APP.example/cb",
            "https://app.example/cb?",
            "https://app.example/%63b",
            "https://app.example/x/../cb",
            "https://app.example.evil/cb",
            "",
        ];
        for other in others {
            assert!(!uri.matches(other, false) && !uri.matches(other, true), "{other}");
        }
    }

    #[test]
    fn a_native_loopback_uri_may_have_any_port_rfc_8252_7_3() {
        let uri = RedirectUri::register("http://127.0.0.1/cb", UriPolicy::Native).expect("good");
        for good in ["http://127.0.0.1:50123/cb", "http://127.0.0.1/cb"] {
            assert!(uri.matches(good, true), "{good}");
        }
        assert!(!uri.matches("http://127.0.0.1:50123/cb", false), "only for native apps");
        let others = [
            "http://127.0.0.1:50123/cb2",
            "http://localhost:1/cb",
            "https://127.0.0.1:1/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:/cb",
        ];
        for other in others {
            assert!(!uri.matches(other, true), "{other}");
        }
    }

    #[test]
    fn first_differences() {
        assert_eq!(first_difference("abc", "abc"), None);
        assert_eq!(first_difference("abc", "abd"), Some(2));
        assert_eq!(first_difference("abc", "abc/"), Some(3));
        assert_eq!(first_difference("", "a"), Some(0));
    }
}

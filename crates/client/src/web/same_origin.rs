//! Whether a page of the app itself made a request, and not one of another origin that uses the
//! user's cookie (RFC 6749 section 10.12, OAuth 2.0 for Browser-Based Applications section 6.1.3.3).

use http::{HeaderMap, HeaderName, Method, header};

/// What the header has to say.
pub(crate) const HEADER_SAYS: &str = "1";

/// What a browser loads by itself, without being able to add a header, and without running it.
const ELEMENTS: [&str; 5] = ["audio", "empty", "image", "track", "video"];

/// How a request has to prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By the header that only a script of this origin can add.
    Header,
    /// As that; a read that the browser says a page of this origin made, without one.
    HeaderUnlessRead,
    /// By the browser's word, for scripts cannot add a header to a WebSocket's handshake.
    Origin,
}

/// What is wrong with a request, in words for whoever writes the script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOurs {
    #[error(
        "the header '{0}: {HEADER_SAYS}' is missing: the app's own script adds it to each request"
    )]
    NoHeader(String),
    #[error("Sec-Fetch-Site is '{0}', and only 'same-origin' is let through")]
    OtherSite(String),
    #[error("Origin is '{0}', and the app lives at '{1}'")]
    OtherOrigin(String, String),
    #[error("a WebSocket's handshake says its Origin, and this one did not")]
    NoOrigin,
}

/// Whether a form of one of the app's own pages was sent. `SameSite=Lax` keeps other sites out, and
/// neither other ports of `localhost` nor sister domains.
pub(crate) fn is_own_form(headers: &HeaderMap, origin: &str) -> bool {
    match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(from)) => from == origin,
        (None, None) => false,
    }
}

/// Whether the app's own script made a request. A header that no form and no element can add makes
/// browsers ask the app first whether another origin may send it (CORS), and it says no; where the
/// app has said yes by mistake, the browser's own word still counts.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    origin: &str,
    (name, proof): (&HeaderName, Proof),
) -> Result<(), NotOurs> {
    let texts =
        |name| headers.get_all(name).iter().map(|it| String::from_utf8_lossy(it.as_bytes()));
    let foreign = |said: &str, ours: &str| (said != ours).then(|| shortened(said));
    let site = HeaderName::from_static("sec-fetch-site");
    if let Some(other) = texts(site.clone()).find_map(|it| foreign(&it, "same-origin")) {
        return Err(NotOurs::OtherSite(other));
    }
    if let Some(other) = texts(header::ORIGIN).find_map(|it| foreign(&it, origin)) {
        return Err(NotOurs::OtherOrigin(other, origin.to_owned()));
    }
    let added = headers.get_all(name).iter().any(|value| value == HEADER_SAYS);
    match proof {
        Proof::Origin if headers.contains_key(header::ORIGIN) => Ok(()),
        Proof::Origin => Err(NotOurs::NoOrigin),
        Proof::HeaderUnlessRead if is_read(method, headers) && headers.contains_key(&site) => {
            Ok(())
        }
        _ if added => Ok(()),
        _ => Err(NotOurs::NoHeader(name.as_str().to_owned())),
    }
}

/// A picture, a film, a stream of events: no page, no frame and no script.
fn is_read(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let passive = text("sec-fetch-dest").is_some_and(|dest| ELEMENTS.contains(&dest));
    let navigates = text("sec-fetch-mode") == Some("navigate");
    (method == Method::GET || method == Method::HEAD) && passive && !navigates
}

fn shortened(said: &str) -> String {
    said.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OURS: &str = "http://localhost:4001";

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = headers.iter();
        let pair =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        pairs.map(pair).collect()
    }

    #[test]
    fn a_logout_comes_from_our_own_pages() {
        let cases: [(&[(&str, &str)], bool); 9] = [
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", OURS)], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", OURS)], true),
            (&[("origin", "http://localhost:4000")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ];
        for (headers, expected) in cases {
            assert_eq!(is_own_form(&map(headers), OURS), expected, "{headers:?}");
        }
    }

    const CSRF: (&str, &str) = ("x-csrf", "1");
    const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
    const ORIGIN: (&str, &str) = ("origin", OURS);

    fn checked(method: &Method, headers: &[(&'static str, &'static str)], proof: Proof) -> bool {
        let name = HeaderName::from_static("x-csrf");
        check(method, &map(headers), OURS, (&name, proof)).is_ok()
    }

    #[test]
    fn a_script_adds_the_header_and_the_browser_says_nothing_else() {
        let cases: [(&[(&str, &str)], bool); 15] = [
            (&[CSRF, SAME, ORIGIN], true),
            (&[CSRF, SAME], true),
            (&[CSRF, ORIGIN], true),
            // A browser of before 2023 says neither for a GET.
            (&[CSRF], true),
            (&[SAME, ORIGIN], false),
            (&[], false),
            (&[("x-csrf", "0"), SAME], false),
            (&[("x-csrf", ""), SAME], false),
            (&[CSRF, ("sec-fetch-site", "same-site")], false),
            (&[CSRF, ("sec-fetch-site", "cross-site"), ORIGIN], false),
            (&[CSRF, ("sec-fetch-site", "none")], false),
            (&[CSRF, SAME, ("origin", "https://evil.example")], false),
            (&[CSRF, ("origin", "http://localhost:4000")], false),
            (&[CSRF, ("origin", "null")], false),
            (&[CSRF, ORIGIN, ("origin", "https://evil.example")], false),
        ];
        for (headers, expected) in cases {
            for method in [Method::GET, Method::POST] {
                assert_eq!(checked(&method, headers, Proof::Header), expected, "{headers:?}");
            }
        }
    }

    #[test]
    fn an_element_reads_without_the_header_where_the_app_lets_it() {
        let dest = |dest| [SAME, ("sec-fetch-dest", dest), ("sec-fetch-mode", "no-cors")];
        let read = |method: Method, headers: &[(&'static str, &'static str)]| {
            checked(&method, headers, Proof::HeaderUnlessRead)
        };
        for passive in ELEMENTS {
            assert!(read(Method::GET, &dest(passive)), "{passive}");
            assert!(!read(Method::POST, &dest(passive)), "{passive}");
            assert!(!checked(&Method::GET, &dest(passive), Proof::Header), "{passive}");
        }
        for active in
            ["document", "iframe", "frame", "object", "embed", "script", "style", "worker"]
        {
            assert!(!read(Method::GET, &dest(active)), "{active}");
        }
        assert!(!read(Method::GET, &[SAME]), "it has to say what for");
        assert!(!read(Method::GET, &[("sec-fetch-dest", "image")]), "and from where");
        let other = [("sec-fetch-site", "same-site"), ("sec-fetch-dest", "image")];
        assert!(!read(Method::GET, &other));
        let page = [SAME, ("sec-fetch-dest", "empty"), ("sec-fetch-mode", "navigate")];
        assert!(!read(Method::GET, &page));
        assert!(read(Method::POST, &[SAME, CSRF]));
    }

    #[test]
    fn a_websocket_says_its_origin_rfc_6455_10_2() {
        let cases: [(&[(&str, &str)], bool); 7] = [
            (&[ORIGIN], true),
            (&[ORIGIN, SAME], true),
            (&[], false),
            (&[CSRF, SAME], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "http://localhost:4001.evil.example")], false),
            (&[ORIGIN, ("sec-fetch-site", "cross-site")], false),
        ];
        for (headers, expected) in cases {
            assert_eq!(checked(&Method::GET, headers, Proof::Origin), expected, "{headers:?}");
        }
    }

    #[test]
    fn the_words_say_what_to_change() {
        let name = HeaderName::from_static("x-csrf");
        let told = |headers| {
            let found = check(&Method::GET, &map(headers), OURS, (&name, Proof::Header));
            found.expect_err("refused").to_string()
        };
        assert!(told(&[SAME]).contains("'x-csrf: 1' is missing"));
        assert!(told(&[CSRF, ("origin", "http://127.0.0.1:4001")]).contains("lives at"));
    }
}

//! Where in the API a request goes: below the base, whatever its path says.

use http::Uri;
use url::Url;

/// Longer addresses are refused, in bytes.
const ADDRESS_AT_MOST: usize = 8 * 1024;
/// Percent-encoding within percent-encoding is undone this often, and then refused.
const LAYERS_AT_MOST: usize = 4;

/// Why a path is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PathProblem {
    #[error("the address has more than {ADDRESS_AT_MOST} bytes")]
    TooLong,
    #[error("the path has a segment '.' or '..', plain or encoded: it could leave the API's base")]
    Climbs,
    #[error("the path has an encoded '/' or '\\': servers do not agree on what that means")]
    EncodedSlash,
    #[error("the path has a '\\' or a control character, plain or encoded")]
    Unreadable,
}

/// A path in two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'p> {
    /// Where the proxy is mounted.
    pub(super) mount: &'p str,
    /// The rest.
    pub(super) below: &'p str,
}

/// `original` is the path as the browser sent it, `inner` what the router left of it.
pub(super) fn place<'p>(original: &'p str, inner: &str) -> Place<'p> {
    // A router makes '/' of nothing.
    let mount = original.strip_suffix(inner).unwrap_or(original);
    Place { mount, below: &original[mount.len()..] }
}

/// The address of the API for a path below the mount, and its query.
pub(super) fn target(base: &Url, below: &str, query: Option<&str>) -> Result<Url, PathProblem> {
    if below.len() + query.map_or(0, str::len) > ADDRESS_AT_MOST {
        return Err(PathProblem::TooLong);
    }
    stays(below)?;
    let mut url = base.clone();
    let start = base.path().trim_end_matches('/');
    url.set_path(&format!("{start}{below}"));
    url.set_query(query);
    // The rules above leave nothing for this to find, and it is what they are for.
    if is_below(base, &url) { Ok(url) } else { Err(PathProblem::Climbs) }
}

/// Whether an address is at the base or below it.
pub(super) fn is_below(base: &Url, url: &Url) -> bool {
    let start = base.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(start);
    url.origin() == base.origin() && rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
}

/// Whether a path says the same place to everybody who may read it: to a server that decodes it
/// once, twice or not at all, and to one that drops what follows a ';' in a segment.
fn stays(path: &str) -> Result<(), PathProblem> {
    let mut read = path.as_bytes().to_vec();
    for layer in 0.. {
        if read.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control()) {
            let slash = layer > 0 && read.contains(&b'\\');
            return Err(if slash { PathProblem::EncodedSlash } else { PathProblem::Unreadable });
        }
        let mut segments = read.split(|byte| *byte == b'/');
        let dots = |segment: &[u8]| {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            name == b"." || name == b".."
        };
        if segments.any(dots) {
            return Err(PathProblem::Climbs);
        }
        let decoded = decode(&read);
        if decoded == read {
            return Ok(());
        }
        let segments = |bytes: &[u8]| bytes.split(|byte| *byte == b'/').count();
        if layer == LAYERS_AT_MOST || segments(&decoded) > segments(&read) {
            return Err(PathProblem::EncodedSlash);
        }
        read = decoded;
    }
    Ok(())
}

/// Undoes one layer of percent-encoding (RFC 3986 section 2.1).
fn decode(text: &[u8]) -> Vec<u8> {
    let hex =
        |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], hex(text.get(at + 1)), hex(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// What the browser is told of an address that the API names in an answer: the same thing below the
/// mount; nothing where it is not below the base, or not to be read for certain.
pub(super) fn location(base: &Url, mount: &str, asked: &Url, named: &str) -> Option<String> {
    let url = asked.join(named).ok()?;
    if !is_below(base, &url) || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let below = &url.path()[base.path().trim_end_matches('/').len()..];
    stays(below).ok()?;
    let mut told = format!("{mount}{below}");
    if let Some(query) = url.query() {
        told = format!("{told}?{query}");
    }
    if let Some(fragment) = url.fragment() {
        told = format!("{told}#{fragment}");
    }
    // Two slashes at the beginning name another origin.
    let ours = told.starts_with('/') && !told.starts_with("//") && told.parse::<Uri>().is_ok();
    ours.then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://photos.example/v1").expect("a URL")
    }

    #[test]
    fn a_path_goes_below_the_base_as_it_is() {
        let cases = [
            ("", None, "https://photos.example/v1"),
            ("/", None, "https://photos.example/v1/"),
            ("/photos", None, "https://photos.example/v1/photos"),
            ("/photos/7", Some("a=b&c=%2F.."), "https://photos.example/v1/photos/7?a=b&c=%2F.."),
            ("/a%20b/c%C3%A9", None, "https://photos.example/v1/a%20b/c%C3%A9"),
            ("/100%25", None, "https://photos.example/v1/100%25"),
            ("/...", None, "https://photos.example/v1/..."),
            ("/a..b/.hidden", None, "https://photos.example/v1/a..b/.hidden"),
            ("//evil.example/x", None, "https://photos.example/v1//evil.example/x"),
            ("/@evil.example", None, "https://photos.example/v1/@evil.example"),
            ("/a:80", Some(""), "https://photos.example/v1/a:80?"),
            ("/photos;v=1", None, "https://photos.example/v1/photos;v=1"),
        ];
        for (below, query, expected) in cases {
            let url = target(&base(), below, query).expect("passed on");
            assert_eq!(url.as_str(), expected);
        }
        let root = Url::parse("https://photos.example/").expect("a URL");
        assert_eq!(target(&root, "/a", None).expect("good").as_str(), "https://photos.example/a");
    }

    #[test]
    fn nothing_leaves_the_base_plain_encoded_or_encoded_twice() {
        use PathProblem::{Climbs, EncodedSlash, TooLong, Unreadable};
        let long = format!("/{}", "a".repeat(ADDRESS_AT_MOST));
        let cases = [
            ("/..", Climbs),
            ("/../admin", Climbs),
            ("/a/../../admin", Climbs),
            ("/./a", Climbs),
            ("/%2e%2e/admin", Climbs),
            ("/.%2E/admin", Climbs),
            ("/%252e%252e/admin", Climbs),
            ("/%25252e./admin", Climbs),
            ("/..;/admin", Climbs),
            ("/..%3b/admin", Climbs),
            ("/..%2fadmin", EncodedSlash),
            ("/..%252fadmin", EncodedSlash),
            ("/a%2Fb", EncodedSlash),
            ("/a%5cb", EncodedSlash),
            ("/a%255Cb", EncodedSlash),
            ("/a\\b", Unreadable),
            ("/a%00", Unreadable),
            ("/a%0d%0aHost:x", Unreadable),
            ("/a%2509", Unreadable),
            ("/%2525252525252e", EncodedSlash),
            (&long, TooLong),
        ];
        for (below, problem) in cases {
            assert_eq!(target(&base(), below, None), Err(problem), "{below}");
        }
    }

    /// Every path of five pieces, for a server that decodes and normalises what it gets.
    #[test]
    fn no_path_of_the_suspicious_pieces_leaves_the_base() {
        let pieces = [".", "%2e", "%252E", "/", "%2f", "%252f", "\\", "%5c", ";", "a", "%"];
        let mut passed = 0;
        for number in 0..pieces.len().pow(5) {
            let piece = |at: u32| pieces[number / pieces.len().pow(at) % pieces.len()];
            let path: String = std::iter::once("/").chain((0..5).map(piece)).collect();
            let Ok(url) = target(&base(), &path, None) else { continue };
            passed += 1;
            let mut read = url.path().as_bytes().to_vec();
            for _ in 0..3 {
                let text = String::from_utf8_lossy(&read).into_owned();
                let read_by = base().join(&text.replace('\\', "/")).expect("a URL");
                let again = Url::parse(&format!("https://photos.example{text}")).expect("a URL");
                assert!(is_below(&base(), &again), "{path}");
                assert!(is_below(&base(), &read_by), "{path}");
                read = decode(&read);
            }
        }
        assert!(passed > 1000, "{passed}");
    }

    #[test]
    fn a_mount_is_what_the_router_took_away() {
        let cases = [
            ("/api/photos", "/photos", "/api", "/photos"),
            ("/api/", "/", "/api", "/"),
            ("/api", "/", "/api", ""),
            ("/photos", "/photos", "", "/photos"),
            ("/a/b/c", "/c", "/a/b", "/c"),
        ];
        for (original, inner, mount, below) in cases {
            assert_eq!(place(original, inner), Place { mount, below }, "{original}");
        }
    }

    #[test]
    fn an_address_that_the_api_names_is_told_below_the_mount_or_not_at_all() {
        let asked = Url::parse("https://photos.example/v1/albums/3").expect("a URL");
        let cases = [
            ("/v1/photos/7", Some("/api/photos/7")),
            ("https://photos.example/v1/photos/7?a=b#c", Some("/api/photos/7?a=b#c")),
            ("4", Some("/api/albums/4")),
            ("?page=2", Some("/api/albums/3?page=2")),
            ("//photos.example/v1/x", Some("/api/x")),
            ("/v1", Some("/api")),
            ("/v2/photos", None),
            ("/v10", None),
            ("../../admin", None),
            ("/v1/%2e%2e/admin", None),
            ("/v1/a%2fb", None),
            ("//evil.example/v1/x", None),
            ("https://evil.example/v1/x", None),
            ("http://photos.example/v1/x", None),
            ("https://a@photos.example/v1/x", None),
            ("https://photos.example:444/v1/x", None),
            ("javascript:alert(1)", None),
            ("/\\evil.example", None),
        ];
        for (named, expected) in cases {
            let told = location(&base(), "/api", &asked, named);
            assert_eq!(told.as_deref(), expected, "{named}");
        }
        let root = Url::parse("https://photos.example/").expect("a URL");
        let told = |named| location(&root, "", &root, named);
        assert_eq!(told("/.//evil.example"), None, "no other origin by two slashes");
        assert_eq!(told("https://photos.example//evil.example"), None);
        assert_eq!(told("/x").as_deref(), Some("/x"));
    }
}

//! Which headers go through, each way. A header that is not named here does not reach the API:
//! many APIs believe what a gateway in front of them says in one (`X-Forwarded-User`,
//! `Client-Cert`, …), and this one stands behind that gateway.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a browser may say to an API: about what it wants, what it has and what it sends.
const TO_THE_API: [&str; 28] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "baggage",
    "cache-control",
    "content-digest",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "pragma",
    "prefer",
    "priority",
    "range",
    "repr-digest",
    "traceparent",
    "tracestate",
    "user-agent",
    "want-content-digest",
];

/// What never goes to an API, even where the app names it ([`super::Proxy::request_header`]): what
/// belongs to one connection, what is the app's own, and what is said by us.
const NEVER_TO_THE_API: [&str; 16] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "dpop",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What of an API's answer does not go to the browser.
const NOT_TO_THE_BROWSER: [&str; 33] = [
    // Of one connection (RFC 9110 section 7.6.1).
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Between the app and the API: challenges, and the nonces of proofs.
    "authentication-info",
    "dpop-nonce",
    "www-authenticate",
    // The whole origin's, which is the app's and not the API's.
    "accept-ch",
    "alt-svc",
    "alt-used",
    "clear-site-data",
    "critical-ch",
    "expect-ct",
    "nel",
    "no-vary-search",
    "origin-agent-cluster",
    "public-key-pins",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "supports-loading-mode",
    // Redirects in another guise, and a browser that is led to other scripts.
    "content-location",
    "location",
    "refresh",
    "sourcemap",
];

/// The headers of a WebSocket's handshake that both ends speak of (RFC 6455 section 4).
const OF_A_WEBSOCKET: [&str; 4] = [
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// The headers of a request as the API gets them. `more` is what the app lets through beside, and
/// `socket` says whether it is the handshake of a WebSocket.
pub(super) fn to_the_api(headers: &HeaderMap, more: &[HeaderName], socket: bool) -> HeaderMap {
    let goes = |name: &HeaderName| {
        TO_THE_API.contains(&name.as_str())
            || (more.contains(name) && !never_to_the_api(name.as_str()))
    };
    let mut passed = without_nominated(headers, goes);
    if socket {
        let named = |name| headers.get_all(name).iter().map(move |value| (name, value));
        for (name, value) in OF_A_WEBSOCKET.into_iter().flat_map(named) {
            passed.append(HeaderName::from_static(name), value.clone());
        }
        becomes_a_websocket(&mut passed);
    }
    passed
}

/// Says anew what was said of this one connection.
pub(super) fn becomes_a_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

fn never_to_the_api(name: &str) -> bool {
    NEVER_TO_THE_API.contains(&name) || name.starts_with("sec-")
}

/// The headers of an answer as the browser gets them, its `Location` aside.
pub(super) fn to_the_browser(headers: &HeaderMap) -> HeaderMap {
    let goes = |name: &HeaderName| {
        let name = name.as_str();
        !NOT_TO_THE_BROWSER.contains(&name) && !name.starts_with("access-control-")
    };
    let mut passed = without_nominated(headers, goes);
    let kept: Vec<_> = passed.get_all(header::CACHE_CONTROL).iter().cloned().collect();
    passed.insert(header::CACHE_CONTROL, for_one_user(&kept));
    // Who signs out and in again as somebody else has another cookie.
    passed.append(header::VARY, HeaderValue::from_static("Cookie"));
    passed.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let own = HeaderValue::from_static("same-origin");
    passed.insert(HeaderName::from_static("cross-origin-resource-policy"), own);
    passed
}

/// No cache between the API and the app's server was to keep the answer to a request with
/// `Authorization` unless the API said so (RFC 9111 section 3.5). One between the app and the
/// browser sees no `Authorization`, and is told.
fn for_one_user(said: &[HeaderValue]) -> HeaderValue {
    let text = said.iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
    let directives = || text.split(',').map(|it| it.trim().to_ascii_lowercase());
    let says = |names: &[&str]| {
        directives().any(|it| names.contains(&it.split('=').next().unwrap_or_default().trim()))
    };
    let no_store = HeaderValue::from_static("no-store");
    if text.is_empty() {
        no_store
    } else if says(&["no-store", "private", "public", "s-maxage", "must-revalidate"]) {
        HeaderValue::from_str(&text).unwrap_or(no_store)
    } else {
        HeaderValue::from_str(&format!("{text}, private")).unwrap_or(no_store)
    }
}

/// Those that go, less what `Connection` says is for one connection alone (RFC 9110 section 7.6.1).
fn without_nominated(headers: &HeaderMap, goes: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let nominated: Vec<_> = options(headers, header::CONNECTION).collect();
    let passed = headers.iter().filter(|(name, _)| {
        goes(name) && !nominated.iter().any(|it| it.eq_ignore_ascii_case(name.as_str()))
    });
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The members of a header that is a list, such as `Connection`.
pub(super) fn options(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// How large they are, in bytes, as HTTP/1.1 writes them.
pub(super) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"))
        };
        pairs.iter().map(pair).collect()
    }

    /// Everything a browser, a proxy in front of the app or an attacker may send.
    #[test]
    fn each_request_header_has_its_rule() {
        let more = ["x-api-version", "cookie", "x-forwarded-for", "sec-fetch-site", "host"]
            .map(HeaderName::from_static);
        let cases = [
            ("accept", true),
            ("content-type", true),
            ("if-none-match", true),
            ("last-event-id", true),
            ("range", true),
            ("traceparent", true),
            ("user-agent", true),
            // Named by the app …
            ("x-api-version", true),
            ("x-forwarded-for", true),
            // … or not.
            ("x-other", false),
            ("x-csrf", false),
            ("forwarded", false),
            ("x-forwarded-host", false),
            ("x-forwarded-user", false),
            ("x-real-ip", false),
            ("via", false),
            ("client-cert", false),
            ("x-http-method-override", false),
            ("referer", false),
            // Never, though the app names them.
            ("cookie", false),
            ("host", false),
            ("sec-fetch-site", false),
            ("authorization", false),
            ("dpop", false),
            ("origin", false),
            ("content-length", false),
            // RFC 9110 section 7.6.1.
            ("connection", false),
            ("keep-alive", false),
            ("proxy-connection", false),
            ("te", false),
            ("transfer-encoding", false),
            ("upgrade", false),
            ("proxy-authorization", false),
            ("trailer", false),
            ("expect", false),
        ];
        for (name, expected) in cases {
            let passed = to_the_api(&map(&[(name, "x")]), &more, false);
            assert_eq!(passed.contains_key(name), expected, "{name}");
        }
    }

    #[test]
    fn each_response_header_has_its_rule() {
        let cases = [
            ("content-type", true),
            ("content-length", true),
            ("content-encoding", true),
            ("etag", true),
            ("retry-after", true),
            ("link", true),
            ("x-total-count", true),
            ("ratelimit-remaining", true),
            ("content-security-policy", true),
            ("set-cookie", false),
            ("clear-site-data", false),
            ("strict-transport-security", false),
            ("alt-svc", false),
            ("service-worker-allowed", false),
            ("access-control-allow-origin", false),
            ("access-control-allow-credentials", false),
            ("www-authenticate", false),
            ("dpop-nonce", false),
            ("proxy-authenticate", false),
            ("location", false),
            ("content-location", false),
            ("refresh", false),
            ("connection", false),
            ("keep-alive", false),
            ("transfer-encoding", false),
            ("upgrade", false),
            ("trailer", false),
        ];
        for (name, expected) in cases {
            let passed = to_the_browser(&map(&[(name, "x")]));
            assert_eq!(passed.contains_key(name), expected, "{name}");
        }
    }

    #[test]
    fn what_connection_names_goes_no_further_rfc_9110_7_6_1() {
        let headers = map(&[
            ("connection", "close, Accept"),
            ("connection", "range"),
            ("accept", "x"),
            ("range", "x"),
            ("content-type", "x"),
        ]);
        let names = |map: HeaderMap| {
            map.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(to_the_api(&headers, &[], false)), "content-type");
        let answer = to_the_browser(&headers);
        assert!(!answer.contains_key("accept") && answer.contains_key("content-type"));
    }

    #[test]
    fn a_websockets_handshake_is_said_anew_rfc_6455_4() {
        let headers = map(&[
            ("connection", "keep-alive, Upgrade, sec-websocket-key"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "a, b"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-other", "x"),
            ("origin", "https://app.example"),
            ("cookie", "app=x"),
        ]);
        let passed = to_the_api(&headers, &[], true);
        assert_eq!(passed["connection"], "Upgrade");
        assert_eq!(passed["upgrade"], "websocket");
        for name in OF_A_WEBSOCKET {
            assert_eq!(passed.get(name), headers.get(name), "{name}");
        }
        assert_eq!(passed.len(), 6);
    }

    #[test]
    fn an_answer_for_one_user_is_kept_for_one_user_rfc_9111_3_5() {
        let cases: [(&[&str], &str); 8] = [
            (&[], "no-store"),
            (&["max-age=60"], "max-age=60, private"),
            (&["no-cache"], "no-cache, private"),
            (&["max-age=60, Private"], "max-age=60, Private"),
            (&["no-store"], "no-store"),
            (&["public, max-age=60"], "public, max-age=60"),
            (&["max-age=60", "s-maxage=9"], "max-age=60, s-maxage=9"),
            (&["x-public=1"], "x-public=1, private"),
        ];
        for (said, expected) in cases {
            let pairs: Vec<_> = said.iter().map(|it| ("cache-control", *it)).collect();
            let passed = to_the_browser(&map(&pairs));
            assert_eq!(passed["cache-control"], expected, "{said:?}");
            assert_eq!(passed.get_all("cache-control").iter().count(), 1);
            assert_eq!(passed["vary"], "Cookie");
        }
    }

    #[test]
    fn the_lists_are_in_order_and_do_not_contradict_each_other() {
        assert!(TO_THE_API.is_sorted() && NEVER_TO_THE_API.is_sorted());
        assert!(!TO_THE_API.iter().any(|name| never_to_the_api(name)));
        assert_eq!(size(&map(&[("a", "bc"), ("d", "")])), 12);
    }
}

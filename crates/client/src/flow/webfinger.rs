use keystile_protocol::Issuer;
use keystile_protocol::params::with_query;
use serde::Deserialize;
use url::Url;

/// What an issuer is to a user (OpenID Connect Discovery 1.0 section 2.1).
const RELATION: &str = "http://openid.net/specs/connect/1.0/issuer";

/// Whom to ask about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebFingerQuery {
    /// The user, as a URI.
    pub resource: String,
    /// Where to ask.
    pub url: String,
}

/// Why a user's issuer is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebFingerError {
    /// Neither an address such as ann@example.org nor a URL.
    #[error("it is neither an address, such as ann@example.org, nor an https URL")]
    Identifier,
    /// The user's host does not answer, or knows nobody of that name.
    #[error("the host of the identifier says nothing: {0}")]
    Unavailable(String),
    /// Not the JSON of RFC 7033 section 4.4.
    #[error("the answer is malformed")]
    Malformed,
    /// The host names no issuer, or one that is none.
    #[error("the host of the identifier names no issuer")]
    NoIssuer,
}

/// From what a user types to the question (OpenID Connect Discovery 1.0 sections 2.1 and 2.1.2).
pub fn webfinger_query(identifier: &str) -> Result<WebFingerQuery, WebFingerError> {
    let typed = identifier.trim();
    // XRIs are not supported.
    if typed.is_empty() || typed.starts_with(['=', '@', '!']) || typed.chars().any(char::is_control)
    {
        return Err(WebFingerError::Identifier);
    }
    let (resource, authority) = match (typed.strip_prefix("acct:"), typed.split_once("://")) {
        (Some(account), _) => (typed.to_owned(), host_of(account)?),
        (None, Some(("https", _))) => of_url(typed)?,
        (None, Some(_)) => return Err(WebFingerError::Identifier),
        // "the acct scheme is assumed" where there are a user and a host, and nothing else.
        (None, None) if typed.contains('@') && !typed.contains([':', '/', '?', '#']) => {
            (format!("acct:{typed}"), host_of(typed)?)
        }
        (None, None) => of_url(&format!("https://{typed}"))?,
    };
    let endpoint = format!("https://{authority}/.well-known/webfinger");
    // Nothing but a host and a port may have come from the account.
    let plain = Url::parse(&endpoint).is_ok_and(|url| {
        url.path() == "/.well-known/webfinger" && url.username().is_empty() && url.query().is_none()
    });
    if !plain {
        return Err(WebFingerError::Identifier);
    }
    let url = with_query(&endpoint, &[("resource", &resource), ("rel", RELATION)]);
    Ok(WebFingerQuery { resource, url })
}

/// The host of `user@host`.
fn host_of(account: &str) -> Result<String, WebFingerError> {
    match account.rsplit_once('@') {
        Some((user, host)) if !user.is_empty() && !host.is_empty() => Ok(host.to_owned()),
        _ => Err(WebFingerError::Identifier),
    }
}

/// A URL without its fragment, and its host and port.
fn of_url(text: &str) -> Result<(String, String), WebFingerError> {
    let mut url = Url::parse(text).map_err(|_| WebFingerError::Identifier)?;
    url.set_fragment(None);
    let host = url.host_str().ok_or(WebFingerError::Identifier)?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let authority = format!("{host}{port}");
    // A path that was typed is not changed, and one that was not is "/".
    Ok((url.to_string(), authority))
}

/// Reads the answer: the issuer that the user has there (section 2.2).
pub fn read_webfinger(body: &[u8]) -> Result<Issuer, WebFingerError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        links: Vec<Link>,
    }
    #[derive(Deserialize)]
    struct Link {
        rel: String,
        #[serde(default)]
        href: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| WebFingerError::Malformed)?;
    let mut issuers = answer.links.into_iter().filter(|link| link.rel == RELATION);
    let href = issuers.next().and_then(|link| link.href).ok_or(WebFingerError::NoIssuer)?;
    // A stranger's answer leads nobody to this machine.
    let issuer = Issuer::try_from(href.as_str()).ok().filter(|issuer| !issuer.is_development());
    issuer.ok_or(WebFingerError::NoIssuer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_user_types_becomes_a_question_openid_discovery_2_1() {
        for (typed, resource, host) in [
            ("joe@example.com", "acct:joe@example.com", "example.com"),
            (" joe@example.com ", "acct:joe@example.com", "example.com"),
            ("acct:joe@example.com:8080", "acct:joe@example.com:8080", "example.com:8080"),
            ("acct:a@b@example.com", "acct:a@b@example.com", "example.com"),
            ("https://example.com/joe#x", "https://example.com/joe", "example.com"),
            ("example.com", "https://example.com/", "example.com"),
            ("example.com:8080/joe", "https://example.com:8080/joe", "example.com:8080"),
            ("joe@example.com:8080", "https://joe@example.com:8080/", "example.com:8080"),
        ] {
            let query = webfinger_query(typed).expect(typed);
            assert_eq!(query.resource, resource, "{typed}");
            let start = format!("https://{host}/.well-known/webfinger?resource=");
            assert!(query.url.starts_with(&start), "{typed}: {}", query.url);
            let url = Url::parse(&query.url).expect("a URL");
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            let relation = "http://openid.net/specs/connect/1.0/issuer";
            let expected = [("resource", resource), ("rel", relation)];
            assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        for typed in [
            "",
            "=joe",
            "@example",
            "!joe",
            "acct:joe",
            "acct:@example.com",
            "acct:joe@",
            "acct:joe@example.com/path",
            "acct:joe@example.com?x=y",
            "acct:joe@example.com#x",
            "http://example.com/joe",
            "ftp://example.com",
            "https://",
            "joe@exa\nmple.com",
        ] {
            assert_eq!(webfinger_query(typed), Err(WebFingerError::Identifier), "{typed}");
        }
    }

    #[test]
    fn an_answer_names_an_issuer_openid_discovery_2_2() {
        use WebFingerError as E;
        let read = |href: serde_json::Value| {
            let link = json!({"rel": RELATION, "href": href});
            let other = json!({"rel": "http://webfinger.net/rel/avatar", "href": "https://a/b"});
            read_webfinger(
                json!({"subject": "acct:x", "links": [other, link]}).to_string().as_bytes(),
            )
        };
        let issuer = Issuer::try_from("https://login.example/x/").expect("an issuer");
        assert_eq!(read(json!("https://login.example/x/")), Ok(issuer));
        for bad in ["http://login.example", "http://localhost:4000", "https://a.example/?x", ""] {
            assert_eq!(read(json!(bad)), Err(E::NoIssuer), "{bad}");
        }
        assert_eq!(read(json!(null)), Err(E::NoIssuer));
        assert_eq!(read_webfinger(b"{}"), Err(E::NoIssuer));
        assert_eq!(read_webfinger(b"<html>"), Err(E::Malformed));
        assert_eq!(read_webfinger(br#"{"links":[{"href":1}]}"#), Err(E::Malformed));
    }
}

//! Request objects by reference (RFC 9101 section 5.2, OpenID Connect Core 1.0 section 6.2): only
//! from addresses that the client registered, so that nobody has us call another.

use std::time::Duration;

use keystile_protocol::encoding::{from_base64url, sha256};
use keystile_protocol::{ErrorCode, Params, ProtocolError};

use crate::ports::{DocumentError, Fetched, Fetching, Keeping};
use crate::records::Client;
use crate::rules::registration::{ClientMetadata, MetadataError, called_uri, wrong};
use crate::rules::request_object;

/// "The entire Request URI SHOULD NOT exceed 512 ASCII characters" (OpenID Connect Core 1.0
/// section 6.2), and here it does not.
const URI_AT_MOST: usize = 512;
/// A client with more addresses than this is refused.
const URIS_AT_MOST: usize = 20;
/// How request objects are kept: only as their headers say, since an app may write a new one for
/// each request.
pub const KEEPING: Keeping = Keeping {
    member: "request_uris",
    kind: Fetching::RequestObject,
    least: Duration::ZERO,
    greatest: Duration::from_secs(3600),
    stale: Duration::ZERO,
    again_after: Duration::from_secs(1),
    check: |fetched| object(fetched).map(drop),
};

/// Where a request's object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The address, without a fragment.
    pub url: String,
    /// SHA-256 of what is there, where the fragment says it.
    digest: Option<[u8; 32]>,
}

impl Reference {
    /// Whether a kept document can be what the request refers to: "the fragment value" may be "the
    /// base64url-encoded SHA-256 hash" of the contents, and another one says that what was kept "is no
    /// longer valid" (OpenID Connect Core 1.0 section 6.2). Some clients have any random text there:
    /// what is fetched anew is believed for its signature.
    pub fn fits(&self, fetched: &Fetched) -> bool {
        self.digest.is_none_or(|digest| sha256(&fetched.body) == digest)
    }
}

/// `request_uris` (OpenID Connect Dynamic Client Registration 1.0 section 2).
pub(super) fn register(
    metadata: &ClientMetadata,
    development: bool,
) -> Result<Vec<String>, MetadataError> {
    let uris = &metadata.request_uris;
    if uris.len() > URIS_AT_MOST {
        return wrong("request_uris", format!("more than {URIS_AT_MOST}"));
    }
    for uri in uris {
        if uri.len() > URI_AT_MOST {
            return wrong("request_uris", format!("one has more than {URI_AT_MOST} characters"));
        }
        called_uri("request_uris", without_fragment(uri), development)?;
    }
    Ok(uris.clone())
}

/// The object that a request refers to, if its client may refer to it. What the fragments say of
/// the contents does not matter for that: they "could ever change".
pub fn reference(params: &Params, client: &Client) -> Result<Reference, ProtocolError> {
    let uri = params
        .required("request_uri")
        .map_err(|problem| ProtocolError::new(ErrorCode::InvalidRequest, problem.to_string()))?;
    let url = without_fragment(uri);
    if !client.request_uris.iter().any(|registered| without_fragment(registered) == url) {
        return refuse(
            "the request_uri is not one of the client's registered request_uris; they are \
             compared as strings, without fragment (OpenID Connect Core 1.0 section 6.2)",
        );
    }
    let fragment = uri.strip_prefix(url).and_then(|rest| rest.strip_prefix('#'));
    let digest = fragment.and_then(from_base64url).and_then(|bytes| bytes.try_into().ok());
    Ok(Reference { url: url.to_owned(), digest })
}

/// The request object in a document: as far as can be seen before its signature is verified.
pub fn object(fetched: &Fetched) -> Result<&str, String> {
    let text = std::str::from_utf8(&fetched.body).unwrap_or_default().trim();
    let is_jwt = text.contains('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_jwt {
        return Err("there is no JWT there (RFC 9101 section 5.2.3)".to_owned());
    }
    if text.len() > request_object::AT_MOST {
        return Err(format!("it has more than {} bytes", request_object::AT_MOST));
    }
    Ok(text)
}

/// There is no object.
pub fn not_to_be_had(error: &DocumentError) -> ProtocolError {
    let code = match error {
        DocumentError::Busy => ErrorCode::TemporarilyUnavailable,
        _ => ErrorCode::InvalidRequestUri,
    };
    let words = format!("the request object cannot be had from the request_uri: {}", error.told());
    ProtocolError::new(code, words)
}

fn refuse<T>(words: &str) -> Result<T, ProtocolError> {
    Err(ProtocolError::new(ErrorCode::InvalidRequestUri, words))
}

fn without_fragment(uri: &str) -> &str {
    uri.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use keystile_protocol::encoding::base64url;

    use super::*;
    use crate::fixtures;
    use crate::rules::registration::register as register_client;

    fn fetched(body: &str) -> Fetched {
        let body = body.as_bytes().to_vec();
        Fetched { status: 200, content_type: None, body, fresh_for: Duration::ZERO }
    }

    fn refer(uri: &str, client: &Client) -> Result<Reference, ErrorCode> {
        let params: Params = [("request_uri", uri)].into_iter().collect();
        reference(&params, client).map_err(|error| error.error)
    }

    fn client(uris: &[&str]) -> Client {
        let request_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        Client { request_uris, ..fixtures::client() }
    }

    #[test]
    fn only_registered_addresses_are_called_oidc_core_6_2() {
        let app = client(&["https://app.example/r.jwt", "https://app.example/s?a=b#old"]);
        for good in [
            "https://app.example/r.jwt",
            "https://app.example/r.jwt#new",
            "https://app.example/s?a=b",
            "https://app.example/s?a=b#new",
        ] {
            let url = good.split('#').next().expect("it");
            assert_eq!(refer(good, &app).expect(good).url, url);
        }
        for bad in [
            "https://app.example/other",
            "https://app.example/r.jwt/",
            "https://app.example/r.jwt?a=b",
            "https://app.example:443/r.jwt",
            "https://APP.example/r.jwt",
            "https://app.example/%72.jwt",
            "https://app.example@evil.example/r.jwt",
            "http://app.example/r.jwt",
            "https://app.example/s",
            "#https://app.example/r.jwt",
            "urn:ietf:params:oauth:request_uri:abc",
        ] {
            assert_eq!(refer(bad, &app), Err(ErrorCode::InvalidRequestUri), "{bad}");
        }
        let registered = "https://app.example/r.jwt";
        assert_eq!(refer(registered, &client(&[])), Err(ErrorCode::InvalidRequestUri));
        let twice = format!("request_uri={registered}&request_uri={registered}");
        let twice = Params::parse(twice.as_bytes()).expect("few");
        let error = reference(&twice, &app).expect_err("twice").error;
        assert_eq!(error, ErrorCode::InvalidRequest);
    }

    #[test]
    fn a_fragment_that_is_a_hash_is_the_contents_oidc_core_6_2() {
        let app = client(&["https://app.example/r.jwt"]);
        let hash = base64url(sha256("a.b.c"));
        let at = |fragment: &str| {
            refer(&format!("https://app.example/r.jwt{fragment}"), &app).expect("registered")
        };
        let exact = at(&format!("#{hash}"));
        assert!(exact.fits(&fetched("a.b.c")));
        assert!(!exact.fits(&fetched("a.b.d")) && !exact.fits(&fetched("a.b.c\n")));
        for no_hash in ["", "#", "#v2", &format!("#{}", &hash[1..]), &format!("#{hash}=")] {
            assert!(at(no_hash).fits(&fetched("a.b.d")), "{no_hash}");
        }
    }

    #[test]
    fn a_document_is_a_jwt_or_nothing_rfc_9101_5_2_3() {
        assert_eq!(object(&fetched(" eyJ.b-_.c\r\n")), Ok("eyJ.b-_.c"));
        for bad in ["", "jwt", "<html>a.b.c</html>", "a.b.c d.e.f", "{\"a\":\"b.c\"}", "\u{e9}.a"] {
            assert!(object(&fetched(bad)).is_err(), "{bad}");
        }
        assert!(object(&fetched(&"a.".repeat(request_object::AT_MOST))).is_err());
    }

    #[test]
    fn addresses_are_https_few_and_short_oidc_registration_2() {
        let member = |uris: Vec<String>, development| {
            let metadata = ClientMetadata {
                client_id: "app".into(),
                client_secret: Some(fixtures::SECRET.into()),
                redirect_uris: vec!["https://app.example/cb".into()],
                request_uris: uris,
                ..ClientMetadata::default()
            };
            register_client(&metadata, development).map_or_else(|error| error.member, |_| "good")
        };
        let one = |uri: &str| member(vec![uri.to_owned()], false);
        assert_eq!(one("https://app.example/r.jwt#hash"), "good");
        assert_eq!(member(vec!["http://localhost:4001/r".into()], true), "good");
        for bad in [
            "http://localhost:4001/r",
            "http://app.example/r",
            "file:///etc/passwd",
            "https://user:password@app.example/r",
            "urn:ietf:params:oauth:request_uri:abc",
            "#fragment",
            "",
        ] {
            assert_eq!(one(bad), "request_uris", "{bad}");
        }
        assert_eq!(one(&format!("https://app.example/{}", "r".repeat(500))), "request_uris");
        let many = vec!["https://app.example/r".to_owned(); URIS_AT_MOST + 1];
        assert_eq!(member(many, false), "request_uris");
    }
}

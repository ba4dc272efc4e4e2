use keystile_protocol::redirect_uri::is_loopback;
use serde::{Deserialize, Serialize};
use url::Url;

use super::challenges;

/// What comes between origin and path (RFC 9728 section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What a protected resource says of itself (RFC 9728 section 2), as far as a client needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceMetadata {
    /// Its identifier: the `resource` of requests for tokens (RFC 8707).
    pub resource: String,
    /// Who issues tokens for it.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// What may be asked for.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// How a token may be sent.
    #[serde(default)]
    pub bearer_methods_supported: Vec<String>,
    /// Whether its tokens have to be bound to a key (RFC 9449).
    #[serde(default)]
    pub dpop_bound_access_tokens_required: bool,
    /// Its name for people.
    #[serde(default)]
    pub resource_name: Option<String>,
}

/// Why metadata of a resource are not to be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceMetadataError {
    /// An address that is neither https nor, for a resource on this machine, on this machine.
    #[error("{0} is not https")]
    NotSafe(String),
    /// The resource could not be asked, or has no metadata.
    #[error("the resource says nothing of itself: {0}")]
    Unavailable(String),
    /// Not the JSON of section 2.
    #[error("the resource's metadata are malformed")]
    Malformed,
    /// Section 3.3: "the resource value MUST be identical".
    #[error("the metadata are of the resource '{named}', asked was '{asked}': they must be equal")]
    AnotherResource {
        /// Whose metadata they are.
        named: String,
        /// Whose were wanted.
        asked: String,
    },
    /// It names nobody who issues tokens for it.
    #[error("the resource names no authorization server")]
    NoServer,
}

/// Where the metadata of a resource are by its own address (section 3.1).
pub fn well_known_url(resource: &str) -> Option<String> {
    let url = Url::parse(resource).ok().filter(|url| url.fragment().is_none())?;
    let path = if url.path() == "/" { "" } else { url.path() };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{}{WELL_KNOWN}{path}{query}", url.origin().ascii_serialization()))
}

/// Where a 401 says that they are (section 5.1).
pub fn metadata_url<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let all: Vec<_> = headers.into_iter().flat_map(challenges).collect();
    all.iter().find_map(|challenge| challenge.parameter("resource_metadata")).map(str::to_owned)
}

/// Whether an address may be asked on behalf of that resource: nobody on the way changes what it
/// says, and a resource elsewhere leads nobody to this machine.
pub(crate) fn is_safe(url: &str, resource: &str) -> bool {
    let local = |url: &Url| url.scheme() == "http" && is_loopback(url);
    let resource_is_local = Url::parse(resource).is_ok_and(|url| local(&url));
    Url::parse(url).is_ok_and(|url| {
        let plain = url.username().is_empty() && url.password().is_none();
        plain && (url.scheme() == "https" || resource_is_local && local(&url))
    })
}

/// Believes metadata of a resource, or says why not (section 3.3).
pub fn read_resource_metadata(
    body: &[u8],
    resource: &str,
) -> Result<ResourceMetadata, ResourceMetadataError> {
    use ResourceMetadataError as E;
    let metadata: ResourceMetadata = serde_json::from_slice(body).map_err(|_| E::Malformed)?;
    if metadata.resource != resource {
        let (named, asked) = (metadata.resource, resource.to_owned());
        return Err(E::AnotherResource { named, asked });
    }
    if metadata.authorization_servers.is_empty() { Err(E::NoServer) } else { Ok(metadata) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_where_rfc_9728_3_1_and_5_1_say() {
        let well_known = |url: &str| well_known_url(url).unwrap_or_default();
        let at = "https://api.example/.well-known/oauth-protected-resource";
        assert_eq!(well_known("https://api.example"), at);
        assert_eq!(well_known("https://api.example/"), at);
        assert_eq!(well_known("https://api.example/v1/mcp"), format!("{at}/v1/mcp"));
        assert_eq!(well_known("https://api.example/a?b=c"), format!("{at}/a?b=c"));
        assert_eq!(well_known("https://api.example/#x"), "");
        let header = r#"Bearer error="invalid_token", resource_metadata="https://m.example/x""#;
        assert_eq!(metadata_url(["Basic realm=x", header]).as_deref(), Some("https://m.example/x"));
        assert_eq!(metadata_url(["Bearer"]), None);
    }

    #[test]
    fn a_resource_leads_to_https_and_a_local_one_to_this_machine() {
        let (far, near) = ("https://api.example", "http://127.0.0.1:1/mcp");
        for (url, resource, safe) in [
            ("https://m.example/x", far, true),
            ("http://m.example/x", far, false),
            ("http://127.0.0.1/x", far, false),
            ("http://localhost:4000/x", near, true),
            ("http://m.example/x", near, false),
            ("https://user@m.example/x", far, false),
            ("file:///etc/passwd", far, false),
            ("x", far, false),
        ] {
            assert_eq!(is_safe(url, resource), safe, "{url} of {resource}");
        }
    }

    #[test]
    fn metadata_are_of_the_resource_that_was_asked_rfc_9728_3_3() {
        use ResourceMetadataError as E;
        let body = |resource: &str| {
            let servers = ["https://login.example"];
            serde_json::json!({ "resource": resource, "authorization_servers": servers })
                .to_string()
        };
        let asked = "https://api.example/mcp";
        assert!(read_resource_metadata(body(asked).as_bytes(), asked).is_ok());
        for other in ["https://api.example/mcp/", "https://api.example", "https://evil.example/mcp"]
        {
            let error = read_resource_metadata(body(other).as_bytes(), asked);
            assert!(matches!(error, Err(E::AnotherResource { .. })), "{other}");
        }
        let nobody = format!(r#"{{"resource":"{asked}"}}"#);
        assert_eq!(read_resource_metadata(nobody.as_bytes(), asked), Err(E::NoServer));
        assert_eq!(read_resource_metadata(b"<html>", asked), Err(E::Malformed));
    }
}

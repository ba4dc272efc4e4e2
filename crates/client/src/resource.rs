//! From the address of an API to those who issue tokens for it (RFC 9728).

use http::header;

use crate::flow::{
    ResourceMetadata, ResourceMetadataError, is_safe, metadata_url, read_resource_metadata,
    well_known_url,
};
use crate::outbound::Http;

/// A protected resource, such as an MCP server, as it describes itself.
///
/// ```no_run
/// # use keystile_client::{ProtectedResource, Registrar};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = ProtectedResource::discover("https://tools.example/mcp").await?;
/// let registrar = Registrar::new(tools.authorization_server())?;
/// let wanted = serde_json::json!({
///     "client_name": "Tool Runner", "token_endpoint_auth_method": "none",
///     "redirect_uris": ["http://127.0.0.1/callback"], "application_type": "native",
/// });
/// let registration = registrar.kept("registration.json", &wanted).await?;
/// let client = registration
///     .client()
///     .without_routes()
///     .scope(tools.metadata().scopes_supported.join(" "))
///     .resource(&tools.metadata().resource)
///     .build()?;
/// let login = client.begin_native_login().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource(ResourceMetadata);

impl ProtectedResource {
    /// Asks the API at that address without a token, and goes where its 401 points (section 5);
    /// to the well-known place of its metadata, where it points nowhere. What is found has to be
    /// of that very address (section 3.3).
    pub async fn discover(url: &str) -> Result<Self, ResourceMetadataError> {
        Self::discover_with(url, &[]).await
    }

    /// The same with certificates to trust beside the system's, in PEM.
    pub async fn discover_with(
        url: &str,
        root_certificates: &[Vec<u8>],
    ) -> Result<Self, ResourceMetadataError> {
        use ResourceMetadataError as E;
        check(url, url)?;
        let on_this_machine = url.starts_with("http:");
        let http = Http::new(root_certificates, None, on_this_machine).map_err(E::Unavailable)?;
        let refused = http.get(url, http::HeaderMap::new()).await.map_err(E::Unavailable)?;
        let challenges = refused.headers.get_all(header::WWW_AUTHENTICATE).iter();
        let pointed = metadata_url(challenges.filter_map(|value| value.to_str().ok()));
        let at = pointed.filter(|_| refused.status == 401).or_else(|| well_known_url(url));
        let at = at.ok_or_else(|| E::NotSafe(url.to_owned()))?;
        check(&at, url)?;
        let answer = http.get(&at, http::HeaderMap::new()).await.map_err(E::Unavailable)?;
        if answer.status != 200 {
            return Err(E::Unavailable(format!("{at} answered {}", answer.status)));
        }
        let metadata = read_resource_metadata(&answer.body, url)?;
        for server in &metadata.authorization_servers {
            check(server, url)?;
        }
        Ok(Self(metadata))
    }

    /// What it says of itself.
    pub fn metadata(&self) -> &ResourceMetadata {
        &self.0
    }

    /// The first of those who issue tokens for it: the issuer to build a client for.
    pub fn authorization_server(&self) -> &str {
        // There is one: metadata without are not believed.
        self.0.authorization_servers.first().map_or("", String::as_str)
    }
}

fn check(url: &str, resource: &str) -> Result<(), ResourceMetadataError> {
    let safe = is_safe(url, resource);
    if safe { Ok(()) } else { Err(ResourceMetadataError::NotSafe(url.to_owned())) }
}

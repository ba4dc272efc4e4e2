//! Protected resource metadata (RFC 9728): how a client that knows nothing but this API's address
//! finds out who issues tokens for it.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use keystile_protocol::{Scope, dpop};
use serde::Serialize;
use serde_json::json;
use url::Url;

use crate::builder::is_web;
use crate::guard::Shared;
use crate::{BuildError, Guard};

/// Registered for these documents (RFC 9728 section 8.3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Where an API's metadata are.
struct Place {
    /// The whole address.
    url: String,
    /// The part of it that is routed.
    path: String,
}

impl Place {
    /// The well-known part comes between host and path, and "any terminating slash following the
    /// host component MUST be removed" (RFC 9728 section 3.1).
    fn of(resource: &str) -> Option<Self> {
        let url = Url::parse(resource).ok()?;
        // No route begins a segment like this.
        let routed = |segment: &str| !segment.starts_with([':', '*']);
        let plain = url.path().split('/').all(routed) && url.fragment().is_none();
        if !is_web(&url) || !plain || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let path = format!("{WELL_KNOWN}{}", if url.path() == "/" { "" } else { url.path() });
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let origin = url.origin().ascii_serialization();
        Some(Self { url: format!("{origin}{path}{query}"), path })
    }
}

/// What an API says of itself beside its address, its issuers and what its guard takes (RFC 9728
/// section 2). A list of scopes is one:
///
/// ```
/// use keystile_resource::Announcement;
///
/// let short = Announcement::from("photos:read photos:order");
/// let long = Announcement::from("payments").name("The bank").details(&["payment_initiation"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Announcement {
    scopes: String,
    name: Option<String>,
    documentation: Option<String>,
    details: Vec<String>,
}

impl From<&str> for Announcement {
    /// All scopes that the API knows, separated by spaces.
    fn from(scopes: &str) -> Self {
        Self { scopes: scopes.to_owned(), ..Self::default() }
    }
}

impl Announcement {
    /// A name for people.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Where the API is described for developers.
    pub fn documentation(mut self, url: &str) -> Self {
        self.documentation = Some(url.to_owned());
        self
    }

    /// The types of authorization details that the API knows (RFC 9396 section 10).
    pub fn details(mut self, kinds: &[&str]) -> Self {
        self.details = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        self
    }
}

/// The metadata of an API (RFC 9728 section 2), as far as they are told here.
#[derive(Serialize)]
struct Metadata<'a> {
    resource: &'a str,
    authorization_servers: Vec<&'a str>,
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_details_types_supported: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dpop_signing_alg_values_supported: Vec<&'static str>,
}

impl Guard {
    /// Announces this API: the guard's challenges name the API's metadata from now on
    /// (`resource_metadata`, RFC 9728 section 5.1), and the router serves them. Merge it where no
    /// guard is before it, at the root of the API's host.
    ///
    /// What is announced begins with all scopes that the API knows. The audience has to be the
    /// API's address: https, or http on loopback.
    ///
    /// ```
    /// # use axum::{Router, routing::get};
    /// # use keystile_resource::Guard;
    /// let guard = Guard::builder("https://login.example", "https://photos.example/v1").build()?;
    /// let (guard, metadata) = guard.announced("photos:read photos:order")?;
    /// let app: Router = Router::new()
    ///     .route("/v1/photos", get(|| async { "photos" }))
    ///     .layer(guard)
    ///     .merge(metadata);
    /// # Ok::<(), keystile_resource::BuildError>(())
    /// ```
    pub fn announced<S>(
        &self,
        announcement: impl Into<Announcement>,
    ) -> Result<(Self, Router<S>), BuildError>
    where
        S: Clone + Send + Sync + 'static,
    {
        let Announcement { scopes, name, documentation, details } = announcement.into();
        let Shared { audience: resource, sources, proofs, .. } = self.shared();
        let place = Place::of(resource).ok_or_else(|| BuildError::NotAUrl(resource.to_string()))?;
        let Ok(scopes) = Scope::try_from(scopes.as_str()) else {
            return Err(BuildError::Scopes(scopes));
        };
        let algorithms = dpop::ALGORITHMS.iter().filter(|_| proofs.are_taken());
        let metadata = json!(Metadata {
            resource,
            authorization_servers: sources.iter().map(|source| source.issuer.as_str()).collect(),
            scopes_supported: scopes.iter().collect(),
            bearer_methods_supported: ["header"],
            resource_name: name,
            resource_documentation: documentation,
            authorization_details_types_supported: details,
            dpop_signing_alg_values_supported: algorithms.map(|a| a.as_str()).collect(),
        });
        let metadata = metadata.to_string();
        let router = Router::new().route(&place.path, get(|| async move { document(metadata) }));
        Ok((self.with_metadata(place.url), router))
    }

    /// Guards all these routes, each of which needs these scopes, and announces the API: with
    /// that, whatever the Model Context Protocol asks of a server is there.
    ///
    /// ```
    /// # use axum::{Router, routing::post};
    /// # use keystile_resource::Guard;
    /// let tools: Router = Router::new().route("/mcp", post(|| async { "a tool's answer" }));
    /// let app = Guard::builder("https://login.example", "https://tools.example/mcp")
    ///     .build()?
    ///     .protect(tools, "tools:run")?;
    /// # Ok::<(), keystile_resource::BuildError>(())
    /// ```
    pub fn protect<S>(&self, routes: Router<S>, scopes: &str) -> Result<Router<S>, BuildError>
    where
        S: Clone + Send + Sync + 'static,
    {
        let (guard, metadata) = self.announced(scopes)?;
        Ok(routes.layer(guard.require(scopes)).merge(metadata))
    }
}

/// Public, and the same for everybody.
fn document(metadata: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, metadata).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9728_3_1_the_well_known_part_comes_between_host_and_path() {
        for (resource, url) in [
            ("https://api.example", "https://api.example/.well-known/oauth-protected-resource"),
            ("https://api.example/", "https://api.example/.well-known/oauth-protected-resource"),
            (
                "https://api.example:8443/v1/mcp",
                "https://api.example:8443/.well-known/oauth-protected-resource/v1/mcp",
            ),
            (
                "https://api.example/v1?tenant=a",
                "https://api.example/.well-known/oauth-protected-resource/v1?tenant=a",
            ),
            (
                "http://localhost:4002/mcp",
                "http://localhost:4002/.well-known/oauth-protected-resource/mcp",
            ),
        ] {
            assert_eq!(Place::of(resource).map(|place| place.url).as_deref(), Some(url));
        }
        let path = Place::of("https://api.example/v1?tenant=a").map(|place| place.path);
        assert_eq!(path.as_deref(), Some("/.well-known/oauth-protected-resource/v1"));
        for resource in [
            "photos",
            "urn:photos",
            "http://api.example",
            "https://api.example/#f",
            "https://user@api.example",
            "https://api.example/:id",
        ] {
            assert!(Place::of(resource).is_none(), "{resource}");
        }
    }
}

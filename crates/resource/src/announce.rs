//! Protected resource metadata (RFC 9728): how a client that knows nothing but this API's address
//! finds out who issues tokens for it.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};
use keystile_protocol::Scope;
use keystile_protocol::redirect_uri::is_loopback;
use serde_json::json;
use url::Url;

use crate::{BuildError, Guard, Refusal};

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
        let secure = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
        // No route begins a segment like this.
        let routed = |segment: &str| !segment.starts_with([':', '*']);
        let plain = url.path().split('/').all(routed) && url.fragment().is_none();
        if !secure || !plain || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let path = format!("{WELL_KNOWN}{}", if url.path() == "/" { "" } else { url.path() });
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let origin = url.origin().ascii_serialization();
        Some(Self { url: format!("{origin}{path}{query}"), path })
    }
}

impl Guard {
    /// Announces this API: the guard's challenges name the API's metadata from now on
    /// (`resource_metadata`, RFC 9728 section 5.1), and the router serves them. Merge it where no
    /// guard is before it, at the root of the API's host.
    ///
    /// `scopes` are all that the API knows, separated by spaces. The audience has to be the API's
    /// address: https, or http on loopback.
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
    pub fn announced<S>(&self, scopes: &str) -> Result<(Self, Router<S>), BuildError>
    where
        S: Clone + Send + Sync + 'static,
    {
        let resource = self.realm();
        let place = Place::of(resource).ok_or_else(|| BuildError::NotAUrl(resource.to_owned()))?;
        let scopes = Scope::try_from(scopes).map_err(|_| BuildError::Scopes(scopes.to_owned()))?;
        let metadata = json!({
            "resource": resource,
            "authorization_servers": [self.issuer()],
            "scopes_supported": scopes.iter().collect::<Vec<_>>(),
            "bearer_methods_supported": ["header"],
        });
        let metadata = metadata.to_string();
        let router = Router::new().route(&place.path, get(|| async move { document(metadata) }));
        Ok((self.with_metadata(place.url), router))
    }

    /// What a refused client is told.
    pub(crate) fn told(&self, refusal: Refusal) -> Response {
        let mut response = refusal.into_response(self.realm());
        let Some(url) = self.metadata() else { return response };
        for (name, challenge) in response.headers_mut() {
            if name != header::WWW_AUTHENTICATE {
                continue;
            }
            let text = challenge.to_str().unwrap_or_default();
            let longer = format!("{text}, resource_metadata=\"{url}\"");
            if let Ok(longer) = HeaderValue::try_from(longer) {
                *challenge = longer;
            }
        }
        response
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

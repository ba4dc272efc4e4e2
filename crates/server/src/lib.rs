//! The authorization server's face: HTTP in, HTTP out, and the pages between.
//!
//! Handlers turn requests into values for [`keystile_authority::Authority`] and its answers into
//! responses. Nothing here decides, and nothing here knows the store.

mod browser_name;
mod cookies;
mod embedded;
mod face;
mod handlers;
mod headers;
mod incidents;
mod limits;
pub mod listen;
pub mod pages;
mod proxy;
mod qr;
mod received;
mod respond;
mod routes;
mod turns;

use std::path::PathBuf;
use std::sync::Arc;

use keystile_authority::Authority;

pub use pages::PagesError;
pub use proxy::{ForwardedHeader, Network, NetworkError, ProxySettings};

/// What the operator decides about the face.
#[derive(Clone, Debug)]
pub struct FaceSettings {
    /// A folder with the operator's own templates, words and styles.
    pub overrides: Option<PathBuf>,
    /// The place's name, as in the title of each page.
    pub brand: String,
    /// Whom to believe about where a request comes from.
    pub proxy: ProxySettings,
    /// Bounds on what comes in.
    pub limits: FaceLimits,
}

/// Bounds on what comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaceLimits {
    /// Largest body, in bytes.
    pub body_bytes: usize,
    /// Open connections; more are answered 503 and closed.
    pub connections: usize,
    /// Requests under way; more are answered 503 at once.
    pub concurrent_requests: usize,
}

impl Default for FaceLimits {
    fn default() -> Self {
        Self { body_bytes: 64 * 1024, connections: 10_000, concurrent_requests: 1024 }
    }
}

impl Default for FaceSettings {
    fn default() -> Self {
        Self {
            overrides: None,
            brand: "Keystile".to_owned(),
            proxy: ProxySettings::default(),
            limits: FaceLimits::default(),
        }
    }
}

/// The endpoints of an authority, below the issuer's path.
#[derive(Debug)]
pub struct Routers {
    /// All of them.
    pub all: axum::Router,
    /// Those that clients call, for the listener that asks for their certificates (RFC 8705
    /// section 5): a browser that came there would ask its user for one.
    pub with_certificates: axum::Router,
}

/// The endpoints of the authority. It has to be called from within a runtime, on which it keeps
/// incidents in the background.
pub fn routers(authority: Arc<Authority>, settings: FaceSettings) -> Result<Routers, PagesError> {
    let face = face::Face::new(authority, &settings)?;
    Ok(routes::routers(Arc::new(face), settings.limits))
}

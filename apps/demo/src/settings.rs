//! Where the demo's two programs live and whom they trust.

use std::path::PathBuf;

use keystile_client::LeakProof;

/// What the photo-printing app needs to know.
#[derive(Clone)]
pub struct AppSettings {
    /// Where browsers reach it, such as `http://localhost:4001`.
    pub base_url: String,
    /// The authorization server.
    pub issuer: String,
    /// What it is registered as.
    pub client_id: String,
    /// Its credential. No page and no log ever shows it.
    pub client_secret: String,
    /// Where the photo API is.
    pub api_url: String,
    /// The name of the photo API at the authorization server.
    pub audience: String,
    /// Where it keeps its sessions.
    pub state_dir: PathBuf,
    /// The user that was made for the demo, named on the front page.
    pub username: String,
    /// Watches everything that it sends: for tests.
    pub leak_proof: Option<LeakProof>,
}

impl std::fmt::Debug for AppSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppSettings")
            .field("base_url", &self.base_url)
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("api_url", &self.api_url)
            .finish_non_exhaustive()
    }
}

/// What the photo API needs to know.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Where it is, such as `http://localhost:4002`.
    pub base_url: String,
    /// Whose tokens it believes.
    pub issuer: String,
    /// Its own name, which tokens must be for.
    pub audience: String,
}

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The guard in front of the photo API.
    #[error("the photo API cannot be guarded: {0}")]
    Guard(#[from] keystile_resource::BuildError),
    /// The client side of the app.
    #[error("the app's login cannot be set up: {0}")]
    Client(String),
    /// The HTTP client of the break-it panel.
    #[error("the app's HTTP client cannot be made: {0}")]
    Http(#[from] reqwest::Error),
    /// A template of ours that does not parse.
    #[error("a page of the app is broken: {0}")]
    Template(#[from] minijinja::Error),
    /// A setting that is no URL.
    #[error("the issuer '{0}' is no URL")]
    Issuer(String),
}

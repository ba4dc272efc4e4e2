//! What every handler shares.

use std::sync::Arc;

use keystile_authority::Authority;
use tokio::sync::Semaphore;

use crate::FaceSettings;
use crate::cookies::CookieNames;
use crate::incidents::Incidents;
use crate::pages::{Brand, Pages, PagesError};
use crate::proxy::ProxySettings;
use crate::turns::Turns;

/// What every handler shares.
pub(crate) struct Face {
    pub(crate) authority: Arc<Authority>,
    pub(crate) pages: Pages,
    pub(crate) cookies: CookieNames,
    pub(crate) proxy: ProxySettings,
    pub(crate) incidents: Incidents,
    /// Places for requests whose bodies do not come with their heads.
    pub(crate) slow_bodies: Semaphore,
    /// Whose turn it is among pages.
    pub(crate) turns: Turns,
    /// Longest body that is taken.
    pub(crate) body_bytes: usize,
    /// The metadata document, made once.
    pub(crate) metadata: axum::body::Bytes,
}

/// What handlers get.
pub(crate) type SharedFace = Arc<Face>;

impl Face {
    pub(crate) fn new(
        authority: Arc<Authority>,
        settings: &FaceSettings,
    ) -> Result<Self, PagesError> {
        let issuer = &authority.policy().issuer;
        let brand = Brand { name: settings.brand.clone(), base: issuer.path().to_owned() };
        let pages = Pages::load(settings.overrides.as_deref(), brand)?;
        let metadata = serde_json::to_vec(&authority.metadata()).unwrap_or_default();
        Ok(Self {
            cookies: CookieNames::new(issuer),
            proxy: settings.proxy.clone(),
            incidents: Incidents::start(Arc::clone(&authority)),
            slow_bodies: Semaphore::new((settings.limits.concurrent_requests / 2).max(1)),
            turns: Turns::here(),
            body_bytes: settings.limits.body_bytes,
            metadata: metadata.into(),
            pages,
            authority,
        })
    }

    /// A path of ours as the browser sees it: below the issuer's own path.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.authority.policy().issuer.path())
    }

    /// The address of one of our pages.
    pub(crate) fn url(&self, path: &str) -> String {
        self.authority.policy().issuer.endpoint(path)
    }
}

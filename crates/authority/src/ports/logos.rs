//! Our copies of clients' logos.

use async_trait::async_trait;
use keystile_protocol::ClientId;

use super::Stored;
use crate::rules::logo::Logo;

/// The part of the store that keeps logos, one for each client. Whatever removes a client removes
/// its logo too.
#[async_trait]
pub trait Logos: Send + Sync {
    /// Keeps the logo that was found at a client's `logo_uri`, if that is what it still says.
    async fn keep_logo(&self, client: &ClientId, logo_uri: &str, logo: Logo) -> Stored<()>;
    /// The picture of that name.
    async fn logo(&self, name: &str) -> Stored<Option<Logo>>;
}

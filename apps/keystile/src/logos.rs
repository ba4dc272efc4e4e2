//! Fetches the logos of clients that the operator registered, behind the server's back.

use std::sync::Arc;

use keystile_authority::Authority;
use keystile_authority::records::Client;

/// Starts it. What cannot be had is tried again at the next start.
pub fn start(authority: &Arc<Authority>, clients: &[Client]) {
    let with_logo = clients.iter().filter(|client| client.about.logo_uri.is_some());
    let clients: Vec<_> = with_logo.map(|client| client.id.clone()).collect();
    let authority = Arc::clone(authority);
    tokio::spawn(async move {
        for client in clients {
            match authority.complete_logo(&client).await {
                Ok(true) => tracing::info!(%client, "its logo is here now"),
                Ok(false) => {}
                Err(problem) => tracing::warn!(%client, %problem, "its logo is not shown"),
            }
        }
    });
}

//! Asks, once the server runs, whether the configured clients are of the sectors that they name.
//! A start waits for nobody's server, so it only warns (docs/decisions/0008).

use std::sync::Arc;

use keystile_authority::Authority;
use keystile_authority::records::Client;

/// Starts it, until all of them are asked about.
pub fn start(authority: &Arc<Authority>, clients: &[Client]) {
    let named = |client: &&Client| client.openid.sector_identifier_uri.is_some();
    let clients: Vec<Client> = clients.iter().filter(named).cloned().collect();
    if clients.is_empty() {
        return;
    }
    let authority = Arc::clone(authority);
    tokio::spawn(async move {
        for client in clients {
            if let Err(error) = authority.check_sector(&client).await {
                tracing::warn!(client = %client.id, %error, "a client may not be of its sector");
            }
        }
    });
}

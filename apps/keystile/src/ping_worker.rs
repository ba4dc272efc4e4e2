//! Delivers pings (CIBA), whichever process took the user's word.

use std::sync::Arc;
use std::time::Duration;

use keystile_authority::Authority;

/// Between two looks at an outbox that is empty.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pings that are tried at once.
const AT_ONCE: u32 = 16;

/// Starts it, until the runtime ends.
pub fn start(authority: &Arc<Authority>) {
    let authority = Arc::clone(authority);
    tokio::spawn(async move {
        loop {
            if !deliver(&authority).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    });
}

/// One round. False: there was nothing to do, or it cannot be done now.
async fn deliver(authority: &Authority) -> bool {
    match authority.deliver_pings(AT_ONCE).await {
        Ok(round) => {
            for (client, outcome) in &round.tried {
                tracing::info!(%client, %outcome, "a ping");
            }
            !round.tried.is_empty()
        }
        Err(error) => {
            tracing::warn!(%error, "pings wait");
            false
        }
    }
}

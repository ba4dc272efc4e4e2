//! Delivers logout messages, whichever process ended the sessions.

use std::sync::Arc;
use std::time::Duration;

use keystile_authority::Authority;

/// Between two looks at an outbox that is empty.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two times at which the log forgets what is old.
const FORGET_EVERY: u32 = 60;
/// Messages that are tried at once.
const AT_ONCE: u32 = 16;
/// Messages that are forgotten at once.
const FORGOTTEN_AT_ONCE: u32 = 500;

/// Starts it, until the runtime ends.
pub fn start(authority: &Arc<Authority>) {
    let authority = Arc::clone(authority);
    tokio::spawn(async move {
        let mut looks: u32 = 0;
        loop {
            if !deliver(&authority).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(FORGET_EVERY)
                && let Err(error) = authority.forget_logout_messages(FORGOTTEN_AT_ONCE).await
            {
                tracing::warn!(%error, "old logout messages were not forgotten");
            }
        }
    });
}

/// One round. False: there was nothing to do, or it cannot be done now.
async fn deliver(authority: &Authority) -> bool {
    match authority.deliver_logout_messages(AT_ONCE).await {
        Ok(round) => {
            for (client, outcome) in &round.tried {
                tracing::info!(%client, %outcome, "a logout message");
            }
            !round.tried.is_empty()
        }
        Err(error) => {
            tracing::warn!(%error, "logout messages wait");
            false
        }
    }
}

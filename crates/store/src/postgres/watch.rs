//! How it is noticed that another node has changed a client or a key: a number in the database is
//! read each second.

use std::sync::Arc;
use std::time::Duration;

use keystile_authority::ports::Stored;
use tokio::time::{Instant, timeout_at};

use super::Ways;
use super::reading::Reading;
use crate::memory::Memory;
use crate::meta;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long what is remembered is used while the database is away. It lasts through a failover,
/// so that what needs signatures alone goes on; a node that is cut off must not go on for ever with
/// a client that has been switched off elsewhere.
const BLIND: Duration = Duration::from_secs(60);

/// Until it is aborted.
pub(super) async fn watch(ways: Arc<Ways>, memory: Arc<Memory>) {
    let mut seen_at = Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match try_look(&ways, &memory).await {
            Ok(()) => seen_at = Instant::now(),
            Err(_) if seen_at.elapsed() < BLIND => {}
            Err(_) => memory.forget(),
        }
    }
}

/// Looks now.
pub(super) async fn look(ways: &Ways, memory: &Memory) {
    if let Err(error) = try_look(ways, memory).await {
        tracing::warn!(%error, "cannot look whether the store has changed");
    }
}

async fn try_look(ways: &Ways, memory: &Memory) -> Stored<()> {
    let mut reading = Reading::begin(ways, None).await?;
    loop {
        let answer = timeout_at(reading.end(), meta::marks(&mut reading.db())).await;
        if let Some(marks) = reading.judge(answer).await {
            memory.learn(marks?);
            return Ok(());
        }
    }
}

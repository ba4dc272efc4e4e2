//! What ends a stream from outside: nothing moves, or its session is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::session::Session;

/// How long a stream or a socket goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamLimits {
    /// While nothing moves.
    pub(super) idle_at_most: Duration,
    /// Before its session is looked for again.
    pub(super) checked_every: Duration,
}

/// When something moved last.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn mark(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing has moved for so long.
    pub(super) async fn stalled(&self, after: Duration) {
        loop {
            let moved = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(until) = moved.checked_add(after) else { return std::future::pending().await };
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// Waits until the session is over, here or on another node. To look for it is no use of it.
pub(super) async fn ended(session: Session, every: Duration) {
    let (inner, key) = (session.client.inner(), session.record.key());
    loop {
        tokio::time::sleep(every).await;
        match inner.sessions.is_alive(&key, inner.now()).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(session = %key.digest(), %error, "a session could not be looked for");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stall_is_counted_from_the_last_move() {
        let progress = Progress::new();
        progress.stalled(Duration::ZERO).await;
        for long in [Duration::from_hours(1), Duration::MAX] {
            let stalled = tokio::time::timeout(Duration::ZERO, progress.stalled(long)).await;
            assert!(stalled.is_err(), "{long:?}");
        }
        let before = *progress.0.lock().expect("not poisoned");
        tokio::time::sleep(Duration::from_millis(2)).await;
        progress.mark();
        assert!(*progress.0.lock().expect("not poisoned") > before);
    }
}

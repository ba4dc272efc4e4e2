//! The sweep: what can go is found by a reader, so that nothing is written
//! where there is nothing to delete.

use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use keystile_authority::ports::{Clock, OPEN_STAYS, Stored};
use keystile_protocol::Timestamp;
use tokio::task::JoinHandle;

use crate::database::{Database, Db, Inner};
use crate::sweep::{self, Cursor, Swept};
use crate::{approved_clients, initial_access_tokens, parked, pending, registrations, used_once};

/// Rows that one step looks at.
const STEP: u32 = 500;
/// Between two steps.
const BREATH: Duration = Duration::from_millis(50);

impl Database {
    /// One step of the sweep: looks at up to `limit` grants, as many sessions and as many revoked
    /// tokens, and deletes what is of no more use.
    pub async fn sweep(&self, now: Timestamp, limit: u32) -> Stored<Swept> {
        let from = *self.cursor();
        let abandoned_before = now.minus(OPEN_STAYS);
        let (grants, sessions, tokens, used, left, pending, registrations, approved, spent) = self
            .read(async |db| {
                Ok((
                    sweep::look_at_grants(db, from.grants, now, limit).await?,
                    sweep::look_at_sessions(db, from.sessions, now, limit).await?,
                    sweep::expired_tokens(db, now, limit).await?,
                    used_once::expired(db, now, limit).await?,
                    parked::expired(db, now, limit).await?,
                    pending::ended(db, now, limit).await?,
                    registrations::abandoned(db, abandoned_before, limit).await?,
                    approved_clients::abandoned(db, abandoned_before, limit).await?,
                    initial_access_tokens::any_spent(db, now).await?,
                ))
            })
            .await?;
        let mut swept = Swept::default();
        if grants.due > 0 {
            swept.grants =
                self.write(async move |db| sweep::delete_grants(db, grants, now).await).await?;
        }
        if sessions.due > 0 {
            swept.sessions =
                self.write(async move |db| sweep::delete_sessions(db, sessions, now).await).await?;
        }
        if tokens > 0 {
            swept.tokens =
                self.write(async move |db| sweep::delete_tokens(db, now, limit).await).await?;
        }
        if used > 0 {
            swept.used_once =
                self.write(async move |db| used_once::delete(db, now, limit).await).await?;
        }
        if left > 0 {
            swept.parked = self.write(async move |db| parked::delete(db, now, limit).await).await?;
        }
        if pending > 0 {
            swept.pending =
                self.write(async move |db| pending::delete(db, now, limit).await).await?;
        }
        if approved > 0 {
            let sweep = async move |db: &mut Db<'_>| {
                approved_clients::sweep(db, abandoned_before, limit).await
            };
            swept.registrations += self.write(sweep).await?;
            self.look().await;
        }
        if registrations > 0 {
            let sweep = async move |db: &mut Db<'_>| {
                registrations::sweep(db, abandoned_before, limit).await
            };
            swept.registrations += self.write(sweep).await?;
            self.look().await;
        }
        if spent {
            self.write(async move |db| initial_access_tokens::delete_spent(db, now).await).await?;
        }
        let full = [tokens, used, left, pending, registrations, approved].contains(&limit);
        swept.finished = grants.last && sessions.last && !full;
        let mut cursor = self.cursor();
        cursor.grants = grants.next();
        cursor.sessions = sessions.next();
        Ok(swept)
    }

    fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.inner.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sweeps everything, then again after `every`, until the store is gone.
    pub fn start_sweeper(&self, clock: Arc<dyn Clock>, every: Duration) -> JoinHandle<()> {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(sweep_for_ever(inner, clock, every))
    }
}

async fn sweep_for_ever(inner: Weak<Inner>, clock: Arc<dyn Clock>, every: Duration) {
    let mut swept = Swept::default();
    loop {
        // Not held while this waits, so that the store can go.
        let Some(store) = inner.upgrade().map(|inner| Database { inner }) else { return };
        let pause = match store.sweep(clock.now(), STEP).await {
            Ok(step) => {
                swept += step;
                if step.finished { every } else { BREATH }
            }
            Err(error) => {
                tracing::warn!(%error, "the sweep was interrupted");
                every
            }
        };
        drop(store);
        if pause == every {
            let Swept {
                grants, sessions, tokens, used_once, parked, pending, registrations, ..
            } = std::mem::take(&mut swept);
            tracing::debug!(
                grants,
                sessions,
                tokens,
                used_once,
                parked,
                pending,
                registrations,
                "swept"
            );
        }
        tokio::time::sleep(pause).await;
    }
}

//! The sweep: what can go is found by a reader, so that nothing is written
//! where there is nothing to delete.

use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use keystile_authority::policy::Lifetimes;
use keystile_authority::ports::{OPEN_STAYS, Stored};
use keystile_protocol::Timestamp;
use tokio::task::JoinHandle;

use crate::database::{Database, Db, Inner};
use crate::leases::{self, Work};
use crate::passing_clients::{APPROVED, REGISTERED};
use crate::sweep::{self, Cursor, Sweeping, Swept};
use crate::{initial_access_tokens, parked, pending, used_once};

/// Rows that one step looks at.
const STEP: u32 = 500;
/// Between two steps.
const BREATH: Duration = Duration::from_millis(50);
/// A node that is gone is missed for so many rounds.
const LEASE_ROUNDS: u32 = 3;

impl Database {
    /// One step of the sweep: looks at up to `limit` grants, as many sessions and as many revoked
    /// tokens, and deletes what is of no more use.
    pub async fn sweep(&self, lifetimes: &Lifetimes, now: Timestamp, limit: u32) -> Stored<Swept> {
        let from = *self.cursor();
        let abandoned_before = now.minus(OPEN_STAYS);
        let (grants, sessions, tokens, used, left, pending, registrations, approved, spent) = self
            .read(async |db| {
                Ok((
                    sweep::look_at_grants(db, from.grants, lifetimes, now, limit).await?,
                    sweep::look_at_sessions(db, from.sessions, now, limit).await?,
                    sweep::expired_tokens(db, now, limit).await?,
                    used_once::expired(db, now, limit).await?,
                    parked::expired(db, now, limit).await?,
                    pending::ended(db, now, limit).await?,
                    REGISTERED.abandoned(db, abandoned_before, limit).await?,
                    APPROVED.abandoned(db, abandoned_before, limit).await?,
                    initial_access_tokens::any_spent(db, now).await?,
                ))
            })
            .await?;
        let mut swept = Swept::default();
        if grants.due > 0 {
            let lives = lifetimes.clone();
            let delete =
                async move |db: &mut Db<'_>| sweep::delete_grants(db, grants, &lives, now).await;
            swept.grants = self.write(delete).await?;
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
            let sweep =
                async move |db: &mut Db<'_>| APPROVED.sweep(db, abandoned_before, limit).await;
            swept.registrations += self.write(sweep).await?;
            self.look().await;
        }
        if registrations > 0 {
            let sweep =
                async move |db: &mut Db<'_>| REGISTERED.sweep(db, abandoned_before, limit).await;
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

    /// Takes the lease of some work until `ends_at`, or takes it again. False: another holder has
    /// it.
    pub async fn take_lease(
        &self,
        work: Work,
        holder: [u8; 16],
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Stored<bool> {
        let take = async move |db: &mut Db<'_>| leases::take(db, work, &holder, now, ends_at).await;
        self.write_statement(take).await
    }

    /// Sweeps everything, then again after a while, until the store is gone; or waits, while
    /// another node does it.
    pub fn start_sweeper(&self, sweeping: Sweeping) -> JoinHandle<()> {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(sweep_for_ever(inner, sweeping))
    }
}

async fn sweep_for_ever(inner: Weak<Inner>, sweeping: Sweeping) {
    let every = sweeping.every;
    let mut lease = Lease::default();
    let mut swept = Swept::default();
    loop {
        // Not held while this waits, so that the store can go.
        let Some(store) = inner.upgrade().map(|inner| Database { inner }) else { return };
        let pause = match step(&store, &sweeping, &mut lease).await {
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
            report(&std::mem::take(&mut swept));
        }
        tokio::time::sleep(pause).await;
    }
}

/// Until when this node has the lease of the sweep.
#[derive(Default)]
struct Lease(Timestamp);

/// One step, if it is this node's turn.
async fn step(store: &Database, sweeping: &Sweeping, lease: &mut Lease) -> Stored<Swept> {
    let Sweeping { every, lifetimes, node, .. } = sweeping;
    let now = sweeping.clock.now();
    // Taken again in good time, and not written anew with each step.
    if lease.0 <= now.plus(*every) {
        let ends_at = now.plus(LEASE_ROUNDS * *every);
        if !store.take_lease(Work::Sweep, *node, now, ends_at).await? {
            return Ok(Swept { finished: true, ..Swept::default() });
        }
        lease.0 = ends_at;
    }
    store.sweep(lifetimes, now, STEP).await
}

fn report(swept: &Swept) {
    let Swept { grants, sessions, tokens, used_once, parked, pending, registrations, .. } = swept;
    tracing::debug!(grants, sessions, tokens, used_once, parked, pending, registrations, "swept");
}

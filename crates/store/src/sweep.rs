//! Expiry: rows that are of no more use are deleted in small batches, by one node at a time.
//!
//! Grants and sessions are walked in the order of their keys, so that neither needs an index on
//! its end.

use std::sync::Arc;
use std::time::Duration;

use keystile_authority::policy::Lifetimes;
use keystile_authority::ports::{Clock, Stored};
use keystile_authority::rules::forgetting::{Forgettable, forgettable};
use keystile_protocol::Timestamp;

use crate::statements::{Statements, Value, only_number, params};

/// How long the row of a session stays after its end.
pub(crate) const SESSION_STAYS: Duration = Duration::from_secs(3600);

/// How a node sweeps.
#[derive(Clone)]
pub struct Sweeping {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How often.
    pub every: Duration,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// 16 random bytes of this node.
    pub node: [u8; 16],
}

/// What one step of the sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Grants deleted.
    pub grants: usize,
    /// Sessions deleted.
    pub sessions: usize,
    /// Revoked access tokens that have expired and are forgotten.
    pub tokens: usize,
    /// Assertions and proofs that are refused for their age and are forgotten.
    pub used_once: usize,
    /// Parked requests and codes for which nobody can come any more.
    pub parked: usize,
    /// Authorizations that waited for a user's word and are forgotten.
    pub pending: usize,
    /// Strangers' clients that nobody used.
    pub registrations: usize,
    /// Whether the step reached the end of what there is to look at; the next begins anew.
    pub finished: bool,
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, more: Self) {
        self.grants += more.grants;
        self.sessions += more.sessions;
        self.tokens += more.tokens;
        self.used_once += more.used_once;
        self.parked += more.parked;
        self.pending += more.pending;
        self.registrations += more.registrations;
        self.finished = more.finished;
    }
}

/// Where the walks are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) grants: Place,
    pub(crate) sessions: Place,
}

/// Everything up to this key has been looked at.
pub(crate) type Place = [u8; 16];

/// A stretch of keys, after `from` up to and with `to`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) from: Place,
    pub(crate) to: Place,
    /// How many of its rows can go.
    pub(crate) due: usize,
    /// Whether there is nothing behind it.
    pub(crate) last: bool,
}

impl Stretch {
    /// Where the next one begins.
    pub(crate) fn next(&self) -> Place {
        if self.last { Place::default() } else { self.to }
    }
}

/// Over a row of grants: whether nothing can come of it any more (`rules::forgetting`).
macro_rules! ended {
    ($now:literal, $approved_before:literal, $unused_since:literal) => {
        concat!(
            "(keep_until < ",
            $now,
            " OR (approved_at < ",
            $approved_before,
            " AND (revoked_at IS NOT NULL OR last_used < ",
            $unused_since,
            ")))"
        )
    };
}

const LOOK_AT_GRANTS: &str = concat!(
    "SELECT id, CASE WHEN ",
    ended!("$3", "$4", "$5"),
    " THEN 1 ELSE 0 END
     FROM grants WHERE id > $1 ORDER BY id LIMIT $2"
);

const LOOK_AT_SESSIONS: &str = "
    SELECT id, CASE WHEN expires_at < $3 OR COALESCE(ended_at, expires_at) < $3 THEN 1 ELSE 0 END
    FROM sessions WHERE id > $1 ORDER BY id LIMIT $2";

pub(crate) async fn look_at_grants(
    db: &mut impl Statements,
    from: Place,
    lifetimes: &Lifetimes,
    now: Timestamp,
    limit: u32,
) -> Stored<Stretch> {
    let Forgettable { approved_before, unused_since } = forgettable(lifetimes, now);
    let params: &[Value<'_>] = params![&from, limit, now, approved_before, unused_since];
    look(db, LOOK_AT_GRANTS, from, limit, params).await
}

pub(crate) async fn look_at_sessions(
    db: &mut impl Statements,
    from: Place,
    now: Timestamp,
    limit: u32,
) -> Stored<Stretch> {
    let params: &[Value<'_>] = params![&from, limit, now.minus(SESSION_STAYS)];
    look(db, LOOK_AT_SESSIONS, from, limit, params).await
}

async fn look(
    db: &mut impl Statements,
    sql: &'static str,
    from: Place,
    limit: u32,
    params: &[Value<'_>],
) -> Stored<Stretch> {
    let mut stretch = Stretch { from, to: from, due: 0, last: true };
    let mut seen = 0;
    db.rows(sql, params, |row| {
        stretch.to = row.array()?;
        stretch.due += usize::from(row.flag()?);
        seen += 1;
        Ok(())
    })
    .await?;
    stretch.last = seen < limit;
    Ok(stretch)
}

const DELETE_GRANTS: &str =
    concat!("DELETE FROM grants WHERE id > $1 AND id <= $2 AND ", ended!("$3", "$4", "$5"));

pub(crate) async fn delete_grants(
    db: &mut impl Statements,
    stretch: Stretch,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Stored<usize> {
    let Forgettable { approved_before, unused_since } = forgettable(lifetimes, now);
    let Stretch { from, to, .. } = &stretch;
    db.execute(DELETE_GRANTS, params![from, to, now, approved_before, unused_since]).await
}

const UNLIST_CLIENTS: &str = "
    DELETE FROM session_clients WHERE session IN (
        SELECT id FROM sessions WHERE id > $1 AND id <= $2
        AND (expires_at < $3 OR COALESCE(ended_at, expires_at) < $3))";

const DELETE_SESSIONS: &str = "
    DELETE FROM sessions WHERE id > $1 AND id <= $2
    AND (expires_at < $3 OR COALESCE(ended_at, expires_at) < $3)";

pub(crate) async fn delete_sessions(
    db: &mut impl Statements,
    stretch: Stretch,
    now: Timestamp,
) -> Stored<usize> {
    let params: &[Value<'_>] = params![&stretch.from, &stretch.to, now.minus(SESSION_STAYS)];
    db.execute(UNLIST_CLIENTS, params).await?;
    db.execute(DELETE_SESSIONS, params).await
}

const EXPIRED_TOKENS: &str = "SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM revoked_tokens WHERE expires_at < $1 LIMIT $2) t";

pub(crate) async fn expired_tokens(
    db: &mut impl Statements,
    now: Timestamp,
    limit: u32,
) -> Stored<u32> {
    Ok(db.row(EXPIRED_TOKENS, params![now, limit], only_number).await?.unwrap_or(0))
}

const DELETE_TOKENS: &str = "
    DELETE FROM revoked_tokens WHERE jti IN (
        SELECT jti FROM revoked_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";

pub(crate) async fn delete_tokens(
    db: &mut impl Statements,
    now: Timestamp,
    limit: u32,
) -> Stored<usize> {
    db.execute(DELETE_TOKENS, params![now, limit]).await
}

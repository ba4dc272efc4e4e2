//! An operation that only asks, over one of the connections that all share.

use std::sync::{Arc, OnceLock};

use keystile_authority::ports::{StoreError, Stored};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::db::{Db, Trouble};
use super::{LATE, Ways};

pub(crate) struct Reading {
    line: Arc<Connection>,
    trouble: OnceLock<Trouble>,
    end: Instant,
    _place: Option<OwnedSemaphorePermit>,
}

impl Reading {
    pub(super) async fn begin(ways: &Ways, place: Option<OwnedSemaphorePermit>) -> Stored<Self> {
        let end = Instant::now() + ways.patience;
        let late = |_| StoreError::Unavailable(LATE.into());
        let line = timeout_at(end, ways.reading.take()).await.map_err(late)??;
        Ok(Self { line, trouble: OnceLock::new(), end, _place: place })
    }

    /// Where its statements go.
    pub(crate) fn db(&self) -> Db<'_> {
        Db::new(&self.line, &self.trouble)
    }

    /// When it is over.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    /// What came of it.
    pub(crate) fn judge<T>(&self, answer: Result<Stored<T>, Elapsed>) -> Stored<T> {
        answer.unwrap_or_else(|_| {
            self.line.retire();
            Err(StoreError::Unavailable(LATE.into()))
        })
    }
}

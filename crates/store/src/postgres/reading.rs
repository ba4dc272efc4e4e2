//! An operation that only asks, over one of the connections that all share.

use std::sync::{Arc, OnceLock};

use keystile_authority::ports::{StoreError, Stored};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::db::{Db, Trouble};
use super::lines::Line;
use super::{LATE, Ways};

pub(crate) struct Reading<'w> {
    ways: &'w Ways,
    line: Line,
    connection: Arc<Connection>,
    trouble: OnceLock<Trouble>,
    end: Instant,
    asked_again: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl<'w> Reading<'w> {
    pub(super) async fn begin(ways: &'w Ways, place: Option<OwnedSemaphorePermit>) -> Stored<Self> {
        let end = Instant::now() + ways.patience;
        let line = ways.reading.next();
        let connection = connected(ways, line, end).await?;
        let trouble = OnceLock::new();
        Ok(Self { ways, line, connection, trouble, end, asked_again: false, _place: place })
    }

    /// Where its statements go.
    pub(crate) fn db(&self) -> Db<'_> {
        Db::new(&self.connection, &self.trouble)
    }

    /// When it is over.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    /// What came of it; nothing if it is to be asked again. That is once, where the connection broke
    /// and there is another: after a failover the first questions find out that it has happened, and
    /// whoever asks nothing but questions does not have to know.
    pub(crate) async fn judge<T>(
        &mut self,
        answer: Result<Stored<T>, Elapsed>,
    ) -> Option<Stored<T>> {
        let Ok(answer) = answer else {
            self.connection.retire();
            return Some(late());
        };
        let is_lost = self.trouble.get() == Some(&Trouble::Lost);
        if answer.is_ok() || !is_lost || self.asked_again {
            return Some(answer);
        }
        self.asked_again = true;
        match connected(self.ways, self.line, self.end).await {
            Ok(connection) => (self.connection, self.trouble) = (connection, OnceLock::new()),
            Err(_) => return Some(answer),
        }
        None
    }
}

async fn connected(ways: &Ways, line: Line, end: Instant) -> Stored<Arc<Connection>> {
    timeout_at(end, ways.reading.take(line)).await.unwrap_or_else(|_| late())
}

fn late<T>() -> Stored<T> {
    Err(StoreError::Unavailable(LATE.into()))
}

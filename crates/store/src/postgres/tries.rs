//! A write's tries: each with a connection, and a judgement of what came of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keystile_authority::ports::{StoreError, Stored};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::connection::{Connection, Transaction};
use super::db::{Db, Trouble, failure};
use super::pool::Lent;
use super::{LATE, Ways};

/// How a write goes to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One writing statement that does the same when it is sent again.
    Statement,
    /// Several statements as one.
    Transaction(Sent),
}

/// What a second sending of a transaction would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Something else than the first: after a commit in doubt it is not sent again.
    Once,
    /// The same.
    Again,
}

/// The tries of one write, bounded in number and time.
pub(crate) struct Tries<'p> {
    ways: &'p Ways,
    manner: Manner,
    end: Instant,
    left: u32,
    /// Whether an earlier try may have been done.
    doubt: bool,
    _place: Option<OwnedSemaphorePermit>,
}

/// One of them.
pub(crate) struct Attempt {
    on: On,
    trouble: OnceLock<Trouble>,
}

enum On {
    Line(Arc<Connection>),
    Transaction(Box<Transaction<Lent>>),
}

impl Attempt {
    /// Where its statements go.
    pub(crate) fn db(&self) -> Db<'_> {
        Db::new(self.connection(), &self.trouble)
    }

    fn connection(&self) -> &Connection {
        match &self.on {
            On::Line(connection) => connection,
            On::Transaction(transaction) => transaction.connection(),
        }
    }
}

const TRIES: u32 = 8;

impl<'p> Tries<'p> {
    pub(super) fn new(ways: &'p Ways, manner: Manner, place: Option<OwnedSemaphorePermit>) -> Self {
        let end = Instant::now() + ways.patience;
        Self { ways, manner, end, left: TRIES, doubt: false, _place: place }
    }

    /// When the last of them is over.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    /// The next one. Nobody waits for a database that is away, unless it has been sent something
    /// already.
    pub(crate) async fn next(&mut self) -> Stored<Attempt> {
        loop {
            let opened = timeout_at(self.end, self.open()).await;
            let (trouble, error) = match opened {
                Ok(Ok(on)) => return Ok(Attempt { on, trouble: OnceLock::new() }),
                Ok(Err(failed)) => failed,
                Err(_) => (Trouble::Refused, StoreError::Unavailable(LATE.into())),
            };
            let again = match trouble {
                Trouble::Lost => self.may_try_again(),
                _ => self.doubt && self.waits().await,
            };
            if !again {
                return Err(if self.doubt { in_doubt() } else { error });
            }
        }
    }

    async fn open(&self) -> Result<On, (Trouble, StoreError)> {
        let away = |error| (Trouble::Refused, error);
        match self.manner {
            Manner::Statement => {
                let line = self.ways.writing.next();
                self.ways.writing.take(line).await.map(On::Line).map_err(away)
            }
            Manner::Transaction(_) => {
                let lent = self.ways.transactions.lend().await.map_err(away)?;
                let begun = Transaction::begin(lent).await.map_err(|error| failure(&error))?;
                Ok(On::Transaction(Box::new(begun)))
            }
        }
    }

    /// What came of an attempt; nothing if it is to be tried again.
    pub(crate) async fn judge<T>(
        &mut self,
        attempt: Attempt,
        answer: Result<Stored<T>, Elapsed>,
    ) -> Option<Stored<T>> {
        let Ok(answer) = answer else {
            attempt.connection().retire();
            self.doubt |= self.manner == Manner::Statement;
            return Some(Err(self.refusal(StoreError::Unavailable(LATE.into()))));
        };
        let trouble = attempt.trouble.get().copied();
        match attempt.on {
            On::Transaction(transaction) if answer.is_ok() && trouble.is_none() => {
                self.commit(&transaction, answer).await
            }
            // PostgreSQL would answer COMMIT with success and roll back.
            On::Transaction(_) if answer.is_ok() => {
                Some(Err(StoreError::Broken("a transaction goes on after a failure".into())))
            }
            On::Transaction(_) => self.retry(trouble, answer),
            On::Line(line) => {
                self.doubt |= trouble == Some(Trouble::Lost);
                if line.has_warned() {
                    line.retire();
                    self.doubt = true;
                    return self.retry(Some(Trouble::Lost), answer);
                }
                self.retry(trouble, answer)
            }
        }
    }

    async fn commit<T>(
        &mut self,
        transaction: &Transaction<Lent>,
        answer: Stored<T>,
    ) -> Option<Stored<T>> {
        let connection = transaction.connection();
        let Ok(committed) = timeout_at(self.end, transaction.commit()).await else {
            connection.retire();
            return Some(Err(in_doubt()));
        };
        let trouble = match committed {
            Ok(()) if !connection.has_warned() => return Some(answer),
            Ok(()) => Trouble::Lost,
            Err(error) => failure(&error).0,
        };
        connection.retire();
        self.doubt |= trouble == Trouble::Lost;
        if self.doubt && self.manner == Manner::Transaction(Sent::Once) {
            return Some(Err(in_doubt()));
        }
        self.retry(Some(trouble), answer.and(Err(in_doubt())))
    }

    fn retry<T>(&mut self, trouble: Option<Trouble>, answer: Stored<T>) -> Option<Stored<T>> {
        match trouble {
            Some(Trouble::Lost | Trouble::Collision) if self.may_try_again() => None,
            Some(Trouble::Lost | Trouble::Collision) => {
                Some(answer.and_then(|_| Err(in_doubt())).map_err(|error| self.refusal(error)))
            }
            Some(Trouble::Refused) | None => Some(answer),
        }
    }

    fn refusal(&self, error: StoreError) -> StoreError {
        if self.doubt { in_doubt() } else { error }
    }

    fn may_try_again(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0 && Instant::now() < self.end
    }

    /// Waits a while for a database that is away. False: it was away for too long.
    async fn waits(&self) -> bool {
        sleep_until(self.end.min(Instant::now() + Duration::from_millis(100))).await;
        Instant::now() < self.end
    }
}

/// It was sent, and nobody knows whether it was done.
pub(crate) fn in_doubt() -> StoreError {
    StoreError::InDoubt("it is in doubt whether the database has done it".into())
}

//! Operations of one kind go together: whatever waits is sent as one statement, and nobody lingers.
//! What comes meanwhile is the next batch.

use std::collections::HashSet;
use std::sync::Arc;

use keystile_authority::decisions::{Redemption, Rotation};
use keystile_authority::ports::{StoreError, Stored};
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::db::Db;
use super::questions::{AccountAsked, GrantAsked, SituationAsked};
use super::reading::Reading;
use super::tries::{Manner, Tries};
use super::{LATE, Ways};

/// Operations in one statement at most.
const BATCH: usize = 64;

/// An operation that a statement can do for many at once.
pub(crate) trait Gathered: Sized + Send + Sync + 'static {
    type Answer: Send + 'static;

    const MANNER: Gathering;

    /// Where those of its kind wait.
    fn gatherer(all: &Gatherers) -> &Gatherer<Self>;

    /// What it writes: a statement cannot see what it writes itself, so that two that write the
    /// same are for two statements.
    fn written(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Does all of them, of which no two write the same, and answers each in its place.
    fn all(db: Db<'_>, all: &[&Self]) -> impl Future<Output = Stored<Vec<Self::Answer>>> + Send;
}

/// How operations go to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gathering {
    /// They only ask: asked again once where the connection broke, and nobody waits for longer than
    /// the store's patience.
    Reading,
    /// They do the same when they are sent again, and so they are where they are in doubt.
    Writing,
}

impl Gathering {
    /// How many statements are under way at most. Two questions, so that whoever comes while the
    /// first is answered does not wait for that; one write, since a commit takes as long for few as
    /// for many.
    fn under_way(self) -> usize {
        match self {
            Self::Reading => 2,
            Self::Writing => 1,
        }
    }
}

/// All that there are, a kind each.
pub(crate) struct Gatherers {
    pub(super) redemptions: Gatherer<Redemption>,
    pub(super) rotations: Gatherer<Rotation>,
    pub(super) grants: Gatherer<GrantAsked>,
    pub(super) accounts: Gatherer<AccountAsked>,
    pub(super) situations: Gatherer<SituationAsked>,
}

impl Gatherers {
    pub(super) fn start(ways: &Arc<Ways>) -> Self {
        Self {
            redemptions: Gatherer::start(ways),
            rotations: Gatherer::start(ways),
            grants: Gatherer::start(ways),
            accounts: Gatherer::start(ways),
            situations: Gatherer::start(ways),
        }
    }
}

/// Where operations of one kind wait.
pub(crate) struct Gatherer<O: Gathered> {
    queue: mpsc::UnboundedSender<Order<O>>,
}

/// An operation that somebody waits for. Its place is the queue's bound.
struct Order<O: Gathered> {
    operation: O,
    end: Instant,
    reply: oneshot::Sender<Stored<O::Answer>>,
    _place: OwnedSemaphorePermit,
}

impl<O: Gathered> Gatherer<O> {
    /// Its tasks end when this is dropped.
    fn start(ways: &Arc<Ways>) -> Self {
        let (queue, orders) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(Waiting { orders, held: Vec::new() }));
        for _ in 0..O::MANNER.under_way() {
            tokio::spawn(work(ways.clone(), waiting.clone()));
        }
        Self { queue }
    }

    pub(super) async fn ask(
        &self,
        operation: O,
        end: Instant,
        place: OwnedSemaphorePermit,
    ) -> Stored<O::Answer> {
        let (reply, answer) = oneshot::channel();
        let order = Order { operation, end, reply, _place: place };
        let stopped = StoreError::Unavailable(STOPPED.into());
        self.queue.send(order).map_err(|_| stopped.clone())?;
        match O::MANNER {
            Gathering::Reading => match timeout_at(end, answer).await {
                Ok(answer) => answer.unwrap_or(Err(stopped)),
                Err(_) => Err(StoreError::Unavailable(LATE.into())),
            },
            // It may have been sent.
            Gathering::Writing => {
                answer.await.unwrap_or_else(|_| Err(StoreError::InDoubt(STOPPED.into())))
            }
        }
    }
}

const STOPPED: &str = "the store has stopped";

/// What waits, for whoever is free to take it.
struct Waiting<O: Gathered> {
    orders: mpsc::UnboundedReceiver<Order<O>>,
    /// What could not go with the last batch.
    held: Vec<Order<O>>,
}

impl<O: Gathered> Waiting<O> {
    /// Waits for an order and takes those that wait behind it.
    async fn gather(&mut self) -> Vec<Order<O>> {
        let mut waiting = std::mem::take(&mut self.held);
        if waiting.is_empty() {
            waiting.extend(self.orders.recv().await);
        }
        while waiting.len() < BATCH
            && let Ok(order) = self.orders.try_recv()
        {
            waiting.push(order);
        }
        let mut taken = HashSet::new();
        let (batch, held) = waiting.into_iter().partition(|order| {
            let written = order.operation.written();
            let is_free = written.iter().all(|key| !taken.contains(key));
            taken.extend(written);
            is_free
        });
        self.held = held;
        batch
    }
}

async fn work<O: Gathered>(ways: Arc<Ways>, waiting: Arc<Mutex<Waiting<O>>>) {
    loop {
        let batch = waiting.lock().await.gather().await;
        if batch.is_empty() {
            return;
        }
        let (in_time, late): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|order| order.end > Instant::now());
        for order in late {
            answer(order, Err(StoreError::Unavailable(LATE.into())));
        }
        if !in_time.is_empty() {
            together(&ways, in_time).await;
        }
    }
}

async fn together<O: Gathered>(ways: &Ways, batch: Vec<Order<O>>) {
    let all: Vec<&O> = batch.iter().map(|order| &order.operation).collect();
    match send(ways, &all).await {
        Ok(answers) => {
            for (order, outcome) in batch.into_iter().zip(answers) {
                answer(order, Ok(outcome));
            }
        }
        // One that cannot be done must not spoil the others.
        Err(StoreError::Broken(_) | StoreError::Conflict(_)) if batch.len() > 1 => {
            for order in batch {
                let alone = send(ways, &[&order.operation]).await;
                answer(order, alone.and_then(|mut answers| answers.pop().ok_or_else(none)));
            }
        }
        Err(error) => {
            for order in batch {
                answer(order, Err(error.clone()));
            }
        }
    }
}

async fn send<O: Gathered>(ways: &Ways, all: &[&O]) -> Stored<Vec<O::Answer>> {
    match O::MANNER {
        Gathering::Reading => {
            let mut reading = Reading::begin(ways, None).await?;
            loop {
                let asked = timeout_at(reading.end(), O::all(reading.db(), all)).await;
                if let Some(answers) = reading.judge(asked).await {
                    return answers;
                }
            }
        }
        Gathering::Writing => {
            let mut tries = Tries::new(ways, Manner::Statement, None);
            loop {
                let attempt = tries.next().await?;
                let sent = timeout_at(tries.end(), O::all(attempt.db(), all)).await;
                if let Some(answers) = tries.judge(attempt, sent).await {
                    return answers;
                }
            }
        }
    }
}

fn none() -> StoreError {
    StoreError::Broken("an operation has no answer".into())
}

fn answer<O: Gathered>(order: Order<O>, outcome: Stored<O::Answer>) {
    // Whoever has gone away does not need to know.
    drop(order.reply.send(outcome));
}

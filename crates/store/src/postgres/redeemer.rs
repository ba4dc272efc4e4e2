//! One task redeems codes: it takes whatever waits and sends it as one statement, and nobody
//! lingers. What comes meanwhile is the next batch.

use std::collections::HashSet;
use std::sync::Arc;

use keystile_authority::decisions::{Redeemed, Redemption};
use keystile_authority::ports::{StoreError, Stored};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::redemptions::redeem_all;
use super::tries::{Manner, Tries};
use super::{LATE, Ways};

/// Redemptions in one statement at most.
const BATCH: usize = 64;

pub(crate) struct Redeemer {
    queue: mpsc::UnboundedSender<Order>,
}

/// A redemption that somebody waits for. Its place is the queue's bound.
struct Order {
    redemption: Redemption,
    end: Instant,
    reply: oneshot::Sender<Stored<Redeemed>>,
    _place: OwnedSemaphorePermit,
}

impl Redeemer {
    /// The task ends when this is dropped.
    pub(super) fn start(ways: Arc<Ways>) -> Self {
        let (queue, orders) = mpsc::unbounded_channel();
        tokio::spawn(Desk { ways, orders, held: Vec::new() }.work());
        Self { queue }
    }

    pub(super) async fn redeem(
        &self,
        redemption: Redemption,
        end: Instant,
        place: OwnedSemaphorePermit,
    ) -> Stored<Redeemed> {
        let (reply, answer) = oneshot::channel();
        let order = Order { redemption, end, reply, _place: place };
        self.queue.send(order).map_err(|_| StoreError::Unavailable(STOPPED.into()))?;
        // It may have been sent.
        answer.await.unwrap_or_else(|_| Err(StoreError::InDoubt(STOPPED.into())))
    }
}

const STOPPED: &str = "the store has stopped";

/// Where the task works.
struct Desk {
    ways: Arc<Ways>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What could not go with the last batch.
    held: Vec<Order>,
}

impl Desk {
    async fn work(mut self) {
        loop {
            let batch = self.gather().await;
            if batch.is_empty() {
                return;
            }
            let (in_time, late): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|order| order.end > Instant::now());
            for order in late {
                answer(order, Err(StoreError::Unavailable(LATE.into())));
            }
            if !in_time.is_empty() {
                self.redeem(in_time).await;
            }
        }
    }

    /// Waits for an order and takes those that wait behind it. Two of one grant, or that use one
    /// thing once, are for two statements: a statement cannot see what it writes itself.
    async fn gather(&mut self) -> Vec<Order> {
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
            let once = order.redemption.once.iter().map(|used| used.key.to_vec());
            let grant = order.redemption.grant.as_bytes().to_vec();
            let keys: Vec<_> = once.chain([grant]).collect();
            let is_free = keys.iter().all(|key| !taken.contains(key));
            taken.extend(keys);
            is_free
        });
        self.held = held;
        batch
    }

    async fn redeem(&self, batch: Vec<Order>) {
        let all: Vec<&Redemption> = batch.iter().map(|order| &order.redemption).collect();
        match self.send(&all).await {
            Ok(outcomes) => {
                for (order, outcome) in batch.into_iter().zip(outcomes) {
                    answer(order, Ok(outcome));
                }
            }
            // One that cannot be written must not spoil the others.
            Err(StoreError::Broken(_) | StoreError::Conflict(_)) if batch.len() > 1 => {
                for order in batch {
                    let alone = self.send(&[&order.redemption]).await;
                    answer(order, alone.and_then(|mut outcomes| outcomes.pop().ok_or_else(none)));
                }
            }
            Err(error) => {
                for order in batch {
                    answer(order, Err(error.clone()));
                }
            }
        }
    }

    /// Sent again where it is in doubt: each finds its own row.
    async fn send(&self, all: &[&Redemption]) -> Stored<Vec<Redeemed>> {
        let mut tries = Tries::new(&self.ways, Manner::Statement, None);
        loop {
            let attempt = tries.next().await?;
            let sent = timeout_at(tries.end(), redeem_all(attempt.db(), all)).await;
            if let Some(outcomes) = tries.judge(attempt, sent).await {
                return outcomes;
            }
        }
    }
}

fn none() -> StoreError {
    StoreError::Broken("a redemption has no answer".into())
}

fn answer(order: Order, outcome: Stored<Redeemed>) {
    // Whoever has gone away does not need to know.
    drop(order.reply.send(outcome));
}

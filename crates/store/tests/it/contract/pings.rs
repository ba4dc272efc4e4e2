use std::sync::Arc;
use std::time::Duration;

use keystile_authority::fixtures;
use keystile_authority::pending::{Opened, Pending};
use keystile_authority::ping::{Ping, PingClaim};
use keystile_authority::ports::{OutboundError, PendingAuthorizations, PingOutbox};
use keystile_authority::rules::ping::{Attempt, LEASE, settle};
use keystile_protocol::Timestamp;
use keystile_protocol::seal::Sealed;
use tokio::sync::Barrier;

use super::{Backend, Memory, NOW, World, later};

/// Opens a request whose client is to be told.
async fn open<M: Memory>(world: &World<M>, byte: u8) -> Pending {
    let mut opened = fixtures::asked_pending(NOW, byte);
    opened.ping = Some(Sealed::from_text(format!("sealed {byte}")));
    opened.limits.of_client_to_user = 100;
    opened.limits.to_user = 100;
    let pending = opened.pending.clone();
    assert_eq!(world.store.open_pending(opened).await, Ok(Opened::Done));
    pending
}

async fn answer<M: Memory>(world: &World<M>, pending: &Pending, allow: bool, at: Timestamp) {
    let said = fixtures::pending_answered(pending, allow, at);
    assert_eq!(world.store.answer_pending(said).await, Ok(true));
}

async fn claim<M: Memory>(store: &M, now: Timestamp) -> Vec<Ping> {
    let claim = PingClaim { now, lease_until: now.plus(LEASE), limit: 10 };
    store.claim_pings(claim).await.expect("the store is there")
}

pub(crate) async fn ciba_10_2_a_word_makes_the_ping_due_and_so_does_the_end(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let (allowed, denied, ended) =
        (open(&world, 1).await, open(&world, 2).await, open(&world, 3).await);
    let silent = fixtures::asked_pending(NOW, 4);
    assert_eq!(world.store.open_pending(silent).await, Ok(Opened::Done));
    assert_eq!(claim(&*world.store, NOW).await, []);
    answer(&world, &allowed, true, later(1)).await;
    answer(&world, &denied, false, later(2)).await;
    let due = claim(&*world.store, later(2)).await;
    let told: Vec<_> = due.iter().map(|ping| (ping.request, ping.call.as_str())).collect();
    assert_eq!(told, [(allowed.grant, "sealed 1"), (denied.grant, "sealed 2")]);
    assert!(due.iter().all(|ping| ping.tries == 1 && ping.client == world.client.id));
    let at_the_end = claim(&*world.store, ended.expires_at).await;
    assert!(at_the_end.iter().any(|ping| ping.request == ended.grant));
}

pub(crate) async fn ciba_10_2_of_parallel_claims_one_gets_the_ping_until_its_lease_is_over(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let pending = open(&world, 1).await;
    answer(&world, &pending, true, NOW).await;
    let start = Arc::new(Barrier::new(8));
    let elsewhere = backend.another_process().await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, other) = (world.store.clone(), elsewhere.clone());
            let start = start.clone();
            tokio::spawn(async move {
                start.wait().await;
                claim(if task % 2 == 0 { &*store } else { &*other }, NOW).await.len()
            })
        })
        .collect();
    let mut claimed = 0;
    for task in tasks {
        claimed += task.await.expect("no panic");
    }
    assert_eq!(claimed, 1);
    assert_eq!(claim(&*world.store, later(59)).await, []);
    let again = claim(&*world.store, later(60)).await;
    assert_eq!(again[0].tries, 2, "the one who had it is dead");
}

pub(crate) async fn ciba_10_2_a_ping_that_failed_is_due_again_and_a_delivered_one_is_forgotten(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let pending = open(&world, 1).await;
    answer(&world, &pending, true, NOW).await;
    let ping = claim(&*world.store, NOW).await.remove(0);
    let failed = Attempt::Posted(Err(OutboundError::NoAnswer("timed out".into())));
    world.store.settle_ping(settle(&ping, &failed, NOW)).await.expect("noted");
    assert_eq!(claim(&*world.store, later(4)).await, []);
    let ping = claim(&*world.store, later(5)).await.remove(0);
    assert_eq!(ping.tries, 2);
    let gone = settle(&ping, &Attempt::NobodyThere, later(5));
    world.store.settle_ping(gone).await.expect("noted");
    assert_eq!(claim(&*world.store, later(100_000)).await, []);
}

pub(crate) async fn ciba_10_2_a_restore_forgets_pings(backend: &impl Backend) {
    let world = World::new(backend).await;
    open(&world, 1).await;
    world.store.raise_epoch(NOW).await.expect("raised");
    let end = NOW.plus(Duration::from_secs(100_000));
    assert_eq!(claim(&*world.store, end).await, []);
}

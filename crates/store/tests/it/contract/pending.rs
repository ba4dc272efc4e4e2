use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::pending::{Opened, Pace, Pending, PendingAnswer, PendingOpened};
use keystile_authority::ports::{PendingAuthorizations, Registry, Store};
use keystile_authority::rules::pending::STAYS;
use keystile_authority::user_code::UserCode;
use keystile_protocol::Timestamp;
use tokio::sync::Barrier;

use super::{Backend, Memory, NOW, World, later};

async fn open<M: Memory>(store: &M, opened: PendingOpened) -> Opened {
    store.open_pending(opened).await.expect("the store is there")
}

async fn stored<M: Memory>(world: &World<M>, pending: &Pending) -> Option<Pending> {
    world.store.pending(&pending.grant).await.expect("the store is there")
}

/// One that waits, and the same once the user has allowed it.
async fn allowed<M: Memory>(world: &World<M>, byte: u8) -> Pending {
    let pending = fixtures::pending(NOW, byte);
    assert_eq!(open(&*world.store, pending.clone()).await, Opened::Done);
    let said = fixtures::pending_answered(&pending.pending, true, NOW);
    assert_eq!(world.store.answer_pending(said).await, Ok(true));
    stored(world, &pending.pending).await.expect("there")
}

async fn redeem<M: Memory>(world: &World<M>, pending: &Pending, random: u8) -> Redeemed {
    let redemption = fixtures::pending_redemption(pending, &world.client, random);
    world.store.redeem_pending(redemption).await.expect("the store is there")
}

async fn lives<M: Memory>(world: &World<M>, pending: &Pending) -> bool {
    let grant = world.store.grant(&pending.grant, None, NOW).await.expect("the store is there");
    grant.is_some_and(|now| now.alive)
}

pub(crate) async fn rfc_8628_what_waits_is_found_by_its_key_and_by_its_user_code(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let mut opened = fixtures::pending(NOW, 1);
    opened.pending.resources = vec!["https://photos.example".into()];
    opened.pending.pace.last_poll = Some(later(1));
    let pending = opened.pending.clone();
    assert_eq!(open(&*world.store, opened.clone()).await, Opened::Done);
    assert_eq!(stored(&world, &pending).await, Some(pending.clone()));
    let code = pending.user_code.expect("it has one");
    let other = backend.another_process().await;
    assert_eq!(other.pending_by_user_code(&code).await, Ok(Some(pending.clone())));
    let none = UserCode::from_letters("XXXXXXXX").expect("a code");
    assert_eq!(world.store.pending_by_user_code(&none).await, Ok(None));

    let mut second = fixtures::pending(NOW, 2);
    second.pending.user_code = Some(code);
    assert_eq!(open(&*world.store, second.clone()).await, Opened::CodeTaken);
    assert_eq!(stored(&world, &second.pending).await, None);
    for byte in [3, 4] {
        let mut without = fixtures::pending(NOW, byte);
        without.pending.user_code = None;
        assert_eq!(open(&*world.store, without).await, Opened::Done);
    }
}

pub(crate) async fn rfc_8628_5_1_a_network_and_all_of_them_have_a_cap(backend: &impl Backend) {
    let world = World::new(backend).await;
    let wait = async |byte: u8, network: &str, at: Timestamp| {
        let mut opened = fixtures::pending(at, byte);
        opened.limits.from_network = 2;
        opened.limits.in_all = 4;
        opened.network = network.to_owned();
        open(&*world.store, opened).await
    };
    assert_eq!(wait(1, "a", NOW).await, Opened::Done);
    assert_eq!(wait(2, "a", NOW).await, Opened::Done);
    assert_eq!(wait(3, "a", NOW).await, Opened::TooMany);
    let answered = fixtures::pending_answered(&fixtures::pending(NOW, 1).pending, false, NOW);
    assert_eq!(world.store.answer_pending(answered).await, Ok(true));
    assert_eq!(wait(3, "a", NOW).await, Opened::Done, "what is answered waits no more");
    assert_eq!(wait(4, "b", NOW).await, Opened::Done);
    assert_eq!(wait(5, "c", NOW).await, Opened::Full, "and is still there");
    assert_eq!(wait(5, "a", later(600)).await, Opened::Done, "they have ended by then");
}

pub(crate) async fn rfc_8628_3_3_of_parallel_words_the_first_counts_and_brings_its_consent(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let opened = fixtures::pending(NOW, 1);
    assert_eq!(open(&*world.store, opened.clone()).await, Opened::Done);
    let start = Arc::new(Barrier::new(8));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, start) = (world.store.clone(), start.clone());
            let said = fixtures::pending_answered(&opened.pending, task % 2 == 0, NOW);
            tokio::spawn(async move {
                start.wait().await;
                (task % 2 == 0, store.answer_pending(said).await.expect("the store is there"))
            })
        })
        .collect();
    let mut counted = Vec::new();
    for task in tasks {
        let (allows, first) = task.await.expect("no panic");
        counted.extend(first.then_some(allows));
    }
    let [allows] = counted[..] else { panic!("{counted:?}") };
    let answer = stored(&world, &opened.pending).await.expect("there").answer;
    assert_eq!(matches!(answer, Some(PendingAnswer::Allowed(_))), allows, "{answer:?}");
    let apps = world.store.apps_of(&world.account).await.expect("there");
    assert_eq!(apps.len(), usize::from(allows));

    let late = fixtures::pending(NOW, 2);
    assert_eq!(open(&*world.store, late.clone()).await, Opened::Done);
    let said = fixtures::pending_answered(&late.pending, true, late.pending.expires_at);
    assert_eq!(world.store.answer_pending(said).await, Ok(false));
}

pub(crate) async fn rfc_8628_3_5_of_parallel_polls_one_gets_the_grant_and_it_lives(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let stores = [world.store.clone(), backend.another_process().await];
    for round in 0..5 {
        let pending = allowed(&world, round).await;
        assert!(!pending.redeemed);
        let start = Arc::new(Barrier::new(16));
        let tasks: Vec<_> = (0..16_u8)
            .map(|task| {
                let (store, start) = (stores[usize::from(task % 2)].clone(), start.clone());
                let redemption = fixtures::pending_redemption(&pending, &world.client, task);
                tokio::spawn(async move {
                    start.wait().await;
                    store.redeem_pending(redemption).await.expect("the store is there")
                })
            })
            .collect();
        let mut outcomes: HashMap<String, usize> = HashMap::new();
        for task in tasks {
            *outcomes.entry(format!("{:?}", task.await.expect("no panic"))).or_default() += 1;
        }
        assert_eq!(outcomes, HashMap::from([("Done".into(), 1), ("Taken".into(), 15)]));
        assert!(lives(&world, &pending).await);
        assert!(stored(&world, &pending).await.expect("there").redeemed);
    }
}

pub(crate) async fn rfc_8628_3_5_of_parallel_polls_one_sets_the_pace(backend: &impl Backend) {
    let world = World::new(backend).await;
    let opened = fixtures::pending(NOW, 1);
    assert_eq!(open(&*world.store, opened.clone()).await, Opened::Done);
    let (grant, before) = (opened.pending.grant, opened.pending.pace);
    let after = Pace { last_poll: Some(later(1)), ..before };
    let first = fixtures::polled(grant, before, after);
    assert_eq!(world.store.note_poll(first).await, Ok(true));
    assert_eq!(world.store.note_poll(first).await, Ok(false), "another poll came first");
    let slower = Pace { interval: Duration::from_secs(10), ..after };
    let second = fixtures::polled(grant, after, slower);
    assert_eq!(world.store.note_poll(second).await, Ok(true));
    assert_eq!(stored(&world, &opened.pending).await.expect("there").pace, slower);
}

pub(crate) async fn idea_5_what_ends_between_word_and_poll_ends_the_authorization(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let ended = allowed(&world, 1).await;
    world.store.withdraw_consent(&world.account, &world.client.id, later(1)).await.expect("done");
    assert_eq!(redeem(&world, &ended, 1).await, Redeemed::Ended);
    assert!(!stored(&world, &ended).await.expect("there").redeemed);
    let off = allowed(&world, 2).await;
    world.store.set_account_enabled(&world.account, false).await.expect("off");
    assert_eq!(redeem(&world, &off, 1).await, Redeemed::Ended);
}

pub(crate) async fn idea_4_a_poll_sent_again_after_a_commit_in_doubt_is_done(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let pending = allowed(&world, 1).await;
    for _ in 0..3 {
        assert_eq!(redeem(&world, &pending, 1).await, Redeemed::Done);
    }
    assert_eq!(redeem(&world, &pending, 2).await, Redeemed::Taken);
    assert!(lives(&world, &pending).await);
}

pub(crate) async fn what_has_ended_is_forgotten_after_a_while_and_at_a_restore_at_once(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    for byte in 1..=3 {
        assert_eq!(open(&*world.store, fixtures::pending(NOW, byte)).await, Opened::Done);
    }
    let fresh = fixtures::pending(later(60), 4);
    assert_eq!(open(&*world.store, fresh.clone()).await, Opened::Done);
    let end = fixtures::pending(NOW, 1).pending.expires_at.plus(STAYS);
    assert_eq!(world.store.sweep(end, 100).await.expect("swept").pending, 0);
    let after = end.plus(Duration::from_millis(1));
    let step = world.store.sweep(after, 2).await.expect("swept");
    assert!(step.pending == 2 && !step.finished, "{step:?}");
    assert_eq!(world.store.sweep(after, 100).await.expect("swept").pending, 1);
    assert!(stored(&world, &fresh.pending).await.is_some());
    world.store.raise_epoch(NOW).await.expect("raised");
    assert!(stored(&world, &fresh.pending).await.is_none());
}

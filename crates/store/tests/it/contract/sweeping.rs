use std::time::Duration;

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::GrantId;
use keystile_authority::policy::Lifetimes;
use keystile_authority::ports::{Registry, Store};
use keystile_authority::rules::forgetting::forgettable;
use keystile_protocol::Timestamp;
use keystile_store::{Swept, Work};

use tokio::task::JoinSet;

use super::{Backend, Memory, NOW, SECRET_DIGEST, World, another_session, later, offline_code};

/// Sweeps from the beginning to the end.
async fn sweep_all<M: Memory>(world: &World<M>, now: Timestamp, limit: u32) -> Swept {
    let mut all = Swept::default();
    while !all.finished {
        all += world.store.sweep(now, limit).await.expect("swept");
    }
    all
}

pub(crate) async fn finding_2_a_grants_row_stays_until_keep_until_whatever_ended_it(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    let redemption = fixtures::redemption(&code, &world.client, 1);
    let keep_until = redemption.keep_until;
    assert_eq!(world.store.redeem_code(redemption).await, Ok(Redeemed::Done));
    world.store.revoke_grant(&code.grant, NOW).await.expect("revoked");
    world.store.remove_client(&world.client.id).await.expect("removed");
    world.store.remove_account(&world.account).await.expect("removed");
    assert_eq!(sweep_all(&world, keep_until, 100).await.grants, 0);
    assert!(!world.is_alive(&code, keep_until).await);
    let after = keep_until.plus(Duration::from_millis(1));
    assert_eq!(sweep_all(&world, after, 100).await.grants, 1);
    assert_eq!(world.store.grant(&code.grant, None, after).await, Ok(None));
}

pub(crate) async fn ended_sessions_and_expired_tokens_go_and_live_ones_stay(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    for byte in [5, 6] {
        let opened = fixtures::session_opened(another_session(byte, NOW), SECRET_DIGEST);
        world.store.open_session(opened).await.expect("opened");
    }
    let ended = another_session(5, NOW).id;
    world.store.end_session(&ended, &world.account, NOW).await.expect("ended");
    let expired = another_session(6, NOW).id;
    world.store.touch_session(&expired, NOW, later(60)).await.expect("shortened");
    world.store.revoke_token("old", later(60)).await.expect("revoked");
    world.store.revoke_token("new", later(6000)).await.expect("revoked");
    let first = sweep_all(&world, later(70), 100).await;
    assert_eq!((first.sessions, first.tokens), (0, 1), "what has just ended may be asked about");
    assert_eq!(sweep_all(&world, later(4000), 100).await.sessions, 2);
    assert_eq!(world.store.token_revoked("old").await, Ok(false));
    assert_eq!(world.store.token_revoked("new").await, Ok(true));
    assert_eq!(world.store.sessions_of(&world.account, NOW).await.expect("there").len(), 1);
}

pub(crate) async fn small_steps_walk_over_everything(backend: &impl Backend) {
    let world = World::new(backend).await;
    for number in 0..50 {
        let mut code = if number % 5 == 0 { offline_code(NOW) } else { fixtures::code(NOW) };
        code.grant = GrantId::new(NOW, [number; 10]);
        assert_eq!(world.redeem(&code, number).await, Redeemed::Done);
    }
    let step = world.store.sweep(later(3600), 7).await.expect("swept");
    assert!(step.grants <= 7 && !step.finished, "{step:?}");
    let rest = sweep_all(&world, later(3600), 7).await;
    assert_eq!(step.grants + rest.grants, 40);
    assert_eq!(sweep_all(&world, later(3600), 7).await.grants, 0);
}

pub(crate) async fn revoked_and_idle_grants_go_when_no_code_of_theirs_can_come(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let lifetimes = Lifetimes::default();
    let [revoked, idle, used] = [1, 2, 3].map(|byte| {
        let mut code = offline_code(NOW);
        code.grant = GrantId::new(NOW, [byte; 10]);
        code
    });
    for (random, code) in [&revoked, &idle, &used].into_iter().enumerate() {
        let random = u8::try_from(random).expect("three");
        assert_eq!(world.redeem(code, random).await, Redeemed::Done);
    }
    world.store.revoke_grant(&revoked.grant, NOW).await.expect("revoked");
    // The first moment at which NOW is before the rule's.
    let millisecond = Duration::from_millis(1);
    let proof = NOW.since(forgettable(&lifetimes, NOW).approved_before);
    assert_eq!(sweep_all(&world, NOW.plus(proof), 100).await.grants, 0);
    assert_eq!(sweep_all(&world, NOW.plus(proof + millisecond), 100).await.grants, 1);
    assert_eq!(world.store.grant(&revoked.grant, None, NOW).await, Ok(None));
    let unused = NOW.since(forgettable(&lifetimes, NOW).unused_since);
    world.store.touch_grant(&used.grant, NOW.plus(unused)).await.expect("noted");
    assert_eq!(sweep_all(&world, NOW.plus(unused), 100).await.grants, 0);
    assert_eq!(sweep_all(&world, NOW.plus(unused + millisecond), 100).await.grants, 1);
    assert!(world.is_alive(&used, NOW).await);
}

pub(crate) async fn of_nodes_that_want_a_lease_at_once_one_has_it_until_it_ends(
    backend: &impl Backend,
) {
    let stores = [backend.store(), backend.another_process().await];
    let mut tasks = JoinSet::new();
    for node in 0..16_u8 {
        let store = stores[usize::from(node % 2)].clone();
        tasks.spawn(async move {
            let taken = store.take_lease(Work::Sweep, [node; 16], NOW, later(60)).await;
            (node, taken.expect("the store is there"))
        });
    }
    let taken = tasks.join_all().await;
    let holders: Vec<u8> = taken.iter().filter(|(_, taken)| *taken).map(|(n, _)| *n).collect();
    let [holder] = holders[..] else { panic!("{taken:?}") };
    let take = async |node: u8, now, until| {
        let taken = stores[0].take_lease(Work::Sweep, [node; 16], now, until).await;
        taken.expect("the store is there")
    };
    assert!(take(holder, later(30), later(90)).await, "its holder has it for longer");
    assert!(!take(99, later(89), later(200)).await);
    assert!(take(99, later(90), later(200)).await, "it has ended");
    assert!(!take(holder, later(91), later(300)).await);
}

use std::time::Duration;

use keystile_authority::decisions::{Redeemed, Rotated};
use keystile_authority::fixtures;
use keystile_authority::ports::Store;

use super::{Backend, NOW, World, later, offline_code};

pub(crate) async fn idea_7_of_parallel_rotations_one_moves_the_counter(backend: &impl Backend) {
    let world = World::new(backend).await;
    let stores = [world.store.clone(), backend.another_process().await];
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    for generation in 0..10 {
        let rotation = fixtures::rotation(code.grant, generation, generation + 1, later(1));
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let store = stores[task % 2].clone();
                tokio::spawn(
                    async move { store.rotate(rotation).await.expect("the store is there") },
                )
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += usize::from(task.await.expect("no panic") == Rotated::Done);
        }
        assert_eq!(done, 1);
    }
    let grant = world.store.grant(&code.grant, None, NOW).await.expect("there").expect("a row");
    assert_eq!((grant.grant.generation, grant.grant.rotated_at), (10, later(1)));
    assert_eq!(grant.grant.last_used, later(1));
}

pub(crate) async fn idea_7_a_store_that_went_back_takes_the_tokens_counter(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    let rotation = fixtures::rotation(code.grant, 0, 4_000_000_000, NOW);
    assert_eq!(world.store.rotate(rotation).await, Ok(Rotated::Done));
    let grant = world.store.grant(&code.grant, None, NOW).await.expect("there").expect("a row");
    assert_eq!(grant.grant.generation, 4_000_000_000);
    assert_eq!(world.store.rotate(rotation).await, Ok(Rotated::Changed));
}

pub(crate) async fn idea_7_the_token_that_brought_the_newest_is_known(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    let brought = async || {
        let found = world.store.grant(&code.grant, None, NOW).await.expect("there");
        let grant = found.expect("a row").grant;
        (grant.generation, grant.predecessor)
    };
    assert_eq!(brought().await, (0, None), "the first comes of a code");
    // From, to, and what was presented for it.
    for (from, to, presented) in [(0, 1, 0), (1, 2, 0), (2, 3, 0), (3, 4, 3), (4, 8, 7)] {
        let mut rotation = fixtures::rotation(code.grant, from, to, NOW);
        rotation.presented = presented;
        assert_eq!(world.store.rotate(rotation).await, Ok(Rotated::Done));
        assert_eq!(brought().await, (to, Some(presented)));
    }
}

pub(crate) async fn idea_7_a_revoked_grants_counter_does_not_move(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    world.store.revoke_grant(&code.grant, NOW).await.expect("revoked");
    let rotation = fixtures::rotation(code.grant, 0, 1, NOW);
    assert_eq!(world.store.rotate(rotation).await, Ok(Rotated::Changed));
}

pub(crate) async fn idea_7_the_last_use_is_noted(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    world.store.touch_grant(&code.grant, later(5)).await.expect("noted");
    let grant = world.store.grant(&code.grant, None, NOW).await.expect("there").expect("a row");
    assert_eq!((grant.grant.last_used, grant.grant.rotated_at), (later(5), NOW));
}

pub(crate) async fn rfc_7009_2_1_one_access_token_ends_alone(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    let end = NOW.plus(Duration::from_secs(600));
    for _ in 0..2 {
        world.store.revoke_token("first", end).await.expect("revoked, once or twice");
    }
    for (jti, revoked) in [("first", true), ("second", false)] {
        let grant = world.store.grant(&code.grant, Some(jti), NOW).await.expect("there");
        let grant = grant.expect("a row");
        assert_eq!((grant.alive, grant.token_revoked), (true, revoked), "{jti}");
        assert_eq!(world.store.token_revoked(jti).await, Ok(revoked), "{jti}");
    }
}

use std::sync::Arc;

use keystile_authority::decisions::{OnceKind, Redeemed};
use keystile_authority::fixtures;
use keystile_authority::ports::Store;
use keystile_protocol::access_token::SenderConstraint;
use keystile_protocol::jose::Thumbprint;
use tokio::sync::Barrier;

use super::{Backend, Memory, NOW, World, later, offline_code};

/// Half of them by another process.
pub(crate) async fn rfc_9449_11_1_of_parallel_uses_of_one_jti_one_is_the_first(
    backend: &impl Backend,
) {
    const TASKS: u8 = 32;
    let stores = [backend.store(), backend.another_process().await];
    for kind in [OnceKind::DpopProof, OnceKind::ClientAssertion] {
        for round in 0..5 {
            let once = fixtures::used_once(kind, &format!("{round}"), later(60));
            let start = Arc::new(Barrier::new(TASKS.into()));
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| {
                    let (store, start) = (stores[usize::from(task % 2)].clone(), start.clone());
                    tokio::spawn(async move {
                        start.wait().await;
                        store.use_once(vec![once], [task; 16]).await.expect("the store is there")
                    })
                })
                .collect();
            let mut first = 0;
            for task in tasks {
                let outcome = task.await.expect("no panic");
                assert!(outcome.is_none_or(|found| found == kind));
                first += usize::from(outcome.is_none());
            }
            assert_eq!(first, 1);
        }
    }
}

pub(crate) async fn idea_4_a_use_sent_again_after_a_commit_in_doubt_is_the_first(
    backend: &impl Backend,
) {
    let store = backend.store();
    let both = || {
        let of = |kind| fixtures::used_once(kind, "j", later(60));
        vec![of(OnceKind::ClientAssertion), of(OnceKind::DpopProof)]
    };
    for _ in 0..3 {
        assert_eq!(store.use_once(both(), [1; 16]).await, Ok(None));
    }
    assert_eq!(store.use_once(both(), [2; 16]).await, Ok(Some(OnceKind::ClientAssertion)));
    let proof = both().split_off(1);
    assert_eq!(store.use_once(proof, [2; 16]).await, Ok(Some(OnceKind::DpopProof)));
    assert_eq!(store.use_once(Vec::new(), [2; 16]).await, Ok(None));
}

/// Whoever proves nothing neither redeems nor revokes.
pub(crate) async fn finding_13_a_redemption_with_a_used_jti_leaves_the_grant_as_it_is(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    let with_proof = |random: u8, jti: &str| {
        let mut redemption = fixtures::redemption(&code, &world.client, random);
        redemption.once = vec![fixtures::used_once(OnceKind::DpopProof, jti, later(60))];
        redemption
    };
    let redeem = async |redemption| world.store.redeem_code(redemption).await.expect("there");
    for _ in 0..2 {
        assert_eq!(redeem(with_proof(1, "a")).await, Redeemed::Done, "also when sent again");
    }
    let again = redeem(with_proof(2, "a")).await;
    assert_eq!(again, Redeemed::UsedBefore(OnceKind::DpopProof));
    assert!(world.is_alive(&code, NOW).await);
    assert_eq!(redeem(with_proof(3, "b")).await, Redeemed::Replayed);
    assert!(!world.is_alive(&code, NOW).await);
}

pub(crate) async fn rfc_9449_5_and_rfc_8705_7_1_a_grant_keeps_what_it_is_bound_to(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let thumbprint = Thumbprint::from_bytes([9; 32]);
    let constraints = [
        None,
        Some(SenderConstraint::DpopKey(thumbprint)),
        Some(SenderConstraint::Certificate(thumbprint)),
    ];
    for (at, bound_to) in (0..).map(later).zip(constraints) {
        let code = offline_code(at);
        let mut redemption = fixtures::redemption(&code, &world.client, 1);
        redemption.bound_to = bound_to;
        assert_eq!(world.store.redeem_code(redemption).await, Ok(Redeemed::Done));
        let grant = world.store.grant(&code.grant, None, at).await.expect("there").expect("a row");
        assert_eq!(grant.grant.bound_to, bound_to);
    }
}

pub(crate) async fn what_is_refused_for_its_age_is_forgotten(backend: &impl Backend) {
    let store = backend.store();
    let old = fixtures::used_once(OnceKind::DpopProof, "old", later(60));
    let new = fixtures::used_once(OnceKind::DpopProof, "new", later(120));
    assert_eq!(store.use_once(vec![old, new], [1; 16]).await, Ok(None));
    assert_eq!(store.sweep(later(60), 10).await.expect("swept").used_once, 0);
    assert_eq!(store.sweep(later(61), 10).await.expect("swept").used_once, 1);
    assert_eq!(store.use_once(vec![new], [2; 16]).await, Ok(Some(OnceKind::DpopProof)));
    assert_eq!(store.use_once(vec![old], [2; 16]).await, Ok(None));
}

use std::collections::HashMap;
use std::sync::Arc;

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::GrantId;
use keystile_authority::ports::{Registry, Store};
use keystile_authority::rules::asked_claims::{AskedClaim, AskedClaims};
use keystile_authority::sealed::Code;
use tokio::sync::Barrier;

use super::{Backend, Memory, NOW, World, later};

/// Half of them by another process.
pub(crate) async fn rfc_6749_4_1_2_of_parallel_redemptions_one_is_done_and_the_grant_is_revoked(
    backend: &impl Backend,
) {
    const TASKS: u8 = 32;
    let world = World::new(backend).await;
    let stores = [world.store.clone(), backend.another_process().await];
    for round in 0..10 {
        let mut code = fixtures::code(NOW);
        code.grant = GrantId::new(NOW, [round; 10]);
        let start = Arc::new(Barrier::new(TASKS.into()));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (store, start) = (stores[usize::from(task % 2)].clone(), start.clone());
                let redemption = fixtures::redemption(&code, &world.client, task);
                tokio::spawn(async move {
                    start.wait().await;
                    store.redeem_code(redemption).await.expect("the store is there")
                })
            })
            .collect();
        let mut outcomes: HashMap<String, usize> = HashMap::new();
        for task in tasks {
            let outcome = task.await.expect("no panic");
            *outcomes.entry(format!("{outcome:?}")).or_default() += 1;
        }
        assert_eq!(outcomes, HashMap::from([("Done".into(), 1), ("Replayed".into(), 31)]));
        assert!(!world.is_alive(&code, NOW).await);
    }
}

pub(crate) async fn idea_4_a_redemption_sent_again_after_a_commit_in_doubt_is_done(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    for _ in 0..3 {
        assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
        assert!(world.is_alive(&code, NOW).await);
    }
    assert_eq!(world.redeem(&code, 2).await, Redeemed::Replayed);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Replayed, "it was revoked meanwhile");
}

pub(crate) async fn rfc_6749_4_1_2_a_replay_revokes_the_grant(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    assert!(world.is_alive(&code, NOW).await);
    assert_eq!(world.redeem(&code, 2).await, Redeemed::Replayed);
    assert!(!world.is_alive(&code, NOW).await);
    assert_eq!(world.redeem(&code, 3).await, Redeemed::Replayed);
}

/// The account comes back, the grant does not.
pub(crate) async fn idea_4_a_replay_of_an_ended_grant_revokes_it_for_good(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    world.store.set_account_enabled(&world.account, false).await.expect("it is there");
    assert_eq!(world.redeem(&code, 2).await, Redeemed::Ended);
    world.store.set_account_enabled(&world.account, true).await.expect("it is there");
    assert!(!world.is_alive(&code, NOW).await);
}

/// A code may be opened just before a restore or a promotion, and come to the store just after.
pub(crate) async fn idea_6_a_code_of_an_epoch_that_is_over_gives_nothing(backend: &impl Backend) {
    let world = World::new(backend).await;
    let (before, mut during) = (fixtures::code(NOW), fixtures::code(NOW));
    during.grant = GrantId::new(NOW, [9; 10]);
    let redeem = async |code: &Code, epoch, random| {
        let redemption = fixtures::redemption_in(epoch, code, &world.client, random);
        world.store.redeem_code(redemption).await.expect("the store is there")
    };
    let old = world.store.epoch();
    assert_eq!(redeem(&before, old, 1).await, Redeemed::Done);
    let new = world.store.raise_epoch(NOW).await.expect("raised");
    assert_eq!(redeem(&before, old, 1).await, Redeemed::Done, "it was in doubt, and is settled");
    assert!(world.is_alive(&before, NOW).await, "grants outlive epochs");
    assert_eq!(redeem(&during, old, 1).await, Redeemed::Ended);
    assert!(world.store.grant(&during.grant, None, NOW).await.expect("it answers").is_none());
    assert_eq!(redeem(&during, new, 2).await, Redeemed::Done);
    assert_eq!(redeem(&before, old, 2).await, Redeemed::Ended);
    assert!(!world.is_alive(&before, NOW).await, "it came again");
}

pub(crate) async fn row_1_4_a_late_code_revokes_what_it_once_gave(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    let never = GrantId::new(NOW, [9; 10]);
    world.store.revoke_redeemed(&never, None, later(90)).await.expect("nothing to do");
    assert_eq!(world.store.grant(&never, None, NOW).await, Ok(None));
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    world.store.revoke_redeemed(&code.grant, None, later(90)).await.expect("revoked");
    assert!(!world.is_alive(&code, later(91)).await);
}

pub(crate) async fn idea_4_the_row_says_what_was_approved(backend: &impl Backend) {
    let world = World::new(backend).await;
    let mut code = fixtures::code(NOW);
    code.resources = vec!["https://photos.example".into(), "https://mail.example".into()];
    code.methods = vec!["pwd".into(), "otp".into()];
    let asked = AskedClaim { name: "name".into(), values: vec!["\"Alice\"".into()] };
    code.claims = AskedClaims { userinfo: vec![asked], id_token: Vec::new() };
    let redemption = fixtures::redemption(&code, &world.client, 8);
    assert_eq!(world.store.redeem_code(redemption.clone()).await, Ok(Redeemed::Done));
    let now = world.store.grant(&code.grant, Some("j"), NOW).await.expect("there");
    let now = now.expect("a row");
    assert!(now.alive && !now.token_revoked);
    let grant = now.grant;
    assert_eq!(
        (grant.id, grant.account, grant.client, grant.session, grant.sid),
        (code.grant, code.account, code.client, Some(code.session), code.sid)
    );
    assert_eq!((grant.scope, grant.resources), (code.scope, code.resources));
    assert_eq!(grant.claims, code.claims);
    assert_eq!((grant.auth_time, grant.methods), (code.auth_time, code.methods));
    assert_eq!((grant.expires_at, grant.salt), (redemption.expires_at, redemption.salt));
    assert_eq!((grant.generation, grant.rotated_at, grant.last_used), (0, NOW, NOW));
}

/// Only the same code twice revokes (finding 22).
pub(crate) async fn rfc_9126_4_of_two_approvals_of_a_pushed_request_one_gives_the_grant(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let approval = |byte| Code { approval: Some([byte; 16]), ..fixtures::code(NOW) };
    let (first, second) = (approval(1), approval(2));
    assert_eq!(world.redeem(&first, 1).await, Redeemed::Done);
    assert_eq!(world.redeem(&second, 2).await, Redeemed::Taken);
    world.store.revoke_redeemed(&second.grant, second.approval, NOW).await.expect("no row");
    assert!(world.is_alive(&first, NOW).await, "the second one spoils nothing");
    assert_eq!(world.redeem(&first, 3).await, Redeemed::Replayed);
    assert!(!world.is_alive(&first, NOW).await);
    assert_eq!(world.redeem(&second, 4).await, Redeemed::Taken);

    let mut late = approval(3);
    late.grant = GrantId::new(NOW, [3; 10]);
    assert_eq!(world.redeem(&late, 5).await, Redeemed::Done);
    world.store.revoke_redeemed(&late.grant, late.approval, NOW).await.expect("revoked");
    assert!(!world.is_alive(&late, NOW).await);
}

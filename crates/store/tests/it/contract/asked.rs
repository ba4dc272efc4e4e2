use keystile_authority::fixtures;
use keystile_authority::ids::AccountId;
use keystile_authority::pending::{Opened, Pending, PendingOpened};
use keystile_authority::ports::{PendingAuthorizations, Registry};
use keystile_protocol::Timestamp;

use super::{Backend, Memory, NOW, World, later};

/// Opens one, changed.
async fn wait<M: Memory>(
    world: &World<M>,
    (at, byte): (Timestamp, u8),
    change: impl FnOnce(&mut PendingOpened),
) -> Opened {
    let mut opened = fixtures::asked_pending(at, byte);
    change(&mut opened);
    world.store.open_pending(opened).await.expect("the store is there")
}

fn of(user: u8) -> impl FnOnce(&mut PendingOpened) {
    move |opened| {
        opened.pending.asked_of.as_mut().expect("a user").account = account(user);
    }
}

fn account(byte: u8) -> AccountId {
    AccountId::from_bytes([byte; 16])
}

async fn waiting<M: Memory>(world: &World<M>, at: Timestamp) -> Vec<Pending> {
    world.store.waiting_for(&world.account, at, 10).await.expect("the store is there")
}

pub(crate) async fn ciba_8_a_user_finds_what_waits_the_newest_first(backend: &impl Backend) {
    let world = World::new(backend).await;
    for (at, byte) in [(NOW, 1), (later(60), 2)] {
        assert_eq!(wait(&world, (at, byte), |_| {}).await, Opened::Done);
    }
    assert_eq!(wait(&world, (NOW, 3), of(2)).await, Opened::Done);
    let device = fixtures::pending(NOW, 4);
    assert_eq!(world.store.open_pending(device).await, Ok(Opened::Done));
    let [first, second] =
        [(NOW, 1), (later(60), 2)].map(|(at, byte)| fixtures::asked_pending(at, byte).pending);
    assert_eq!(waiting(&world, later(60)).await, [second.clone(), first.clone()]);
    assert_eq!(world.store.pending(&first.grant).await, Ok(Some(first.clone())));
    let newest = backend.another_process().await.waiting_for(&world.account, NOW, 1).await;
    assert_eq!(newest, Ok(vec![second.clone()]));

    assert_eq!(
        waiting(&world, first.expires_at).await,
        vec![second.clone()],
        "the first has ended"
    );
    let denied = fixtures::pending_answered(&second, false, later(60));
    assert_eq!(world.store.answer_pending(denied).await, Ok(true));
    assert_eq!(waiting(&world, later(60)).await, [first]);
    let mut off = world.client.clone();
    off.enabled = false;
    world.store.put_client(&off).await.expect("off");
    assert_eq!(waiting(&world, NOW).await, []);
}

pub(crate) async fn ciba_8_nobody_answers_for_the_user_who_was_asked(backend: &impl Backend) {
    let world = World::new(backend).await;
    assert_eq!(wait(&world, (NOW, 1), of(2)).await, Opened::Done);
    let mut pending = fixtures::asked_pending(NOW, 1).pending;
    for allow in [true, false] {
        let said = fixtures::pending_answered(&pending, allow, NOW);
        assert_eq!(world.store.answer_pending(said).await, Ok(false));
    }
    pending.asked_of.as_mut().expect("a user").account = account(2);
    assert_eq!(world.store.pending(&pending.grant).await, Ok(Some(pending)), "as it was");
}

pub(crate) async fn ciba_a_client_a_user_and_both_have_a_cap_and_a_no_counts(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let limited = |user: u8, client: &'static str| {
        move |opened: &mut PendingOpened| {
            of(user)(opened);
            opened.pending.client = fixtures::client_id(client);
            opened.limits.from_network = 0;
            opened.limits.of_client_to_user = 2;
            opened.limits.to_user = 3;
            opened.limits.of_client = 4;
            opened.limits.in_all = 6;
        }
    };
    let ask =
        async |byte: u8, user: u8, client| wait(&world, (NOW, byte), limited(user, client)).await;
    assert_eq!(ask(1, 1, "app").await, Opened::Done);
    assert_eq!(ask(2, 1, "app").await, Opened::Done);
    assert_eq!(ask(3, 1, "app").await, Opened::TooMany, "of one client to one user");
    assert_eq!(ask(3, 1, "other").await, Opened::Done);
    assert_eq!(ask(4, 1, "third").await, Opened::TooMany, "to one user");
    assert_eq!(ask(4, 2, "app").await, Opened::Done);
    assert_eq!(ask(5, 3, "app").await, Opened::Done);
    assert_eq!(ask(6, 4, "app").await, Opened::TooMany, "of one client");
    assert_eq!(ask(6, 4, "other").await, Opened::Done);
    assert_eq!(ask(7, 5, "third").await, Opened::Full, "in all");

    let first = fixtures::asked_pending(NOW, 1).pending;
    let denied = fixtures::pending_answered(&first, false, NOW);
    assert_eq!(world.store.answer_pending(denied).await, Ok(true));
    let roomy = |opened: &mut PendingOpened| {
        limited(1, "app")(opened);
        opened.limits.in_all = 10;
    };
    assert_eq!(wait(&world, (NOW, 7), roomy).await, Opened::TooMany, "no means no for a while");
    let second = fixtures::asked_pending(NOW, 2).pending;
    let allowed = fixtures::pending_answered(&second, true, NOW);
    assert_eq!(world.store.answer_pending(allowed).await, Ok(true));
    assert_eq!(wait(&world, (NOW, 7), roomy).await, Opened::Done);
    let device = fixtures::pending(NOW, 8);
    assert_eq!(world.store.open_pending(device).await, Ok(Opened::Done), "devices are apart");
}

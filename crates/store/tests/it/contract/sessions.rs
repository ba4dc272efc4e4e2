use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::SessionId;
use keystile_authority::ports::{Registry, SessionHandle, Store, StoreError};
use keystile_protocol::Timestamp;

use super::{Backend, Memory, NOW, SECRET_DIGEST, World, another_session, later};

async fn is_open<M: Memory>(world: &World<M>, handle: &SessionHandle, now: Timestamp) -> bool {
    let situation = world.store.situation(handle, None, now).await;
    situation.expect("the store is there").signed_in.is_some()
}

fn handle(id: SessionId) -> SessionHandle {
    SessionHandle { id, secret_digest: SECRET_DIGEST }
}

pub(crate) async fn idea_3_a_session_is_found_by_its_handle_alone(backend: &impl Backend) {
    let world = World::new(backend).await;
    let situation = world.store.situation(&world.handle(), None, NOW).await.expect("there");
    let signed_in = situation.signed_in.expect("signed in");
    assert_eq!(signed_in.session, world.session);
    assert_eq!(signed_in.username, "user1");
    let guessed = SessionHandle { secret_digest: [8; 32], ..world.handle() };
    assert!(!is_open(&world, &guessed, NOW).await, "another secret");
    assert!(!is_open(&world, &handle(SessionId::from_bytes([8; 16])), NOW).await, "another key");
}

pub(crate) async fn idea_3_a_new_session_ends_the_one_before(backend: &impl Backend) {
    let world = World::new(backend).await;
    let next = another_session(5, later(1));
    let mut opened = fixtures::session_opened(next.clone(), SECRET_DIGEST);
    opened.instead_of = Some(world.session.id);
    world.store.open_session(opened.clone()).await.expect("opened");
    assert!(is_open(&world, &handle(next.id), later(2)).await);
    assert!(!is_open(&world, &world.handle(), later(2)).await);
    let twice = world.store.open_session(opened).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
}

pub(crate) async fn idea_3_a_session_ends_by_itself_and_use_moves_its_end(backend: &impl Backend) {
    let world = World::new(backend).await;
    let end = world.session.expires_at;
    assert!(is_open(&world, &world.handle(), Timestamp::from_millis(end.millis() - 1)).await);
    assert!(!is_open(&world, &world.handle(), end).await);
    world.store.touch_session(&world.session.id, later(7), later(100)).await.expect("noted");
    let situation = world.store.situation(&world.handle(), None, NOW).await.expect("there");
    let session = situation.signed_in.expect("signed in").session;
    assert_eq!((session.last_used, session.expires_at), (later(7), later(100)));
    assert!(!is_open(&world, &world.handle(), later(100)).await);
    world.store.end_session(&world.session.id, &world.account, later(8)).await.expect("ended");
    world.store.touch_session(&world.session.id, later(9), end).await.expect("nothing to do");
    assert!(!is_open(&world, &world.handle(), later(9)).await, "what ended does not come back");
}

pub(crate) async fn idea_5_a_session_is_ended_by_its_own_account_alone(backend: &impl Backend) {
    let world = World::new(backend).await;
    let stranger = fixtures::account(2);
    world.store.add_account(&stranger, None).await.expect("added");
    world.store.end_session(&world.session.id, &stranger.id, NOW).await.expect("nothing to do");
    assert!(is_open(&world, &world.handle(), NOW).await);
    world.store.end_session(&world.session.id, &world.account, NOW).await.expect("ended");
    assert!(!is_open(&world, &world.handle(), NOW).await);
}

pub(crate) async fn idea_5_a_session_says_nothing_when_its_account_is_off_or_older_than_valid_from(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    world.store.set_account_enabled(&world.account, false).await.expect("off");
    assert!(!is_open(&world, &world.handle(), NOW).await);
    assert_eq!(world.store.sessions_of(&world.account, NOW).await, Ok(Vec::new()));
    world.store.set_account_enabled(&world.account, true).await.expect("on");
    assert!(is_open(&world, &world.handle(), NOW).await);
    world.store.sign_out_everywhere(&world.account, later(1)).await.expect("signed out");
    assert!(!is_open(&world, &world.handle(), later(1)).await);
    // Opened by a sign-in that began before and came to its end after.
    for (byte, auth_time, open) in [(5, NOW, false), (6, later(1), true)] {
        let session = another_session(byte, auth_time);
        let opened = fixtures::session_opened(session.clone(), SECRET_DIGEST);
        world.store.open_session(opened).await.expect("opened");
        assert_eq!(is_open(&world, &handle(session.id), later(2)).await, open);
    }
}

pub(crate) async fn idea_5_a_session_lists_the_clients_that_got_tokens_in_it(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let is_listed = async || {
        let situation = world.store.situation(&world.handle(), Some(&world.client.id), NOW).await;
        situation.expect("there").signed_in.expect("signed in").client_is_listed
    };
    assert!(!is_listed().await);
    let mut code = fixtures::code(NOW);
    for random in [1, 1, 2] {
        world.redeem(&code, random).await;
        assert!(is_listed().await);
    }
    code.grant = keystile_authority::ids::GrantId::new(NOW, [6; 10]);
    assert_eq!(world.redeem(&code, 3).await, Redeemed::Done, "listed already, and said so again");
    let other = fixtures::client_id("other");
    let situation = world.store.situation(&world.handle(), Some(&other), NOW).await;
    assert!(!situation.expect("there").signed_in.expect("signed in").client_is_listed);
}

pub(crate) async fn a_users_live_sessions_the_latest_first(backend: &impl Backend) {
    let world = World::new(backend).await;
    for (byte, seconds) in [(5, 10), (6, 20), (7, 30)] {
        let session = another_session(byte, later(seconds));
        let opened = fixtures::session_opened(session, SECRET_DIGEST);
        world.store.open_session(opened).await.expect("opened");
    }
    let ended = SessionId::from_bytes([6; 16]);
    world.store.end_session(&ended, &world.account, later(40)).await.expect("ended");
    let sessions = world.store.sessions_of(&world.account, later(50)).await.expect("there");
    let ids: Vec<_> = sessions.iter().map(|session| session.id.as_bytes()[0]).collect();
    assert_eq!(ids, [7, 5, 2]);
}

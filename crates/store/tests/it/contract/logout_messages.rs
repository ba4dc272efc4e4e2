use std::time::Duration;

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::{AccountId, GrantId, SessionId};
use keystile_authority::logout_message::{Claim, LogoutMessage};
use keystile_authority::ports::{LogoutOutbox, Registry, Store};
use keystile_authority::records::{Client, Session};
use keystile_authority::rules::logout_message::{Attempt, settle};
use keystile_authority::sealed::Code;
use keystile_protocol::Timestamp;

use super::{Backend, Memory, NOW, SECRET_DIGEST, World, another_session, later};

fn claim(now: Timestamp) -> Claim {
    Claim {
        now,
        lease_until: now.plus(Duration::from_secs(60)),
        give_up_at: now.plus(Duration::from_secs(86_400)),
        limit: 16,
    }
}

async fn claimed<M: Memory>(world: &World<M>, now: Timestamp) -> Vec<LogoutMessage> {
    world.store.claim_logout_messages(claim(now)).await.expect("the store is there")
}

/// A world whose client wants to be told, and got tokens in the session.
async fn told<M: Memory>(backend: &impl Backend<Memory = M>) -> World<M> {
    told_by(backend, 1).await
}

async fn told_by<M: Memory>(backend: &impl Backend<Memory = M>, grant: u8) -> World<M> {
    let world = World::new(backend).await;
    wants_messages(&world, &world.client).await;
    let code = Code { grant: GrantId::new(NOW, [grant; 10]), ..fixtures::code(NOW) };
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    world
}

async fn wants_messages<M: Memory>(world: &World<M>, client: &Client) {
    let mut client = client.clone();
    client.logout.backchannel_uri = Some("https://app.example/out".into());
    world.store.put_client(&client).await.expect("put");
}

async fn replace<M: Memory>(world: &World<M>, byte: u8, account: AccountId) -> Session {
    let next = Session { sid: [byte; 16], account, ..another_session(byte, later(1)) };
    let mut opened = fixtures::session_opened(next.clone(), SECRET_DIGEST);
    opened.instead_of = Some(world.session.id);
    world.store.open_session(opened).await.expect("opened");
    next
}

pub(crate) async fn back_channel_logout_2_5_each_way_to_end_a_session_writes_one_message(
    backend: &impl Backend,
) {
    for way in 0..6 {
        let world = told_by(backend, way).await;
        let (store, account) = (&world.store, &world.account);
        match way {
            0 => store.end_session(&world.session.id, account, NOW).await.expect("ended"),
            1 => store.sign_out_everywhere(account, later(1)).await.expect("signed out"),
            2 => store.change_password(account, "$new", later(1)).await.expect("changed"),
            3 => store.set_account_enabled(account, false).await.expect("off"),
            4 => {
                let other = fixtures::account(9);
                store.add_account(&other, None).await.expect("added");
                replace(&world, 9, other.id).await;
            }
            _ => assert!(store.remove_account(account).await.expect("removed")),
        }
        let messages = claimed(&world, later(2)).await;
        assert_eq!(messages.len(), 1, "way {way}");
        assert_eq!(messages[0].client, world.client.id);
        assert_eq!((messages[0].account, messages[0].sid), (world.account, world.session.sid));
        let settled = settle(&messages[0], &Attempt::NobodyThere, later(3));
        store.settle_logout_message(settled).await.expect("settled");
        // What has ended does not end again.
        store.end_session(&world.session.id, account, later(4)).await.expect("nothing to do");
        if way != 3 {
            assert_eq!(claimed(&world, later(5)).await, []);
        }
        // Left as it was for the next way.
        if way != 5 {
            store.remove_account(account).await.expect("removed");
        }
        for message in claimed(&world, later(6)).await {
            let settled = settle(&message, &Attempt::NobodyThere, later(6));
            store.settle_logout_message(settled).await.expect("settled");
        }
    }
}

pub(crate) async fn who_wants_no_message_or_got_no_tokens_gets_none(backend: &impl Backend) {
    let world = World::new(backend).await;
    assert_eq!(world.redeem(&fixtures::code(NOW), 1).await, Redeemed::Done);
    let other = Client { id: fixtures::client_id("other"), ..world.client.clone() };
    wants_messages(&world, &other).await;
    let clients = world.store.clients_of_session(&world.session.id).await.expect("there");
    assert_eq!(clients, std::slice::from_ref(&world.client.id));
    world.store.sign_out_everywhere(&world.account, later(1)).await.expect("signed out");
    assert_eq!(claimed(&world, later(2)).await, []);
}

pub(crate) async fn a_session_of_the_same_account_goes_on_under_its_sid_and_tells_nobody(
    backend: &impl Backend,
) {
    let world = told(backend).await;
    let next = replace(&world, 8, world.account).await;
    assert_eq!(claimed(&world, later(2)).await, []);
    let sessions = world.store.sessions_of(&world.account, later(2)).await.expect("there");
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].id, sessions[0].sid), (next.id, world.session.sid));
    world.store.end_session(&next.id, &world.account, later(3)).await.expect("ended");
    let messages = claimed(&world, later(4)).await;
    assert_eq!(messages.len(), 1, "the clients of the session before are told at the end");
    assert_eq!(messages[0].sid, world.session.sid);
}

pub(crate) async fn finding_21_a_message_is_taken_by_one_and_goes_on_when_that_one_dies(
    backend: &impl Backend,
) {
    let world = told(backend).await;
    world.store.end_session(&world.session.id, &world.account, NOW).await.expect("ended");
    let other = backend.another_process().await;
    let first = claimed(&world, later(1)).await;
    assert_eq!((first.len(), first[0].tries), (1, 1));
    assert_eq!(other.claim_logout_messages(claim(later(60))).await.expect("there"), []);
    let again = other.claim_logout_messages(claim(later(61))).await.expect("there");
    assert_eq!((again.len(), again[0].tries), (1, 2), "the lease ran out");
    assert_eq!(again[0].give_up_at, first[0].give_up_at, "a day from the first try");
    // Both settle: the first that settles it for good counts.
    let retry = settle(&again[0], &Attempt::NotSigned("not yet".into()), later(62));
    let next = retry.next_try_at.expect("again");
    world.store.settle_logout_message(retry).await.expect("noted");
    assert_eq!(claimed(&world, Timestamp::from_millis(next.millis() - 1)).await, []);
    assert_eq!(claimed(&world, next).await.len(), 1);
    let done = settle(&again[0], &Attempt::NobodyThere, next);
    world.store.settle_logout_message(done).await.expect("noted");
    let late = settle(&again[0], &Attempt::NotSigned("late".into()), next);
    world.store.settle_logout_message(late).await.expect("nothing to note");
    assert_eq!(claimed(&world, next.plus(Duration::from_secs(7200))).await, []);
}

pub(crate) async fn the_delivery_log_says_what_became_of_messages_and_forgets(
    backend: &impl Backend,
) {
    let world = told(backend).await;
    let log = async || {
        let records = world.store.logout_deliveries(&world.client.id, 10).await;
        records.expect("the store is there")
    };
    assert_eq!(log().await, []);
    world.store.end_session(&world.session.id, &world.account, NOW).await.expect("ended");
    assert_eq!((log().await[0].tries, log().await[0].outcome.clone()), (0, None));
    let message = claimed(&world, later(1)).await.remove(0);
    let settled = settle(&message, &Attempt::NobodyThere, later(2));
    world.store.settle_logout_message(settled.clone()).await.expect("settled");
    let records = log().await;
    assert_eq!((records.len(), records[0].settled_at), (1, Some(later(2))));
    assert_eq!(records[0].outcome, Some(settled.outcome));
    assert_eq!((records[0].tries, records[0].sid), (1, world.session.sid));
    world.store.forget_logout_messages(later(2), 10).await.expect("nothing to do");
    assert_eq!(log().await.len(), 1);
    world.store.forget_logout_messages(later(3), 10).await.expect("forgotten");
    assert_eq!(log().await, []);
}

pub(crate) async fn an_account_that_is_off_is_told_of_once(backend: &impl Backend) {
    let world = told(backend).await;
    for _ in 0..2 {
        world.store.set_account_enabled(&world.account, false).await.expect("off");
    }
    assert_eq!(claimed(&world, later(1)).await.len(), 1);
    let nobody = SessionId::from_bytes([99; 16]);
    assert_eq!(world.store.clients_of_session(&nobody).await, Ok(Vec::new()));
}

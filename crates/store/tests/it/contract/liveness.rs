//! What ends between approval and redemption ends the code; what ends later ends the grant.

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::GrantId;
use keystile_authority::ports::{Registry, Store};
use keystile_authority::records::Client;
use keystile_authority::sealed::Code;
use keystile_protocol::Timestamp;

use super::{Backend, Memory, NOW, World, later, offline_code};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Logout,
    SessionRunsOut,
    Password,
    Everywhere,
    Consent,
    AccountOff,
    AccountGone,
    ClientOff,
    ClientGone,
}

const ALL: [End; 9] = [
    End::Logout,
    End::SessionRunsOut,
    End::Password,
    End::Everywhere,
    End::Consent,
    End::AccountOff,
    End::AccountGone,
    End::ClientOff,
    End::ClientGone,
];

impl End {
    async fn comes<M: Memory>(self, world: &World<M>, at: Timestamp) {
        let World { store, account, client, session, .. } = world;
        let done = match self {
            Self::Logout => store.end_session(&session.id, account, at).await,
            Self::SessionRunsOut => store.touch_session(&session.id, NOW, at).await,
            Self::Password => store.change_password(account, "new", at).await,
            Self::Everywhere => store.sign_out_everywhere(account, at).await,
            Self::Consent => store.withdraw_consent(account, &client.id, at).await,
            Self::AccountOff => store.set_account_enabled(account, false).await,
            Self::AccountGone => store.remove_account(account).await.map(|gone| assert!(gone)),
            Self::ClientOff => store.put_client(&Client { enabled: false, ..client.clone() }).await,
            Self::ClientGone => store.remove_client(&client.id).await.map(|gone| assert!(gone)),
        };
        done.expect("it ended");
    }
}

/// Approved now, ended a second later, redeemed another second later.
async fn between(backend: &impl Backend, end: End) {
    let world = World::new(backend).await;
    let mut code = fixtures::code(NOW);
    let redemption = |code: &Code, random| {
        let mut redemption = fixtures::redemption(code, &world.client, random);
        redemption.created_at = later(2);
        redemption
    };
    let ended = redemption(&code, 1);
    end.comes(&world, later(1)).await;
    assert_eq!(world.store.redeem_code(ended).await, Ok(Redeemed::Ended));
    assert_eq!(world.store.grant(&code.grant, None, later(2)).await, Ok(None), "nothing written");
    code.grant = GrantId::new(NOW, [6; 10]);
    assert_eq!(world.store.redeem_code(redemption(&code, 2)).await, Ok(Redeemed::Ended));
}

pub(crate) async fn idea_5_logout_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::Logout).await;
}

pub(crate) async fn idea_5_a_session_that_ran_out_between_code_and_redemption(
    backend: &impl Backend,
) {
    between(backend, End::SessionRunsOut).await;
}

pub(crate) async fn idea_5_a_changed_password_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::Password).await;
}

pub(crate) async fn idea_5_sign_out_everywhere_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::Everywhere).await;
}

pub(crate) async fn idea_5_a_withdrawn_consent_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::Consent).await;
}

pub(crate) async fn idea_5_a_disabled_account_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::AccountOff).await;
}

pub(crate) async fn idea_5_a_removed_account_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::AccountGone).await;
}

pub(crate) async fn idea_5_a_disabled_client_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::ClientOff).await;
}

pub(crate) async fn idea_5_a_removed_client_between_code_and_redemption(backend: &impl Backend) {
    between(backend, End::ClientGone).await;
}

pub(crate) async fn idea_5_each_of_these_ends_a_grant_that_was_redeemed_before<B: Backend>(
    backend: &B,
) {
    let world = World::new(backend).await;
    for (round, end) in (1_u8..).zip(ALL) {
        let mut code = fixtures::code(NOW);
        code.grant = GrantId::new(NOW, [round; 10]);
        assert_eq!(world.redeem(&code, round).await, Redeemed::Done, "{end:?}");
        assert!(world.is_alive(&code, NOW).await, "{end:?}");
        end.comes(&world, later(1)).await;
        assert!(!world.is_alive(&code, later(2)).await, "{end:?}");
        restore(&world, end).await;
    }
}

/// Puts a part of the world back. What a grant hung on has other dates then.
async fn restore<M: Memory>(world: &World<M>, end: End) {
    let World { store, account, client, session, .. } = world;
    let gone = store.remove_account(account).await.expect("the store is there");
    assert_eq!(gone, end != End::AccountGone);
    store.add_account(&fixtures::account(1), None).await.expect("added");
    let opened = fixtures::session_opened(session.clone(), super::SECRET_DIGEST);
    store.open_session(opened).await.expect("opened");
    store.put_client(client).await.expect("put");
}

pub(crate) async fn back_channel_logout_2_7_offline_grants_outlive_their_session(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let before = offline_code(NOW);
    assert_eq!(world.redeem(&before, 1).await, Redeemed::Done);
    End::Logout.comes(&world, later(1)).await;
    assert!(world.is_alive(&before, later(2)).await);
    let mut after = offline_code(NOW);
    after.grant = GrantId::new(NOW, [6; 10]);
    assert_eq!(world.redeem(&after, 2).await, Redeemed::Done);
    let grant = world.store.grant(&after.grant, None, NOW).await.expect("there").expect("a row");
    assert_eq!(grant.grant.session, None);
    End::Everywhere.comes(&world, later(3)).await;
    assert!(!world.is_alive(&before, later(4)).await, "but not what ends the account's grants");
}

pub(crate) async fn idea_5_what_is_approved_afterwards_lives(backend: &impl Backend) {
    let world = World::new(backend).await;
    for (seconds, end) in (1..).zip([End::Password, End::Everywhere, End::Consent]) {
        end.comes(&world, later(seconds)).await;
        let code = offline_code(later(seconds));
        assert_eq!(world.redeem(&code, 1).await, Redeemed::Done, "{end:?}");
        assert!(world.is_alive(&code, later(seconds)).await, "{end:?}");
    }
}

pub(crate) async fn idea_5_grants_of_a_removed_client_stay_dead_when_its_name_returns(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    world.store.put_client(&world.client).await.expect("replaced");
    assert!(world.is_alive(&code, NOW).await, "a replaced client is the same client");
    End::ClientOff.comes(&world, NOW).await;
    assert!(!world.is_alive(&code, NOW).await);
    world.store.put_client(&world.client).await.expect("switched on");
    assert!(world.is_alive(&code, NOW).await, "a client that was off is the same client");
    End::ClientGone.comes(&world, NOW).await;
    world.store.put_client(&world.client).await.expect("added");
    assert!(!world.is_alive(&code, NOW).await);
}

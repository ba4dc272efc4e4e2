use keystile_authority::fixtures;
use keystile_authority::ports::{Registry, Store, StoreError};
use keystile_authority::records::{Account, UserClaims};

use super::{Backend, NOW, SECRET_DIGEST, World, another_session, later};

fn claims() -> UserClaims {
    let claims = serde_json::json!({ "name": "User 1", "address": { "country": "NZ" } });
    claims.as_object().expect("an object").clone()
}

pub(crate) async fn an_account_is_added_once(backend: &impl Backend) {
    let store = backend.store();
    let account = Account { claims: claims(), valid_from: NOW, ..fixtures::account(1) };
    store.add_account(&account, Some("hash")).await.expect("added");
    assert_eq!(store.account(&account.id).await, Ok(Some(account.clone())));
    let credentials = store.credentials("user1").await.expect("there").expect("known");
    assert_eq!(credentials.account, account);
    assert_eq!(credentials.password_hash.as_deref(), Some("hash"));
    assert!(store.credentials("user2").await.expect("there").is_none());
    let namesake = Account { username: "user1".into(), ..fixtures::account(2) };
    let twin = Account { username: "user2".into(), ..account.clone() };
    for again in [&account, &namesake, &twin] {
        let added = store.add_account(again, None).await;
        assert!(matches!(added, Err(StoreError::Conflict(_))), "{added:?}");
    }
    store.add_account(&fixtures::account(2), None).await.expect("added");
    let credentials = store.credentials("user2").await.expect("there").expect("known");
    assert_eq!(credentials.password_hash, None);
    assert_eq!(store.accounts().await, Ok(vec![account, fixtures::account(2)]));
}

pub(crate) async fn of_two_people_who_want_one_name_at_once_one_gets_it(backend: &impl Backend) {
    let store = backend.store();
    let made = |byte| store.sign_up(fixtures::signed_up("ada", byte, NOW));
    let (first, second) = tokio::join!(made(1), made(2));
    let who = match (first, second) {
        (Ok(true), Ok(false)) => 1,
        (Ok(false), Ok(true)) => 2,
        other => panic!("{other:?}"),
    };
    let credentials = store.credentials("ada").await.expect("there").expect("known");
    assert_eq!(credentials.password_hash, Some(format!("hash of {who}")));
    assert!(credentials.account.enabled);
}

pub(crate) async fn a_changed_password_ends_all_sessions(backend: &impl Backend) {
    let world = World::new(backend).await;
    let opened = fixtures::session_opened(another_session(5, NOW), SECRET_DIGEST);
    world.store.open_session(opened).await.expect("opened");
    assert_eq!(world.store.sessions_of(&world.account, NOW).await.expect("there").len(), 2);
    world.store.change_password(&world.account, "new", later(1)).await.expect("changed");
    assert_eq!(world.store.sessions_of(&world.account, later(1)).await, Ok(Vec::new()));
    let credentials = world.store.credentials("user1").await.expect("there").expect("known");
    assert_eq!(credentials.password_hash.as_deref(), Some("new"));
    assert_eq!(credentials.account.valid_from, later(1));
}

pub(crate) async fn a_stronger_hash_ends_nothing(backend: &impl Backend) {
    let world = World::new(backend).await;
    let before = world.store.credentials("user1").await.expect("there").expect("known");
    let hash = before.password_hash.expect("the account has a password");
    world.store.strengthen_password(&world.account, &hash, "stronger").await.expect("changed");
    // One that was made for a password of before comes too late.
    world.store.strengthen_password(&world.account, &hash, "older").await.expect("no error");
    assert_eq!(world.store.sessions_of(&world.account, later(1)).await.expect("there").len(), 1);
    let credentials = world.store.credentials("user1").await.expect("there").expect("known");
    assert_eq!(credentials.password_hash.as_deref(), Some("stronger"));
}

pub(crate) async fn claims_are_replaced(backend: &impl Backend) {
    let world = World::new(backend).await;
    world.store.set_claims(&world.account, &claims()).await.expect("set");
    let account = world.store.account(&world.account).await.expect("there").expect("known");
    assert_eq!(account.claims, claims());
}

pub(crate) async fn a_removed_account_leaves_nothing_that_says_who_it_was(backend: &impl Backend) {
    let world = World::new(backend).await;
    let given = fixtures::consent_given(world.account, "app", "openid", NOW);
    world.store.remember_consent(given).await.expect("remembered");
    assert_eq!(world.store.remove_account(&world.account).await, Ok(true));
    assert_eq!(world.store.remove_account(&world.account).await, Ok(false));
    assert_eq!(world.store.account(&world.account).await, Ok(None));
    assert!(world.store.credentials("user1").await.expect("there").is_none());
    assert_eq!(world.store.sessions_of(&world.account, NOW).await, Ok(Vec::new()));
    assert!(world.store.apps_of(&world.account).await.expect("there").is_empty());
    let situation = world.store.situation(&world.handle(), None, NOW).await.expect("there");
    assert!(situation.signed_in.is_none());
}

pub(crate) async fn what_is_not_there_cannot_be_changed(backend: &impl Backend) {
    let store = backend.store();
    let nobody = fixtures::account(9).id;
    let outcomes = [
        store.change_password(&nobody, "hash", NOW).await,
        store.sign_out_everywhere(&nobody, NOW).await,
        store.set_claims(&nobody, &claims()).await,
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Err(StoreError::Conflict(_))), "{outcome:?}");
    }
}

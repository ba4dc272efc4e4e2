use std::sync::Arc;

use keystile_authority::fixtures;
use keystile_authority::ports::{OPEN_STAYS, Registrations, Registry, Store};
use keystile_authority::registered::{Admission, InitialAccessToken, NewRegistration, Registered};
use keystile_protocol::Timestamp;
use tokio::sync::Barrier;

use super::{Backend, Memory, NOW, World, later};

const DIGEST: [u8; 32] = [9; 32];

fn by_token(at: Timestamp) -> Admission {
    Admission::Token { digest: DIGEST, at }
}

fn open_from(network: &str, since: Timestamp) -> Admission {
    Admission::Open { network: network.to_owned(), since, per_network: 2, unused_at_most: 3 }
}

fn token(uses_left: u32) -> InitialAccessToken {
    let name = "0a0b0c0d".to_owned();
    InitialAccessToken { name, created_at: NOW, expires_at: later(60), uses_left }
}

/// An open registration of that moment.
fn open(id: &str, network: &str, at: Timestamp) -> NewRegistration {
    fixtures::new_registration(id, open_from(network, NOW), at)
}

pub(crate) async fn rfc_7591_3_a_client_that_registers_is_there_with_its_registration(
    backend: &impl Backend,
) {
    let store = backend.store();
    let new = open("one", "10.0.0.0/24", NOW);
    assert_eq!(store.registration(&new.client.id).await, Ok(None));
    assert_eq!(store.register(new.clone()).await, Ok(Registered::Done));
    assert_eq!(store.registration(&new.client.id).await, Ok(Some(new.registration)));
    let client = store.client(&new.client.id, false).await.expect("there");
    assert_eq!(client.as_deref(), Some(&new.client));
}

pub(crate) async fn rfc_7591_3_of_parallel_uses_of_one_initial_access_token_as_many_count_as_it_has(
    backend: &impl Backend,
) {
    const TASKS: usize = 16;
    let stores = [backend.store(), backend.another_process().await];
    stores[0].add_initial_access_token(DIGEST, &token(3)).await.expect("added");
    let start = Arc::new(Barrier::new(TASKS));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, start) = (stores[task % 2].clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let new = fixtures::new_registration(&format!("c{task}"), by_token(NOW), NOW);
                store.register(new).await.expect("the store is there")
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        let outcome = task.await.expect("no panic");
        assert!(matches!(outcome, Registered::Done | Registered::NoToken));
        done += usize::from(outcome == Registered::Done);
    }
    assert_eq!(done, 3);
    assert_eq!(stores[0].clients().await.expect("there").len(), 3);
    assert_eq!(stores[0].initial_access_tokens(NOW).await, Ok(Vec::new()));
}

pub(crate) async fn rfc_7591_3_an_initial_access_token_ends_by_time_and_by_the_operators_word(
    backend: &impl Backend,
) {
    let store = backend.store();
    assert_eq!(store.may_register(&by_token(NOW)).await, Ok(Registered::NoToken));
    store.add_initial_access_token(DIGEST, &token(1)).await.expect("added");
    assert_eq!(store.may_register(&by_token(later(59))).await, Ok(Registered::Done));
    assert_eq!(store.may_register(&by_token(later(60))).await, Ok(Registered::NoToken));
    assert_eq!(store.initial_access_tokens(later(59)).await, Ok(vec![token(1)]));
    assert_eq!(store.initial_access_tokens(later(60)).await, Ok(Vec::new()));
    store.sweep(later(59), 100).await.expect("swept");
    assert_eq!(store.revoke_initial_access_token("0a0b0c0d").await, Ok(true));
    assert_eq!(store.revoke_initial_access_token("0a0b0c0d").await, Ok(false));
    assert_eq!(store.may_register(&by_token(NOW)).await, Ok(Registered::NoToken));
    store.add_initial_access_token(DIGEST, &token(1)).await.expect("added again");
    store.sweep(later(60), 100).await.expect("swept");
    assert_eq!(store.revoke_initial_access_token("0a0b0c0d").await, Ok(false), "it was swept");
}

pub(crate) async fn open_registrations_have_a_cap_for_each_network_and_in_all(
    backend: &impl Backend,
) {
    let store = backend.store();
    for (id, network, expected) in [
        ("a", "10.0.0.0/24", Registered::Done),
        ("b", "10.0.0.0/24", Registered::Done),
        ("c", "10.0.0.0/24", Registered::NetworkFull),
        ("d", "10.0.1.0/24", Registered::Done),
        ("e", "10.0.2.0/24", Registered::Full),
    ] {
        let new = open(id, network, later(1));
        assert_eq!(store.may_register(&new.admission).await, Ok(expected), "{id}");
        assert_eq!(store.register(new.clone()).await, Ok(expected), "{id}");
        let there = store.client(&new.client.id, true).await.expect("there").is_some();
        assert_eq!(there, expected == Registered::Done, "{id}");
    }
    // What was registered before counts no more for the network, and goes on to count in all.
    let late = open_from("10.0.0.0/24", later(1));
    assert_eq!(store.may_register(&late).await, Ok(Registered::Full));
    store.note_first_use(&fixtures::client_id("d"), later(2)).await.expect("noted");
    assert_eq!(store.may_register(&late).await, Ok(Registered::Done), "a used one leaves room");
    // Whoever has a token is not held up.
    store.add_initial_access_token(DIGEST, &token(1)).await.expect("added");
    store.register(open("f", "10.0.3.0/24", later(2))).await.expect("full again");
    let new = fixtures::new_registration("g", by_token(NOW), NOW);
    assert_eq!(store.register(new).await, Ok(Registered::Done));
}

pub(crate) async fn rfc_7592_2_2_a_change_is_of_client_and_registration_and_only_while_both_are_there(
    backend: &impl Backend,
) {
    let store = backend.store();
    let new = open("one", "10.0.0.0/24", NOW);
    store.register(new.clone()).await.expect("registered");
    let changed = fixtures::changed_registration(&new, "Another name");
    assert_eq!(store.change_registration(changed.clone()).await, Ok(true));
    let found = store.registration(&new.client.id).await.expect("there").expect("known");
    assert_eq!((found.metadata, found.created_at), (changed.metadata.clone(), NOW));
    let client = store.client(&new.client.id, false).await.expect("there").expect("known");
    assert_eq!(client.name, "Another name", "one's own change is seen at once");

    let mut foreign = changed.clone();
    foreign.token_digest = [8; 32];
    assert_eq!(store.change_registration(foreign).await, Ok(false));
    assert_eq!(store.remove_client(&new.client.id).await, Ok(true), "by the operator");
    assert_eq!(store.registration(&new.client.id).await, Ok(None));
    assert_eq!(store.change_registration(changed).await, Ok(false));
    assert_eq!(store.client(&new.client.id, true).await, Ok(None), "it does not come back");
}

pub(crate) async fn rfc_7592_2_3_of_two_removals_at_once_one_removes_and_nothing_stays(
    backend: &impl Backend,
) {
    let stores = [backend.store(), backend.another_process().await];
    let new = open("one", "10.0.0.0/24", NOW);
    stores[0].register(new.clone()).await.expect("registered");
    let account = fixtures::account(1).id;
    let consent = fixtures::consent_given(account, "one", "openid", NOW);
    stores[0].remember_consent(consent).await.expect("remembered");
    let digest = new.registration.token_digest;
    assert_eq!(stores[0].remove_registration(&new.client.id, [8; 32]).await, Ok(false));
    let tasks = stores.clone().map(|store| {
        let id = new.client.id.clone();
        tokio::spawn(async move { store.remove_registration(&id, digest).await.expect("there") })
    });
    let mut removed = 0;
    for task in tasks {
        removed += usize::from(task.await.expect("no panic"));
    }
    assert_eq!(removed, 1);
    assert_eq!(stores[0].client(&new.client.id, true).await, Ok(None));
    assert_eq!(stores[0].apps_of(&account).await, Ok(Vec::new()));
}

pub(crate) async fn open_registrations_that_nobody_used_go_after_a_day_and_used_ones_stay(
    backend: &impl Backend,
) {
    let World { store, client, .. } = World::new(backend).await;
    store.add_initial_access_token(DIGEST, &token(1)).await.expect("added");
    let by_token = fixtures::new_registration("by-token", by_token(NOW), NOW);
    let (used, unused) = (open("used", "10.0.0.0/24", NOW), open("unused", "10.0.0.0/24", NOW));
    for new in [&by_token, &used, &unused] {
        assert_eq!(store.register(new.clone()).await, Ok(Registered::Done));
        store.note_first_use(&client.id, NOW).await.expect("of a client without a registration");
    }
    let account = fixtures::account(1).id;
    let consent = fixtures::consent_given(account, "unused", "openid", NOW);
    store.remember_consent(consent).await.expect("remembered");
    store.note_first_use(&used.client.id, later(5)).await.expect("noted");
    let day = NOW.plus(OPEN_STAYS);
    assert_eq!(store.sweep(day, 100).await.expect("swept").registrations, 0);
    assert!(store.client(&unused.client.id, false).await.expect("there").is_some());
    let after = day.plus(std::time::Duration::from_millis(1));
    assert_eq!(store.sweep(after, 100).await.expect("swept").registrations, 1);
    assert_eq!(store.sweep(after, 100).await.expect("swept").registrations, 0);
    assert_eq!(store.client(&unused.client.id, false).await, Ok(None));
    assert_eq!(store.registration(&unused.client.id).await, Ok(None));
    assert_eq!(store.apps_of(&account).await, Ok(Vec::new()));
    for stays in [&client.id, &by_token.client.id, &used.client.id] {
        assert!(store.client(stays, true).await.expect("there").is_some(), "{stays}");
    }
}

pub(crate) async fn a_client_of_a_document_is_kept_as_it_is_now_and_takes_nobodys_name(
    backend: &impl Backend,
) {
    const ID: &str = "https://app.example/client.json";
    let store = backend.store();
    let mut approved = fixtures::approved_client(ID, NOW);
    let id = approved.client.id.clone();
    for name in ["App", "App", "Another name"] {
        approved.client.name = name.into();
        store.keep_approved_client(approved.clone()).await.expect("kept");
        let found = store.client(&id, false).await.expect("there");
        assert_eq!(found.as_deref(), Some(&approved.client), "seen at once");
    }
    assert_eq!(store.registration(&id).await, Ok(None), "nobody registered it");
    assert_eq!(store.may_register(&open_from("n", NOW)).await, Ok(Registered::Done));

    // It goes if it got no tokens, and stays if it did.
    let used = fixtures::approved_client("https://app.example/used.json", NOW);
    store.keep_approved_client(used.clone()).await.expect("kept");
    store.note_first_use(&used.client.id, later(5)).await.expect("noted");
    let after = NOW.plus(OPEN_STAYS).plus(std::time::Duration::from_millis(1));
    assert_eq!(store.sweep(after, 100).await.expect("swept").registrations, 1);
    assert_eq!(store.client(&id, false).await, Ok(None));
    assert!(store.client(&used.client.id, true).await.expect("there").is_some());

    let mut registered = fixtures::client();
    registered.id = id.clone();
    store.keep_approved_client(approved.clone()).await.expect("kept");
    store.put_client(&registered).await.expect("by the operator");
    store.keep_approved_client(approved).await.expect("left alone");
    let found = store.client(&id, true).await.expect("there");
    assert_eq!(found.as_deref(), Some(&registered));
    assert_eq!(store.sweep(after, 100).await.expect("swept").registrations, 0);
}

use std::time::Duration;

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::incident::{Incident, Reference};
use keystile_authority::ports::{Store, StoreError};
use keystile_authority::records::{StoredDecryptionKey, StoredKey};
use keystile_protocol::Timestamp;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::jose::encryption::KeyType;

use keystile_authority::ports::Registry;

use super::{Backend, Memory, NOW, World, later};

pub(crate) async fn finding_2_a_raised_epoch_is_seen_by_all_and_never_begins_twice(
    backend: &impl Backend,
) {
    let (store, other) = (backend.store(), backend.another_process().await);
    let first = store.epoch();
    let second = store.raise_epoch(NOW).await.expect("raised");
    assert!(second > first);
    assert_eq!(store.epoch(), second);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(other.epoch(), second);
    let third = other.raise_epoch(Timestamp::default()).await.expect("raised");
    assert!(third > second, "also with a clock that went back");
    assert!(store.raise_epoch(later(60)).await.expect("raised") > third);
}

pub(crate) async fn finding_2_in_a_new_epoch_browsers_sign_in_again_and_grants_live(
    backend: &impl Backend,
) {
    let world = World::new(backend).await;
    let code = fixtures::code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    world.store.raise_epoch(NOW).await.expect("raised");
    let situation = world.store.situation(&world.handle(), None, NOW).await.expect("there");
    assert_eq!(situation.signed_in, None);
    assert!(world.is_alive(&code, NOW).await);
    let sessions = world.store.sessions_of(&world.account, NOW).await.expect("there");
    assert_eq!(sessions, vec![world.session.clone()], "for its user to end");
}

pub(super) fn key(kid: &str, algorithm: Algorithm, created_at: Timestamp) -> StoredKey {
    StoredKey {
        kid: kid.into(),
        algorithm,
        sealed: vec![1, 2, 3],
        created_at,
        used_from: created_at,
        unused_since: None,
    }
}

pub(crate) async fn finding_31_of_two_nodes_that_make_a_key_one_keeps_it(backend: &impl Backend) {
    let (store, other) = (backend.store(), backend.another_process().await);
    assert_eq!(store.keys().await, Ok(Vec::new()));
    let mine = key("mine", Algorithm::ES256, NOW);
    store.add_key(mine.clone()).await.expect("added");
    let refused = other.add_key(key("other", Algorithm::ES256, later(2))).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let rsa = key("rsa", Algorithm::RS256, later(3));
    other.add_key(rsa.clone()).await.expect("of another algorithm");
    let next = key("next", Algorithm::ES256, later(90 * 86_400));
    other.add_key(next.clone()).await.expect("a rotation");
    let sooner = key("sooner", Algorithm::ES256, later(90 * 86_400 + 1));
    other.rotate_key(&sooner).await.expect("the operator wants it now");
    assert_eq!(store.keys().await, Ok(vec![mine, rsa, next, sooner]));
}

pub(super) fn decryption_key(
    kid: &str,
    key_type: KeyType,
    created_at: Timestamp,
) -> StoredDecryptionKey {
    StoredDecryptionKey {
        kid: kid.into(),
        key_type,
        sealed: vec![1, 2, 3],
        created_at,
        used_from: created_at,
    }
}

pub(crate) async fn keys_that_decrypt_are_kept_apart_and_one_nodes_key_counts(
    backend: &impl Backend,
) {
    let (store, other) = (backend.store(), backend.another_process().await);
    assert_eq!(store.decryption_keys().await, Ok(Vec::new()));
    let mine = decryption_key("mine", KeyType::Ec, NOW);
    store.add_decryption_key(mine.clone()).await.expect("added");
    let refused = other.add_decryption_key(decryption_key("other", KeyType::Ec, later(2))).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let rsa = decryption_key("rsa", KeyType::Rsa, later(3));
    other.add_decryption_key(rsa.clone()).await.expect("of another type");
    let next = decryption_key("next", KeyType::Ec, later(90 * 86_400));
    other.add_decryption_key(next.clone()).await.expect("a rotation");
    assert_eq!(store.decryption_keys().await, Ok(vec![mine, rsa, next]));
    assert_eq!(store.keys().await, Ok(Vec::new()), "none of them signs");
}

fn incident(number: u16) -> Incident {
    let [high, low] = number.to_be_bytes();
    Incident {
        reference: Reference::from_random([0, 0, 0, high, low]),
        at: NOW,
        error: "redirect_uri_unknown".into(),
        summary: "The app asked to send you to an address that is not registered.".into(),
        section: "RFC 6749 section 3.1.2.3".into(),
        client_id: Some("app".into()),
        received: Some("https://app.example/cb2".into()),
        expected: vec!["https://app.example/cb".into()],
        hint: "register it".into(),
    }
}

pub(crate) async fn incidents_are_found_by_their_reference_in_a_table_of_fixed_size(
    backend: &impl Backend,
) {
    const MANY: u16 = 10_000;
    let store = backend.store();
    for first in (0..MANY).step_by(100) {
        let tasks: Vec<_> = (first..first + 100)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { store.record_incident(&incident(number)).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic").expect("recorded");
        }
    }
    let mut kept = 0;
    for number in 0..MANY {
        let asked = incident(number);
        let found = store.incident(asked.reference.as_str()).await.expect("there");
        assert!(found.as_ref().is_none_or(|found| *found == asked));
        kept += usize::from(found.is_some());
    }
    assert!((3000..=4096).contains(&kept), "{kept}");
    assert!(store.incident(incident(MANY - 1).reference.as_str()).await.expect("there").is_some());
    assert_eq!(store.incident("no reference").await, Ok(None));
}

pub(crate) async fn the_readiness_check_asks_the_store(backend: &impl Backend) {
    backend.store().ping().await.expect("it answers");
}

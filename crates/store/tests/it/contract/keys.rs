use std::time::Duration;

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::keys::of_sort;
use keystile_authority::policy::Policy;
use keystile_authority::ports::{Kept, KeysAtRest, Registry, Resealed, Store, StoreError};
use keystile_authority::records::StoredKey;
use keystile_authority::rules::key_schedule::{Retirement, Schedule, retire, sweep};
use keystile_authority::rules::master_key::KnownMasterKey;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::jose::encryption::KeyType;

use super::others::{decryption_key, key};
use super::{Backend, Memory, NOW, World, later, offline_code};

fn schedule() -> Schedule {
    Schedule::signing(&Policy::new("https://login.example".try_into().expect("good")))
}

/// Two keys, of which the second waits.
async fn two(store: &impl Memory) -> [StoredKey; 2] {
    let first = key("first", Algorithm::ES256, NOW);
    let second =
        StoredKey { used_from: later(4600), ..key("second", Algorithm::ES256, later(1000)) };
    store.add_key(first.clone()).await.expect("added");
    store.add_key(second.clone()).await.expect("added");
    [first, second]
}

pub(crate) async fn core_10_1_1_a_key_is_used_from_its_time_on_and_goes_when_it_is_over(
    backend: &impl Backend,
) {
    let (store, other) = (backend.store(), backend.another_process().await);
    let [first, second] = two(&*store).await;
    let keys = other.keys().await.expect("there");
    assert_eq!(keys, [first, second.clone()]);
    let times = of_sort(&keys, Algorithm::ES256, &fixtures::policy());
    let over = sweep(&times, &schedule(), later(100 * 86_400));
    assert_eq!(over.removed, ["first"]);
    store.change_keys(over.clone()).await.expect("gone");
    other.change_keys(over).await.expect("gone already");
    assert_eq!(other.keys().await, Ok(vec![second]));
}

pub(crate) async fn the_last_key_of_an_algorithm_is_never_taken_away(backend: &impl Backend) {
    let store = backend.store();
    two(&*store).await;
    store.add_key(key("rsa", Algorithm::RS256, NOW)).await.expect("of another algorithm");
    let keys = store.keys().await.expect("there");
    let times = of_sort(&keys, Algorithm::ES256, &fixtures::policy());
    let retired = |kid, at| match retire(&times, kid, true, &schedule(), later(at)) {
        Ok(Retirement::Gone(change, _) | Retirement::NeverUsed(change)) => change,
        other => panic!("{other:?}"),
    };
    store.change_keys(retired("second", 2000)).await.expect("another is there");
    let refused = store.change_keys(retired("first", 5000)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(store.keys().await.expect("there").len(), 2);
    for (kid, at) in [("one", 0), ("two", 1000)] {
        let added = decryption_key(kid, KeyType::Ec, later(at));
        store.add_decryption_key(added).await.expect("added");
    }
    let keys = store.decryption_keys().await.expect("there");
    let times = of_sort(&keys, KeyType::Ec, &fixtures::policy());
    let over = sweep(&times, &schedule(), later(100 * 86_400));
    store.change_keys(over).await.expect("gone");
    assert_eq!(store.decryption_keys().await.expect("there").len(), 1);
}

pub(crate) async fn of_parallel_retirements_one_key_is_left(backend: &impl Backend) {
    let (store, other) = (backend.store(), backend.another_process().await);
    two(&*store).await;
    let keys = store.keys().await.expect("there");
    let times = of_sort(&keys, Algorithm::ES256, &fixtures::policy());
    let of = |kid, at| match retire(&times, kid, true, &schedule(), later(at)) {
        Ok(Retirement::Gone(change, _) | Retirement::NeverUsed(change)) => change,
        other => panic!("{other:?}"),
    };
    let (one, two) = (of("first", 5000), of("second", 2000));
    let both = tokio::join!(store.change_keys(one), other.change_keys(two));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    assert_eq!(store.keys().await.expect("there").len(), 1);
}

pub(crate) async fn a_compromised_key_goes_with_its_successor_in_use_or_not_at_all(
    backend: &impl Backend,
) {
    let store = backend.store();
    two(&*store).await;
    let keys = store.keys().await.expect("there");
    let times = of_sort(&keys, Algorithm::ES256, &fixtures::policy());
    let change = match retire(&times, "first", true, &schedule(), later(2000)) {
        Ok(Retirement::Gone(change, _)) => change,
        other => panic!("{other:?}"),
    };
    let before = store.keys().await;
    let waiting = match retire(&times, "second", false, &schedule(), later(2000)) {
        Ok(Retirement::NeverUsed(change)) => change,
        other => panic!("{other:?}"),
    };
    store.change_keys(waiting).await.expect("taken away");
    let refused = store.change_keys(change.clone()).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(store.keys().await.expect("there")[..], before.expect("there")[..1]);
    let again = key("second", Algorithm::ES256, later(3000));
    store.rotate_key(&again).await.expect("added");
    store.change_keys(change).await.expect("done");
    let left = StoredKey { used_from: later(2000), ..again };
    assert_eq!(store.keys().await, Ok(vec![left]));
}

pub(crate) async fn keys_at_rest_are_encrypted_anew_all_or_none(backend: &impl Backend) {
    let (store, other) = (backend.store(), backend.another_process().await);
    two(&*store).await;
    store.add_decryption_key(decryption_key("enc", KeyType::Ec, NOW)).await.expect("added");
    store.keep(Kept::PairwiseKey, vec![9]).await.expect("kept");
    let anew = |name: &str, from: &[u8], to: u8| Resealed {
        name: name.into(),
        from: from.into(),
        to: vec![to],
    };
    let stale = vec![anew("first", &[1, 2, 3], 4), anew("second", &[0], 5)];
    let refused = store.reseal(stale).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let sealed = async || -> Vec<Vec<u8>> {
        let keys = other.keys().await.expect("there").into_iter().map(|key| key.sealed);
        let enc = other.decryption_keys().await.expect("there").into_iter().map(|key| key.sealed);
        let kept = other.kept(Kept::PairwiseKey).await.expect("there");
        keys.chain(enc).chain(kept).collect()
    };
    assert_eq!(sealed().await, [vec![1, 2, 3], vec![1, 2, 3], vec![1, 2, 3], vec![9]]);
    let old: &[u8] = &[1, 2, 3];
    let all = [("first", old, 4), ("second", old, 5), ("enc", old, 6), ("pairwise-key", &[9], 7)];
    store.reseal(all.map(|(name, from, to)| anew(name, from, to)).into()).await.expect("done");
    assert_eq!(sealed().await, [[4], [5], [6], [7]]);
}

pub(crate) async fn one_process_at_a_time_looks_after_the_keys(backend: &impl Backend) {
    let (store, other) = (backend.store(), backend.another_process().await);
    let (one, two) = ([1; 16], [2; 16]);
    let both =
        tokio::join!(store.take_turn(one, NOW, later(60)), other.take_turn(two, NOW, later(60)));
    let both = [both.0.expect("answered"), both.1.expect("answered")];
    assert!(both[0] != both[1], "{both:?}");
    let three = [3; 16];
    assert_eq!(other.take_turn(three, later(59), later(119)).await, Ok(false));
    assert_eq!(other.take_turn(three, later(60), later(120)).await, Ok(true));
}

pub(crate) async fn finding_5_two_keys_of_one_id_are_noticed_and_times_never_go_back(
    backend: &impl Backend,
) {
    let (store, other) = (backend.store(), backend.another_process().await);
    let note = |id, proof, at: Option<u64>| KnownMasterKey {
        id,
        proof: [proof; 32],
        sealed_at: at.map(later),
    };
    assert_eq!(store.master_keys().await, Ok(Vec::new()));
    for (asked, answer) in [
        (note(1, 1, Some(5)), note(1, 1, Some(5))),
        (note(1, 1, Some(3)), note(1, 1, Some(5))),
        (note(1, 1, None), note(1, 1, Some(5))),
        (note(1, 1, Some(7)), note(1, 1, Some(7))),
        (note(1, 9, Some(8)), note(1, 1, Some(7))),
        (note(2, 2, None), note(2, 2, None)),
        (note(2, 2, Some(1)), note(2, 2, Some(1))),
        (note(255, 3, None), note(255, 3, None)),
    ] {
        assert_eq!(store.note_master_key(asked).await, Ok(answer));
    }
    let known = other.master_keys().await.expect("there");
    assert_eq!(known.iter().map(|key| key.id).collect::<Vec<_>>(), [1, 2, 255]);
    store.forget_master_key(2).await.expect("forgotten");
    assert_eq!(other.master_keys().await.expect("there").len(), 2);
}

pub(crate) async fn what_is_kept_is_what_came_first(backend: &impl Backend) {
    let (store, other) = (backend.store(), backend.another_process().await);
    assert_eq!(store.kept(Kept::Name).await, Ok(None));
    let (one, two) = tokio::join!(
        store.keep(Kept::Name, b"one".to_vec()),
        other.keep(Kept::Name, b"two".to_vec())
    );
    let kept = store.kept(Kept::Name).await.expect("there").expect("kept");
    assert_eq!((one, two), (Ok(kept.clone()), Ok(kept)));
    assert_eq!(store.kept(Kept::PairwiseKey).await, Ok(None), "each by itself");
}

pub(crate) async fn finding_6_grants_of_before_are_counted_while_they_live(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = offline_code(NOW);
    assert_eq!(world.redeem(&code, 1).await, Redeemed::Done);
    let redemption = fixtures::redemption(&code, &world.client, 1);
    let (created_at, expires_at) = (redemption.created_at, redemption.expires_at);
    let count = async |until, now| world.store.grants_from_before(until, now).await;
    let after = created_at.plus(Duration::from_millis(1));
    assert_eq!(count(created_at, NOW).await, Ok(0), "it came later");
    assert_eq!(count(after, NOW).await, Ok(1));
    assert_eq!(count(after, expires_at).await, Ok(0), "it has ended");
    world.store.revoke_grant(&code.grant, later(6)).await.expect("revoked");
    assert_eq!(count(after, NOW).await, Ok(0));
}

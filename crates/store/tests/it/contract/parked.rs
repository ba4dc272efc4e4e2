use std::sync::Arc;

use keystile_authority::decisions::{Park, Parked};
use keystile_authority::fixtures;
use keystile_authority::ids::ParkedId;
use keystile_authority::ports::{Parking, Store};
use tokio::sync::Barrier;

use super::{Backend, Memory, NOW, World, later};

/// The `byte`-th thing of an owner, in a room of three for one and five in all.
fn park(byte: u8, owner: &str) -> Park {
    fixtures::park(ParkedId::from_bytes([byte; 16]), owner, &format!("content {byte}"), NOW, (3, 5))
}

pub(crate) async fn what_is_parked_is_found_until_it_expires(backend: &impl Backend) {
    let store = backend.store();
    let one = park(1, "a");
    let (id, end) = (one.id, one.expires_at);
    assert_eq!(store.park(one).await, Ok(Parked::Done));
    let elsewhere = backend.another_process().await;
    assert_eq!(elsewhere.parked(&id, NOW).await, Ok(Some("content 1".to_owned())));
    assert_eq!(store.parked(&ParkedId::from_bytes([2; 16]), NOW).await, Ok(None));
    assert_eq!(store.parked(&id, end).await, Ok(None), "swept or not");
    assert_eq!(store.sweep(later(59), 10).await.expect("swept").parked, 0);
    assert_eq!(store.sweep(end, 10).await.expect("swept").parked, 1);
    assert_eq!(store.parked(&id, NOW).await, Ok(None));
}

pub(crate) async fn finding_13_the_room_is_bounded_for_one_and_in_all(backend: &impl Backend) {
    use Parked::{Done, Full};
    let store = backend.store();
    let asked = ["a", "a", "a", "a", "b", "c", "d", "d"];
    let mut got = Vec::new();
    for (byte, owner) in (1_u8..).zip(asked) {
        got.push(store.park(park(byte, owner)).await.expect("the store is there"));
    }
    assert_eq!(got, [Done, Done, Done, Full, Done, Done, Full, Full]);
    let mut after = park(9, "a");
    after.at = after.expires_at;
    assert_eq!(store.park(after).await, Ok(Done), "what has expired takes no room");
}

/// Half of them by another process.
pub(crate) async fn finding_13_of_parallel_ones_no_two_take_the_last_place(backend: &impl Backend) {
    const TASKS: u8 = 32;
    let stores = [backend.store(), backend.another_process().await];
    let start = Arc::new(Barrier::new(TASKS.into()));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, start) = (stores[usize::from(task % 2)].clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                store.park(park(task, "a")).await.expect("the store is there")
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.expect("no panic") == Parked::Done);
    }
    assert_eq!(done, 3);
}

pub(crate) async fn rfc_9396_6_a_grant_keeps_its_authorization_details(backend: &impl Backend) {
    let mut world = World::new(backend).await;
    world.client.authorization_details_types = vec!["payment_initiation".to_owned()];
    let mut code = fixtures::code(NOW);
    code.details = fixtures::payments();
    let redemption = fixtures::redemption(&code, &world.client, 1);
    world.store.redeem_code(redemption).await.expect("done");
    let grant = world.store.grant(&code.grant, None, NOW).await.expect("there").expect("a row");
    assert_eq!(grant.grant.details, fixtures::payments());
    assert!(grant.alive);
}

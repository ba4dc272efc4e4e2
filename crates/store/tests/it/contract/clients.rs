use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_authority::fixtures;
use keystile_authority::ports::{Registry, Store};
use keystile_authority::records::{Client, ClientKind};

use super::Backend;

pub(crate) async fn a_client_is_kept_as_it_was_given(backend: &impl Backend) {
    let store = backend.store();
    let mut client = fixtures::client();
    client.about.operator = Some("Prints & Co".into());
    client.apis = vec!["https://photos.example".into()];
    let public = Client {
        id: fixtures::client_id("a phone"),
        kind: ClientKind::Public { native: true },
        enabled: false,
        ..client.clone()
    };
    for client in [&client, &public] {
        store.put_client(client).await.expect("put");
        for fresh in [false, true, false] {
            let found = store.client(&client.id, fresh).await.expect("there");
            assert_eq!(found.as_deref(), Some(client));
        }
    }
    assert_eq!(store.clients().await, Ok(vec![public.clone(), client.clone()]));
    client.name = "Another name".into();
    store.put_client(&client).await.expect("replaced");
    let found = store.client(&client.id, false).await.expect("there").expect("known");
    assert_eq!(*found, client, "one's own change is seen at once");
    assert_eq!(store.remove_client(&client.id).await, Ok(true));
    assert_eq!(store.remove_client(&client.id).await, Ok(false));
    assert_eq!(store.client(&client.id, false).await, Ok(None));
}

pub(crate) async fn finding_31_a_client_that_was_unknown_is_found_as_soon_as_it_is_there(
    backend: &impl Backend,
) {
    let (store, other) = (backend.store(), backend.another_process().await);
    let client = fixtures::client();
    assert_eq!(store.client(&client.id, false).await, Ok(None));
    other.put_client(&client).await.expect("put");
    assert_eq!(store.client(&client.id, false).await, Ok(Some(Arc::new(client))));
}

pub(crate) async fn finding_31_another_processes_change_is_seen_within_two_seconds(
    backend: &impl Backend,
) {
    let (store, other) = (backend.store(), backend.another_process().await);
    let mut client = fixtures::client();
    store.put_client(&client).await.expect("put");
    for enabled in [false, true] {
        store.client(&client.id, false).await.expect("there").expect("known, and remembered");
        client.enabled = enabled;
        other.put_client(&client).await.expect("put");
        let changed = Instant::now();
        while store.client(&client.id, false).await.expect("there").expect("known").enabled
            != enabled
        {
            assert!(changed.elapsed() < Duration::from_secs(2));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    other.remove_client(&client.id).await.expect("removed");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(store.client(&client.id, false).await, Ok(None));
}

pub(crate) async fn finding_31_a_fresh_read_sees_another_processes_change_at_once(
    backend: &impl Backend,
) {
    let (store, other) = (backend.store(), backend.another_process().await);
    let mut client = fixtures::client();
    store.put_client(&client).await.expect("put");
    store.client(&client.id, false).await.expect("there").expect("known, and remembered");
    client.name = "Another name".into();
    other.put_client(&client).await.expect("put");
    for fresh in [true, false] {
        let found = store.client(&client.id, fresh).await.expect("there").expect("known");
        assert_eq!(found.name, client.name);
    }
}

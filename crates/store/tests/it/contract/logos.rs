use keystile_authority::fixtures;
use keystile_authority::ports::{Logos, OPEN_STAYS, Registrations, Registry, Store};
use keystile_authority::records::Client;
use keystile_authority::registered::{Admission, Registered};
use keystile_authority::rules::logo::Logo;

use super::{Backend, Memory, NOW};

const URI: &str = "https://app.example/logo.png";

fn with_logo(client: Client, logo: Option<&Logo>) -> Client {
    let mut client = client;
    client.about.logo_uri = Some(URI.to_owned());
    client.about.logo = logo.map(|logo| logo.name.clone());
    client
}

pub(crate) async fn a_clients_logo_is_kept_with_its_record_and_goes_with_it(
    backend: &impl Backend,
) {
    let (store, logo) = (backend.store(), fixtures::logo(1));
    let client = with_logo(fixtures::client(), None);
    assert_eq!(store.logo(&logo.name).await, Ok(None));
    store.put_client(&client).await.expect("put");
    store.keep_logo(&client.id, URI, logo.clone()).await.expect("kept");
    assert_eq!(store.logo(&logo.name).await, Ok(Some(logo.clone())));
    let found = store.client(&client.id, false).await.expect("there").expect("known");
    assert_eq!(found.about.logo.as_deref(), Some(logo.name.as_str()), "seen at once");
    store.keep_logo(&client.id, URI, fixtures::logo(2)).await.expect("another one");
    assert_eq!(store.logo(&logo.name).await, Ok(None), "one for each client");
    assert_eq!(store.remove_client(&client.id).await, Ok(true));
    assert_eq!(store.logo(&fixtures::logo(2).name).await, Ok(None));
}

pub(crate) async fn a_logo_is_that_of_the_address_that_the_client_still_names(
    backend: &impl Backend,
) {
    let (store, logo) = (backend.store(), fixtures::logo(1));
    let client = with_logo(fixtures::client(), None);
    store.keep_logo(&client.id, URI, logo.clone()).await.expect("of no client");
    store.put_client(&client).await.expect("put");
    store.keep_logo(&client.id, "https://app.example/old.png", logo.clone()).await.expect("late");
    assert_eq!(store.logo(&logo.name).await, Ok(None));
    let found = store.client(&client.id, true).await.expect("there").expect("known");
    assert_eq!(*found, client);
}

pub(crate) async fn a_registrations_logo_comes_changes_and_goes_with_it(backend: &impl Backend) {
    let store = backend.store();
    let admission =
        Admission::Open { network: "n".into(), since: NOW, per_network: 9, unused_at_most: 9 };
    let (first, second) = (fixtures::logo(1), fixtures::logo(2));
    let mut new = fixtures::new_registration("one", admission, NOW);
    new.client = with_logo(new.client, Some(&first));
    new.logo = Some(first.clone());
    assert_eq!(store.register(new.clone()).await, Ok(Registered::Done));
    assert_eq!(store.logo(&first.name).await, Ok(Some(first.clone())));

    let mut changed = fixtures::changed_registration(&new, "the same logo");
    assert_eq!(store.change_registration(changed.clone()).await, Ok(true));
    assert!(store.logo(&first.name).await.expect("there").is_some());
    changed.client = with_logo(changed.client, Some(&second));
    changed.logo = Some(second.clone());
    assert_eq!(store.change_registration(changed.clone()).await, Ok(true));
    assert_eq!(store.logo(&first.name).await, Ok(None));
    assert_eq!(store.logo(&second.name).await, Ok(Some(second.clone())));
    changed.client.about.logo = None;
    changed.logo = None;
    assert_eq!(store.change_registration(changed.clone()).await, Ok(true));
    assert_eq!(store.logo(&second.name).await, Ok(None));

    changed.client = with_logo(changed.client, Some(&second));
    changed.logo = Some(second.clone());
    assert_eq!(store.change_registration(changed).await, Ok(true));
    let late = NOW.plus(OPEN_STAYS).plus(std::time::Duration::from_millis(1));
    assert_eq!(store.sweep(late, 100).await.expect("swept").registrations, 1);
    assert_eq!(store.logo(&second.name).await, Ok(None));
}

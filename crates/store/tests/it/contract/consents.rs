use keystile_authority::fixtures;
use keystile_authority::ports::{Registry, Store};
use keystile_authority::records::{Client, Consent};
use keystile_protocol::Scope;

use super::{Backend, Memory, NOW, World, later};

async fn consent<M: Memory>(world: &World<M>) -> Consent {
    let situation = world.store.situation(&world.handle(), Some(&world.client.id), NOW).await;
    situation.expect("there").signed_in.expect("signed in").consent
}

fn scope(text: &str) -> Scope {
    Scope::try_from(text).expect("tokens")
}

pub(crate) async fn a_consent_is_remembered_and_replaced(backend: &impl Backend) {
    let world = World::new(backend).await;
    assert_eq!(consent(&world).await, Consent::default());
    let mut given = fixtures::consent_given(world.account, "app", "openid profile", NOW);
    given.refused = scope("photos:order");
    world.store.remember_consent(given).await.expect("remembered");
    let granted = scope("openid profile");
    assert_eq!(consent(&world).await, Consent { granted, refused: scope("photos:order") });
    let given = fixtures::consent_given(world.account, "app", "openid", later(1));
    world.store.remember_consent(given).await.expect("remembered");
    let (granted, refused) = (scope("openid"), Scope::empty());
    assert_eq!(consent(&world).await, Consent { granted, refused });
}

pub(crate) async fn idea_5_a_withdrawn_consent_is_empty_and_keeps_its_date(backend: &impl Backend) {
    let world = World::new(backend).await;
    let code = super::offline_code(NOW);
    world.redeem(&code, 1).await;
    let given = |at| fixtures::consent_given(world.account, "app", "openid", at);
    world.store.remember_consent(given(NOW)).await.expect("remembered");
    assert!(world.is_alive(&code, NOW).await);
    let app = &world.client.id;
    world.store.withdraw_consent(&world.account, app, later(1)).await.expect("withdrawn");
    assert_eq!(consent(&world).await, Consent::default());
    assert!(!world.is_alive(&code, later(1)).await);
    world.store.remember_consent(given(later(2))).await.expect("remembered again");
    assert!(!world.is_alive(&code, later(2)).await, "the old grant stays dead");
}

pub(crate) async fn a_users_apps_and_since_when(backend: &impl Backend) {
    let world = World::new(backend).await;
    let other = Client { id: fixtures::client_id("other"), ..world.client.clone() };
    world.store.put_client(&other).await.expect("put");
    let apps = async || {
        let apps = world.store.apps_of(&world.account).await.expect("there");
        apps.into_iter()
            .map(|app| (app.client.id.to_string(), app.granted.to_string(), app.since))
            .collect::<Vec<_>>()
    };
    assert_eq!(apps().await, []);
    let said = [
        ("app", "openid", 1),
        ("other", "openid", 2),
        ("app", "openid profile", 3),
        ("gone", "openid", 4),
    ];
    for (client, granted, at) in said {
        let given = fixtures::consent_given(world.account, client, granted, later(at));
        world.store.remember_consent(given).await.expect("remembered");
    }
    let other_app = ("other".to_owned(), "openid".to_owned(), later(2));
    let app = ("app".to_owned(), "openid profile".to_owned(), later(1));
    assert_eq!(apps().await, [app, other_app.clone()]);
    let app = &world.client.id;
    world.store.withdraw_consent(&world.account, app, later(5)).await.expect("withdrawn");
    assert_eq!(apps().await, std::slice::from_ref(&other_app));
    let given = fixtures::consent_given(world.account, "app", "openid", later(6));
    world.store.remember_consent(given).await.expect("remembered");
    assert_eq!(apps().await, [("app".into(), "openid".into(), later(6)), other_app]);
}

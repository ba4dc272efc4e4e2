//! Metadata and keys: fetched once, kept, fetched again when they have to be.

use http::StatusCode;
use keystile_client::protocol::jose::{Algorithm, SigningKey};
use keystile_client::{Cause, ClientBuilder};

use crate::bench::{Server, Setup};

#[tokio::test]
async fn metadata_and_keys_are_fetched_once() {
    let setup = Setup::new().await;
    for _ in 0..3 {
        setup.signed_in().await;
    }
    assert_eq!((setup.server.hits("metadata"), setup.server.hits("jwks")), (1, 1));
}

#[tokio::test]
async fn many_first_logins_at_once_fetch_once() {
    let setup = Setup::new().await;
    let logins: Vec<_> = (0..20)
        .map(|_| {
            let mut browser = setup.browser();
            tokio::spawn(async move { browser.get("/login").await.status })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.expect("answered"), StatusCode::SEE_OTHER);
    }
    assert_eq!(setup.server.hits("metadata"), 1);
}

#[tokio::test]
async fn what_was_fetched_serves_on_while_the_server_is_away_and_after() {
    let mut setup = Setup::new().await;
    setup.signed_in().await;
    setup.server.stop().await;
    let mut browser = setup.browser();
    let authorize = browser.get("/login").await.location().to_owned();
    setup.wait(25 * 3600);
    assert!(
        setup.browser().get("/login").await.location().contains("/authorize?"),
        "old, not gone"
    );
    setup.wait(-25 * 3600);
    setup.server.restart().await;
    assert_eq!(browser.get(&setup.server.approve(&authorize)).await.location(), "/");
}

#[tokio::test]
async fn a_server_that_is_away_at_first_is_asked_again_at_the_next_login() {
    let mut server = Server::start().await;
    server.stop().await;
    let mut setup = Setup::at(server, |builder| builder);
    let answer = setup.browser().get("/login?return_to=/me").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("href=\"/login?return_to=%2Fme\""), "{}", answer.body);
    assert!(!answer.body.contains("127.0.0.1"), "details are for the log");
    setup.server.restart().await;
    setup.signed_in().await;
}

#[tokio::test]
async fn an_app_may_ask_at_its_start_and_is_told_what_does_not_fit() {
    let setup = Setup::new().await;
    assert_eq!(setup.client.discover().await, Ok(()));
    setup.signed_in().await;
    assert_eq!((setup.server.hits("metadata"), setup.server.hits("jwks")), (1, 1));
    let setup = Setup::with(ClientBuilder::pushed_requests).await;
    assert!(matches!(setup.client.discover().await, Err(Cause::Unfit(_))));
    let setup = Setup::new().await;
    setup.server.facts().issuer_in_metadata = Some("https://evil.example".into());
    assert!(matches!(setup.client.discover().await, Err(Cause::Unreachable(_))));
    let setup = Setup::with(|b| b.scope("photos:read")).await;
    assert_eq!(setup.client.discover().await, Ok(()));
    assert_eq!(setup.server.hits("jwks"), 0, "without OpenID there is nothing to verify");
}

#[tokio::test]
async fn metadata_of_another_issuer_are_refused_openid_discovery_4_3() {
    let setup = Setup::new().await;
    setup.server.facts().issuer_in_metadata = Some("https://evil.example".into());
    let answer = setup.browser().get("/login").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn servers_without_openid_discovery_are_found_by_rfc_8414() {
    let setup = Setup::new().await;
    setup.server.facts().only_oauth_metadata = true;
    setup.signed_in().await;
    assert_eq!(setup.server.hits("openid-configuration"), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_not_in_a_storm() {
    let setup = Setup::new().await;
    setup.signed_in().await;
    let new = SigningKey::generate(Algorithm::ES256).expect("a key").key;
    {
        let mut facts = setup.server.facts();
        facts.keys.push(new.public().clone());
        facts.key = new;
    }
    setup.signed_in().await;
    assert_eq!(setup.server.hits("jwks"), 2, "at once, however fresh the old ones are");
    setup.server.facts().key = SigningKey::generate(Algorithm::ES256).expect("a key").key;
    setup.wait(6);
    for _ in 0..5 {
        let answer = setup.sign_in(&mut setup.browser(), "/login").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(setup.server.hits("jwks"), 3, "an unknown key is asked for once in a while");
}

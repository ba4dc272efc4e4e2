//! The first start, at the moment at which one key is still in the making.

use serde_json::Value;

use crate::harness::{Browser, Keystile, command_in, config_for, free_port, new_directory};

/// For as long as this is there, no key for RS256 is kept.
const NOT_YET: &str = "CREATE TRIGGER not_yet BEFORE INSERT ON signing_keys \
                       WHEN NEW.algorithm = 'RS256' \
                       BEGIN SELECT RAISE(ABORT, 'not yet'); END";

#[tokio::test]
async fn until_the_last_key_is_made_all_are_answered_and_nobody_keeps_a_set_that_is_not_whole() {
    let (directory, port) = (new_directory(), free_port());
    let config = config_for(&format!("http://localhost:{port}"), port, "sqlite://data.db", "");
    std::fs::write(directory.join("keystile.toml"), config).unwrap();
    let made = command_in(&directory, &["migrate", "--config", "keystile.toml"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let store = rusqlite::Connection::open(directory.join("data.db")).unwrap();
    store.execute_batch(NOT_YET).unwrap();
    let server = Keystile::start_in(directory, port).await;

    let metadata = reqwest::get(server.url("/.well-known/openid-configuration")).await.unwrap();
    let metadata: Value = metadata.json().await.unwrap();
    let algorithms = metadata["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&"RS256".into()), "OpenID Connect Discovery 1.0 section 3");
    let keys = reqwest::get(server.url("/jwks")).await.unwrap();
    assert_eq!(keys.status(), 200);
    assert_eq!(keys.headers()["cache-control"], "no-cache");
    let keys: Value = keys.json().await.unwrap();
    let has = |alg: &str| keys["keys"].as_array().unwrap().iter().any(|key| key["alg"] == alg);
    assert!(has("ES256") && has("EdDSA") && !has("RS256"), "{keys}");

    let mut browser = Browser::new();
    let _signed_with_es256 = server.app().tokens(&mut browser).await;
    let other = server.other_app();
    let code = other.code(&mut browser).await;
    let refused = other.redeem(&code).await.unwrap_err();
    assert_eq!((refused.status, refused.error.as_str()), (503, "temporarily_unavailable"));
    store.execute_batch("DROP TRIGGER not_yet").unwrap();
    server.wait_for_keys().await;
    assert!(other.redeem(&code).await.is_ok(), "the code was not used up");
}

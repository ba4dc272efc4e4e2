//! An API that is not content with how the user signed in (RFC 9470).

use http::{Method, StatusCode};

use crate::bench::{Setup, query_of};

const STRONGER: &str =
    r#"Bearer error="insufficient_user_authentication", acr_values="phr mfa", max_age="300""#;

#[tokio::test]
async fn the_user_is_sent_to_the_login_that_the_api_asks_for_and_back() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.server.facts().api_challenge = Some(STRONGER);
    let login = browser.get("/photos").await.location().to_owned();
    assert!(login.starts_with("/login?return_to=%2Fphotos&step_up="), "{login}");
    let address = browser.get(&login).await.location().to_owned();
    let query = query_of(&address);
    assert_eq!((&*query["acr_values"], &*query["max_age"]), ("phr mfa", "300"));
    assert_eq!(setup.server.hits("refresh"), 0, "a new token would be no better");
    // The user did not sign in so strongly: that is told, and the session of before goes on.
    setup.server.facts().id_token = serde_json::json!({"acr": "pwd"});
    let weak = browser.get(&setup.server.approve(&address)).await;
    assert_eq!(weak.status, StatusCode::FORBIDDEN);
    assert!(weak.body.contains("A stronger sign-in is needed"), "{}", weak.body);
    assert_eq!(browser.get("/").await.body, "hello again");
    // And so strongly it leads on.
    setup.server.facts().id_token = serde_json::json!({"acr": "mfa"});
    let address = browser.get(&login).await.location().to_owned();
    let landed = browser.get(&setup.server.approve(&address)).await;
    assert_eq!(landed.location(), "/photos");
    setup.server.facts().api_challenge = None;
    assert_eq!(browser.get("/photos").await.body, "200 three photos");
}

#[tokio::test]
async fn an_api_that_is_never_content_makes_no_circle() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.server.facts().api_challenge = Some(STRONGER);
    setup.server.facts().id_token = serde_json::json!({"acr": "phr"});
    let login = browser.get("/photos").await.location().to_owned();
    let address = browser.get(&login).await.location().to_owned();
    assert_eq!(browser.get(&setup.server.approve(&address)).await.location(), "/photos");
    assert_eq!(browser.get("/photos").await.status, StatusCode::FORBIDDEN);
    // Later the same demand may well be about the age.
    setup.wait(290);
    assert!(browser.get("/photos").await.location().contains("step_up="));
}

#[tokio::test]
async fn a_script_is_told_and_a_stranger_chooses_nothing() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.server.facts().api_challenge = Some(STRONGER);
    let fetched = browser.send(Method::GET, "/photos", &[("sec-fetch-mode", "cors")]).await;
    assert_eq!(fetched.status, StatusCode::UNAUTHORIZED);
    let told: serde_json::Value = serde_json::from_str(&fetched.body).expect("json");
    assert_eq!(told["error"], "insufficient_user_authentication");
    let login = told["login"].as_str().expect("an address").to_owned();
    let address = browser.get(&login).await.location().to_owned();
    assert_eq!(query_of(&address)["acr_values"], "phr mfa", "which asks for it");
    for forged in ["x", "AAAA", ""] {
        let address = browser.get(&format!("/login?step_up={forged}")).await.location().to_owned();
        assert!(!query_of(&address).contains_key("acr_values"), "{forged}");
    }
    let login = browser.get("/photos").await.location().to_owned();
    setup.wait(601);
    let late = browser.get(&login).await.location().to_owned();
    assert!(!query_of(&late).contains_key("acr_values"), "too old");
}

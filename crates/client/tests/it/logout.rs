//! The way out.

use http::{Method, StatusCode};

use keystile_client::LeakProof;

use crate::bench::{APP, Browser, Setup, query_of};

async fn post(browser: &mut Browser, headers: &[(&str, &str)]) -> crate::bench::Answer {
    browser.send(Method::POST, "/logout", headers).await
}

#[tokio::test]
async fn a_logout_ends_the_session_here_and_goes_on_to_the_server() {
    let setup = Setup::with(|builder| builder.post_logout("/bye")).await;
    let mut browser = setup.signed_in().await;
    let mut before = browser.clone();
    let answer = post(&mut browser, &[("sec-fetch-site", "same-origin")]).await;
    let onward = answer.location().to_owned();
    assert!(onward.starts_with(&format!("{}/logout?", setup.server.url)));
    let query = query_of(&onward);
    assert_eq!(query["client_id"], "photo-printer");
    assert_eq!(query["post_logout_redirect_uri"], format!("{APP}/bye"));
    assert!(!query["state"].is_empty());
    assert!(!query.contains_key("id_token_hint"), "seed 0.1: no token in a URL");
    assert!(!browser.cookies.contains_key("app"));
    assert_eq!(before.get("/").await.body, "hello stranger", "ended on the server");
    setup.revoked(1).await;
}

#[tokio::test]
async fn an_id_token_as_a_hint_is_posted_and_stands_in_no_address_rp_initiated_logout_2() {
    let proof = LeakProof::new();
    let mut setup = Setup::with(|b| b.id_token_hint().leak_proof(&proof)).await;
    setup.app = setup.app.layer(proof.layer());
    let mut browser = setup.signed_in().await;
    let id_token = setup.server.facts().secrets.iter().find(|it| it.contains('.')).cloned();
    let id_token = id_token.expect("one was issued");
    let answer = post(&mut browser, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let end_session = format!("{}/logout", setup.server.url);
    for field in [
        format!("<form method=\"post\" action=\"{end_session}\">"),
        format!("name=\"id_token_hint\" value=\"{id_token}\""),
        "name=\"client_id\" value=\"photo-printer\"".to_owned(),
        format!("name=\"post_logout_redirect_uri\" value=\"{APP}/\""),
    ] {
        assert!(answer.body.contains(&field), "{field}: {}", answer.body);
    }
    let policy = answer.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("form-action"), "{policy}");
    assert!(!browser.cookies.contains_key("app"));
    let again = post(&mut browser, &[("origin", APP)]).await;
    assert!(again.location().contains("/logout?"), "without a session there is no hint");
    proof.assert_nothing_leaked();
}

#[tokio::test]
async fn a_logout_that_another_origin_sends_does_nothing() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site"), ("origin", APP)],
        &[("origin", "http://localhost:4000")],
        &[("origin", "null")],
        &[],
    ] {
        let answer = post(&mut browser, headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert_eq!(browser.get("/").await.body, "hello again");
    }
    assert_eq!(
        browser.get("/logout").await.status,
        StatusCode::METHOD_NOT_ALLOWED,
        "no link does it"
    );
    assert_eq!(browser.get("/").await.body, "hello again");
}

#[tokio::test]
async fn a_logout_without_a_session_or_a_server_still_leads_on() {
    let mut setup = Setup::new().await;
    let mut stranger = setup.browser();
    let answer = post(&mut stranger, &[("origin", APP)]).await;
    assert!(answer.location().contains("/logout?"));
    setup.server.stop().await;
    let away = Setup::at(setup.server, |builder| builder);
    let mut browser = away.browser();
    assert_eq!(post(&mut browser, &[("origin", APP)]).await.location(), "/");
}

#[tokio::test]
async fn after_a_logout_one_can_sign_in_at_once() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    post(&mut browser, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(setup.sign_in(&mut browser, "/me").await.location(), "/me");
}

//! Calls to the API, and tokens that last.

use std::time::Duration;

use http::{Method, StatusCode};
use keystile_client::{ApiError, Step, User};

use crate::bench::{Answering, Browser, Setup, at_once};

/// The app's page at `/photos` answers with status and body of the API.
const GOOD: &str = "200 three photos";

#[tokio::test]
async fn seed_0_2_the_api_is_called_with_the_users_token() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    assert_eq!(browser.get("/photos").await.body, GOOD);
    let steps = setup.events.steps();
    assert_eq!(steps[steps.len() - 2..], [Step::ApiRequest, Step::ApiResponse]);
    assert_eq!(setup.server.hits("refresh"), 0);
}

#[tokio::test]
async fn a_token_is_refreshed_some_seconds_before_it_expires() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.wait(285);
    browser.get("/photos").await;
    assert_eq!(setup.server.hits("refresh"), 0);
    setup.wait(6);
    assert_eq!(browser.get("/photos").await.body, GOOD);
    assert_eq!(setup.server.hits("refresh"), 1);
    assert_eq!(browser.get("/photos").await.body, GOOD);
    assert_eq!(setup.server.hits("refresh"), 1, "the new token is kept");
    setup.wait(300);
    assert_eq!(browser.get("/photos").await.body, GOOD);
    assert_eq!(setup.server.hits("refresh"), 2, "and so is the new refresh token");
}

#[tokio::test]
async fn an_app_may_ask_for_a_new_token_before_the_old_one_is_over() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    assert_eq!(browser.get("/refresh").await.body, "Ok(())");
    assert_eq!(setup.server.hits("refresh"), 1);
    assert_eq!(browser.get("/photos").await.body, GOOD);
    assert_eq!(setup.server.hits("refresh"), 1, "the new one is kept");
    setup.server.facts().refresh = Answering::Error(401, "invalid_client");
    assert!(browser.get("/refresh").await.body.starts_with("Err(Refused("));
    assert_eq!(browser.get("/photos").await.body, GOOD, "the session lives on");
}

#[tokio::test]
async fn the_id_token_of_a_refresh_is_the_same_users_openid_core_12_2() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.server.facts().refreshed_id_token = Some(serde_json::json!({}));
    assert_eq!(browser.get("/refresh").await.body, "Ok(())");
    for claims in [
        serde_json::json!({"sub": "another"}),
        serde_json::json!({"iss": "https://evil.example"}),
        serde_json::json!({"aud": "another"}),
    ] {
        setup.server.facts().refreshed_id_token = Some(claims.clone());
        assert!(browser.get("/refresh").await.body.starts_with("Err(Refused("), "{claims}");
        // The server has turned its refresh token over, and the app goes on with the one before.
        setup.server.facts().refresh_tokens.pop();
        setup.server.facts().refreshed_id_token = Some(serde_json::json!({}));
        assert_eq!(browser.get("/photos").await.body, GOOD, "{claims}");
    }
}

#[tokio::test]
async fn twenty_calls_at_once_refresh_once() {
    let setup = Setup::new().await;
    let browser = setup.signed_in().await;
    setup.server.facts().refresh_takes = Duration::from_millis(100);
    setup.wait(295);
    assert_eq!(at_once(&[&browser], 20).await, vec![GOOD; 20]);
    assert_eq!(setup.server.hits("refresh"), 1);
}

#[tokio::test]
async fn twenty_calls_that_are_told_401_refresh_once() {
    let setup = Setup::new().await;
    let browser = setup.signed_in().await;
    setup.server.facts().access_tokens.clear();
    setup.server.facts().refresh_takes = Duration::from_millis(100);
    assert_eq!(at_once(&[&browser], 20).await, vec![GOOD; 20]);
    assert_eq!(setup.server.hits("refresh"), 1);
}

#[tokio::test]
async fn a_401_that_a_new_token_does_not_change_is_the_answer() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.server.facts().api_refuses = true;
    assert_eq!(browser.get("/photos").await.body, "401 no");
    assert_eq!((setup.server.hits("photos"), setup.server.hits("refresh")), (2, 1), "once");
    assert_eq!(browser.get("/").await.body, "hello again");
}

#[tokio::test]
async fn seed_3_10_invalid_grant_ends_the_session_and_the_page_asks_to_sign_in() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.wait(295);
    setup.server.facts().refresh = Answering::Error(400, "invalid_grant");
    let answer = browser.get("/photos").await;
    assert_eq!(answer.location(), "/login?return_to=%2Fphotos");
    assert_eq!(browser.get("/").await.body, "hello stranger");
    setup.server.facts().refresh = Answering::Well;
    browser.cookies.remove("app.recent");
    assert_eq!(setup.sign_in(&mut browser, "/photos").await.location(), "/photos");
    assert_eq!(browser.get("/photos").await.body, GOOD);
}

#[tokio::test]
async fn seed_3_10_a_temporary_failure_keeps_the_session() {
    for answering in [
        Answering::Error(503, "temporarily_unavailable"),
        Answering::Error(500, "server_error"),
        Answering::Lost,
        Answering::Error(401, "invalid_client"),
    ] {
        let setup = Setup::new().await;
        let mut browser = setup.signed_in().await;
        setup.server.facts().refresh = answering;
        setup.wait(295);
        assert_eq!(browser.get("/photos").await.body, GOOD, "the old token has seconds left");
        setup.wait(10);
        let answer = browser.get("/photos").await;
        assert!(answer.status.is_server_error(), "{}", answer.status);
        assert_eq!(browser.get("/").await.body, "hello again");
        setup.server.facts().refresh = Answering::Well;
        assert_eq!(browser.get("/photos").await.body, GOOD);
    }
}

#[tokio::test]
async fn a_request_that_goes_away_during_a_refresh_loses_no_token() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.server.facts().refresh_takes = Duration::from_millis(200);
    setup.wait(305);
    let mut impatient = browser.clone();
    let gone = tokio::time::timeout(Duration::from_millis(50), impatient.get("/photos")).await;
    assert!(gone.is_err());
    assert_eq!(browser.get("/photos").await.body, GOOD);
    assert_eq!(setup.server.hits("refresh"), 1, "the answer that nobody waited for was kept");
}

#[tokio::test]
async fn a_logout_during_a_refresh_is_not_undone() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.server.facts().refresh_takes = Duration::from_millis(200);
    setup.wait(305);
    let mut other_tab = browser.clone();
    let (answer, _) = tokio::join!(browser.get("/photos"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        other_tab.send(Method::POST, "/logout", &[("sec-fetch-site", "same-origin")]).await
    });
    assert_eq!(answer.location(), "/login?return_to=%2Fphotos");
    assert_eq!(browser.get("/").await.body, "hello stranger");
}

#[tokio::test]
async fn calls_that_wait_for_a_refresh_share_its_failure() {
    let setup = Setup::new().await;
    let browser = setup.signed_in().await;
    setup.server.facts().refresh = Answering::Error(503, "temporarily_unavailable");
    setup.server.facts().refresh_takes = Duration::from_millis(100);
    setup.wait(305);
    at_once(&[&browser], 10).await;
    assert_eq!(setup.server.hits("refresh"), 3, "one call and its two retries");
}

#[tokio::test]
async fn without_a_refresh_token_an_expired_token_asks_for_a_login() {
    let setup = Setup::new().await;
    setup.server.facts().gives_refresh_token = false;
    let mut browser = setup.signed_in().await;
    assert_eq!(browser.get("/photos").await.body, GOOD);
    setup.server.facts().api_refuses = true;
    assert_eq!(browser.get("/photos").await.body, "401 no", "refused is not expired");
    setup.wait(305);
    assert_eq!(browser.get("/").await.body, "hello again", "the app's own pages need no token");
    assert_eq!(browser.get("/photos").await.location(), "/login?return_to=%2Fphotos");
}

#[tokio::test]
async fn the_token_goes_to_the_apis_that_were_named_and_nowhere_else() {
    let setup = Setup::new().await;
    let url = setup.server.url.clone();
    let port = url.rsplit(':').next().expect("a port").to_owned();
    let calls = move |user: User| {
        let (url, port) = (url.clone(), port.clone());
        async move {
            for foreign in [
                "https://evil.example/photos".to_owned(),
                format!("http://localhost:{port}/photos"),
                format!("https://127.0.0.1:{port}/photos"),
                format!("http://127.0.0.1:{port}@evil.example/"),
                format!("http://user:password@127.0.0.1:{port}/photos"),
                "//evil.example/photos".to_owned(),
                "/\\evil.example/photos".to_owned(),
                "http://127.0.0.1:1/".to_owned(),
            ] {
                let answer = user.api().get(&foreign).send().await;
                let refused = matches!(answer, Err(ApiError::ForeignOrigin(_)));
                assert!(refused, "{foreign}: {answer:?}");
            }
            let answer = user.api().get(format!("{url}/elsewhere")).send().await.expect("answered");
            assert_eq!(answer.status(), StatusCode::FOUND, "redirects are not followed");
            let posted = user
                .api()
                .post(format!("{url}/photos"))
                .query([("a", "b c")])
                .header("X-Thing", "1")
                .json(&serde_json::json!({"a": 1}))
                .send()
                .await
                .expect("answered");
            assert_eq!(posted.status(), StatusCode::OK);
            let long = user.api().get("/photos").answer_at_most(3).send().await.expect("answered");
            assert!(matches!(long.text().await, Err(ApiError::Malformed(_))));
            let broken = user.api().get("/photos").header("a b", "c").send().await;
            assert!(matches!(broken, Err(ApiError::Malformed(_))));
            "done"
        }
    };
    let app =
        axum::Router::new().route("/calls", axum::routing::get(calls)).layer(setup.client.layer());
    let mut browser = Browser::new(app);
    browser.cookies = setup.signed_in().await.cookies;
    assert_eq!(browser.get("/calls").await.body, "done");
}

#[tokio::test]
async fn a_script_is_told_401_when_the_session_ends() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.wait(305);
    setup.server.facts().refresh = Answering::Error(400, "invalid_grant");
    let answer = browser.send(Method::GET, "/photos", &[("sec-fetch-mode", "cors")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

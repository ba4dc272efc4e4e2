//! What is sent again, and what never is (row 3.10 of the mission).

use crate::bench::{Answering, Setup, query_of};

const GOOD: &str = "200 three photos";

#[tokio::test]
async fn seed_3_10_a_refresh_that_is_refused_for_a_moment_is_repeated_and_nobody_notices() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.wait(305);
    setup.server.facts().refresh = Answering::Busy(2, "0");
    assert_eq!(browser.get("/photos").await.body, GOOD);
    assert_eq!(setup.server.hits("refresh"), 3);
}

#[tokio::test]
async fn seed_3_10_a_long_retry_after_is_kept_and_the_server_left_alone() {
    let setup = Setup::new().await;
    let mut browser = setup.signed_in().await;
    setup.wait(305);
    setup.server.facts().refresh = Answering::Busy(1, "60");
    for _ in 0..3 {
        assert!(browser.get("/photos").await.status.is_server_error());
    }
    assert_eq!(setup.server.hits("refresh"), 1, "it said when to come again");
    assert_eq!(browser.get("/").await.body, "hello again", "the session lives on");
    setup.wait(61);
    assert_eq!(browser.get("/photos").await.body, GOOD);
}

#[tokio::test]
async fn seed_3_10_a_code_is_sent_once_whatever_the_answer_was() {
    for answering in [
        Answering::Lost,
        Answering::Busy(1, "0"),
        Answering::Error(500, "server_error"),
        Answering::Error(503, "temporarily_unavailable"),
    ] {
        let setup = Setup::new().await;
        setup.server.facts().token = answering.clone();
        let mut browser = setup.browser();
        let again = setup.sign_in(&mut browser, "/login").await.location().to_owned();
        assert_eq!(setup.server.hits("token"), 1, "{answering:?}");
        assert!(query_of(&again)["state"].starts_with("1."), "a new request: {again}");
        setup.server.facts().token = Answering::Well;
        assert_eq!(browser.get(&setup.server.approve(&again)).await.location(), "/");
        assert_eq!(setup.server.hits("token"), 2);
    }
}

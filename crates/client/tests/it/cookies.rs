//! Logins under way, in the browser's cookies.

use crate::bench::Setup;

#[tokio::test]
async fn many_logins_at_once_leave_eight_at_most() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let mut newest = String::new();
    for _ in 0..20 {
        newest = browser.get("/login").await.location().to_owned();
        assert!(browser.logins() <= 8);
    }
    assert!(browser.logins() >= 5, "{}", browser.logins());
    let size: usize = browser.cookies.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(size < 6000, "{size} bytes of cookies");
    assert_eq!(browser.get(&setup.server.approve(&newest)).await.location(), "/");
}

#[tokio::test]
async fn a_login_that_somebody_altered_is_none() {
    let setup = Setup::new().await;
    let mut browser = setup.browser();
    let authorize = browser.get("/login").await.location().to_owned();
    for value in browser.cookies.values_mut() {
        let last = value.pop().expect("not empty");
        value.push(if last == 'A' { 'Q' } else { 'A' });
    }
    let answer = browser.get(&setup.server.approve(&authorize)).await;
    assert!(answer.location().contains("/authorize?"));
    assert_eq!(setup.server.hits("token"), 0);
}

#[tokio::test]
async fn a_login_of_one_app_is_none_of_another() {
    let key = [9; 32];
    let setup = Setup::with(|builder| builder.encryption_key(key)).await;
    let mut browser = setup.browser();
    let authorize = browser.get("/login").await.location().to_owned();
    let other = keystile_client::Client::builder(&setup.server.url, "another-app")
        .public()
        .app_url(crate::bench::APP)
        .encryption_key(key)
        .build()
        .expect("good settings");
    let mut there = crate::bench::Browser::new(other.routes());
    there.cookies.clone_from(&browser.cookies);
    there.get(&setup.server.approve(&authorize)).await;
    assert_eq!(setup.server.hits("token"), 0, "sealed for the client that began it");
}

//! Clients that are no web app.

use std::time::Duration;

use keystile_client::protocol::token_exchange::TokenType;
use keystile_client::protocol::{Scope, Secret};
use keystile_client::tools::{Exchange, Polled};
use keystile_client::{Cause, ClientBuilder, Granted, Shown, ToolError};

use crate::bench::{Setup, query_of};

fn seconds(polled: Polled) -> u64 {
    match polled {
        Polled::Wait(pause) => pause.as_secs(),
        Polled::Granted(_) => panic!("granted already"),
    }
}

#[tokio::test]
async fn a_device_asks_as_often_as_it_may_and_gets_its_grant_rfc_8628_3_5() {
    let setup = Setup::with(|builder| builder.userinfo(true)).await;
    let polls = ["authorization_pending", "slow_down", "authorization_pending", "", "slow_down"];
    setup.server.facts().grants.polls = polls.into();
    let mut login = setup.client.begin_device_login().await.expect("codes");
    assert_eq!(login.interval(), Duration::from_secs(1));
    let words = login.words();
    for part in ["BCDF-GHJK", "https://login.example/device?user_code=BCDF-GHJK", "10 minutes"] {
        assert!(words.contains(part), "{words}");
    }
    // A gateway that is away halves how often it is asked.
    for expected in [1, 6, 6, 12, 17] {
        assert_eq!(seconds(login.poll().await.expect("not over")), expected);
    }
    let Ok(Polled::Granted(granted)) = login.poll().await else { panic!("tokens") };
    assert_eq!(granted.subject(), Some("user-1"));
    assert_eq!(granted.claim("name").and_then(|name| name.as_str()), Some("Ann <b>"));
    assert_eq!(granted.claim("email"), Some(&"ann@example.org".into()), "of userinfo");
    let secret = setup
        .events
        .all()
        .iter()
        .flat_map(|event| event.parameters.clone())
        .all(|(name, value)| name != "device_code" || matches!(value, Shown::Secret(_)));
    assert!(secret, "no observer sees the device code");
}

#[tokio::test]
async fn a_device_waits_for_its_person() {
    let setup = Setup::new().await;
    setup.server.facts().grants.polls = ["authorization_pending"].into();
    let mut login = setup.client.begin_device_login().await.expect("codes");
    let granted = login.wait().await.expect("granted");
    assert_eq!(granted.scope().as_str(), "openid profile photos:read");
}

#[tokio::test]
async fn a_device_login_ends_in_words_rfc_8628_3_5() {
    let setup = Setup::new().await;
    for (error, expected) in
        [("access_denied", ToolError::Denied), ("expired_token", ToolError::Expired)]
    {
        setup.server.facts().grants.polls = [error].into();
        let mut login = setup.client.begin_device_login().await.expect("codes");
        assert_eq!(login.poll().await.expect_err("over"), expected);
    }
    setup.server.facts().grants.polls = ["authorization_pending", "invalid_client"].into();
    let mut login = setup.client.begin_device_login().await.expect("codes");
    setup.wait(600);
    assert_eq!(login.poll().await.expect_err("over"), ToolError::Expired);
    let error = login.poll().await.expect_err("refused");
    assert!(matches!(error, ToolError::Token(_)), "{error:?}");
}

#[tokio::test]
async fn an_id_token_that_is_not_believed_ends_a_device_login() {
    let setup = Setup::new().await;
    setup.server.facts().id_token = serde_json::json!({ "aud": "somebody else" });
    let mut login = setup.client.begin_device_login().await.expect("codes");
    let error = login.poll().await.expect_err("not believed");
    assert!(matches!(error, ToolError::Login(Cause::IdToken(_))), "{error:?}");
}

#[tokio::test]
async fn a_server_without_the_device_grant_is_told_of() {
    let setup = Setup::new().await;
    setup.server.facts().grants.codes = None;
    let error = setup.client.begin_device_login().await.err();
    assert_eq!(error, Some(ToolError::NotOffered("device_authorization_endpoint")));
}

#[tokio::test]
async fn many_who_wait_for_a_services_token_fetch_it_once() {
    let setup = Setup::new().await;
    setup.server.facts().grants.service_takes = Duration::from_millis(100);
    let tokens = setup.client.service_tokens();
    let waiting: Vec<_> = (0..30)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.token().await.expect("a token") })
        })
        .collect();
    let first = tokens.token().await.expect("a token");
    for one in waiting {
        assert_eq!(one.await.expect("answered"), first);
    }
    assert_eq!(setup.server.hits("service"), 1);
    // It is good for 300 seconds, and renewed a minute before.
    setup.wait(235);
    assert_eq!(tokens.token().await.expect("a token"), first);
    setup.wait(10);
    let second = tokens.token().await.expect("a token");
    assert_ne!(second, first);
    tokens.refused(&first);
    assert_eq!(tokens.token().await.expect("a token"), second, "an old no");
    tokens.refused(&second);
    assert_ne!(tokens.token().await.expect("a token"), second);
    assert_eq!(setup.server.hits("service"), 3);
}

#[tokio::test]
async fn a_services_token_lasts_while_the_server_is_away_and_no_longer() {
    let mut setup = Setup::new().await;
    let tokens = setup.client.service_tokens();
    let first = tokens.token().await.expect("a token");
    setup.server.stop().await;
    setup.wait(250);
    assert_eq!(tokens.token().await.expect("it lasts"), first);
    setup.wait(60);
    let error = tokens.token().await.expect_err("over");
    assert!(error.is_temporary(), "{error:?}");
    setup.server.restart().await;
    assert_ne!(tokens.token().await.expect("a token"), first);
}

#[tokio::test]
async fn who_waited_for_a_services_token_hears_the_same_no() {
    let setup = Setup::new().await;
    {
        let mut facts = setup.server.facts();
        facts.grants.service_takes = Duration::from_millis(200);
        facts.grants.service_error = Some("unauthorized_client");
    }
    let tokens = setup.client.service_tokens_for("photos:read", []).expect("a scope");
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.token().await.expect_err("no") })
        })
        .collect();
    for one in waiting {
        assert!(matches!(one.await.expect("answered"), ToolError::Token(_)));
    }
    let asked = setup.server.hits("service");
    assert!(asked < 20, "{asked}");
    setup.server.facts().grants.service_error = None;
    tokens.token().await.expect("the next one asks again");
    assert!(setup.client.service_tokens_for("a\"b", []).is_err());
}

#[tokio::test]
async fn a_token_is_exchanged_rfc_8693_2_1() {
    let setup = Setup::new().await;
    let asked = Exchange::of_access_token(Secret::new("the caller's"))
        .actor(Secret::new("mine"), TokenType::Jwt)
        .audience("https://mail.example")
        .scope(Scope::try_from("mail:send").expect("valid"));
    let exchanged = setup.client.exchange(&asked).await.expect("exchanged");
    assert_eq!((exchanged.token.expose(), exchanged.expires_in), ("exchanged", Some(60)));
    assert_eq!(exchanged.issued_token_type, TokenType::AccessToken.as_str());
    let form = setup.server.facts().grants.exchange.clone();
    for (name, value) in
        [("subject_token", "the caller's"), ("actor_token", "mine"), ("scope", "mail:send")]
    {
        assert_eq!(form[name], value);
    }
}

/// What the browser shows at that address.
async fn visit(url: &str) -> String {
    let browser = reqwest::Client::builder().no_proxy().build().expect("a browser");
    browser.get(url).send().await.expect("answered").text().await.expect("text")
}

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_native_app_listens_on_a_port_of_its_own_rfc_8252_7_3() {
    let setup = Setup::new().await;
    let (one, two) = (setup.client.begin_native_login(), setup.client.begin_native_login());
    let (one, two) = (one.await.expect("begun"), two.await.expect("begun"));
    assert_ne!(one.redirect_uri(), two.redirect_uri());
    assert!(one.redirect_uri().starts_with("http://127.0.0.1:"), "not localhost: section 8.3");
    let query = query_of(one.url());
    assert_eq!(query["redirect_uri"], one.redirect_uri());
    assert_eq!(query["code_challenge_method"], "S256");
    let (first, second) = (setup.server.approve(one.url()), setup.server.approve(two.url()));
    let waiting = tokio::spawn(one.wait(SOON));
    let page = visit(&first).await;
    assert!(page.contains("You are signed in"), "{page}");
    let granted = waiting.await.expect("no panic").expect("granted");
    assert_eq!(granted.subject(), Some("user-1"));
    assert!(setup.server.facts().access_tokens.contains(&granted.access_token().expose().into()));
    let port = first.split('/').nth(2).expect("an origin").to_owned();
    assert!(tokio::net::TcpStream::connect(port).await.is_err(), "nothing listens any more");
    drop(two);
    let port = second.split('/').nth(2).expect("an origin").to_owned();
    assert!(tokio::net::TcpStream::connect(port).await.is_err(), "nor after a drop");
}

#[tokio::test]
async fn strangers_can_neither_end_a_native_login_nor_bring_one_rfc_8252_8_9() {
    let setup = Setup::new().await;
    let login = setup.client.begin_native_login().await.expect("begun");
    let callback = login.redirect_uri().to_owned();
    let good = setup.server.approve(login.url());
    let waiting = tokio::spawn(login.wait(SOON));
    for query in [
        "",
        "?",
        "?error=access_denied",
        "?code=stolen",
        "?code=stolen&state=0.other",
        "?error=access_denied&state=x",
        "?code=%FF",
        "?state=a&state=b",
    ] {
        let page = visit(&format!("{callback}{query}")).await;
        assert!(page.contains("no sign-in that is under way"), "{query}: {page}");
    }
    assert_eq!(setup.server.hits("token"), 0);
    visit(&good).await;
    assert!(waiting.await.expect("no panic").is_ok());
}

#[tokio::test]
async fn a_native_login_ends_in_words_rfc_9207_2_4() {
    let setup = Setup::new().await;
    for (change, expected) in [
        ("iss=https%3A%2F%2Fevil.example", Some(ToolError::Login(Cause::WrongIssuer))),
        ("", Some(ToolError::Login(Cause::WrongIssuer))),
        ("error=access_denied", Some(ToolError::Denied)),
    ] {
        let login = setup.client.begin_native_login().await.expect("begun");
        let state = query_of(login.url())["state"].clone();
        let iss = if change.starts_with("error") {
            format!("&iss={}", setup.server.url)
        } else {
            "&code=abc".to_owned()
        };
        let url = format!("{}?state={state}{iss}&{change}", login.redirect_uri());
        let waiting = tokio::spawn(login.wait(SOON));
        let page = visit(&url).await;
        assert!(page.contains("did not succeed"), "{page}");
        assert_eq!(waiting.await.expect("no panic").err(), expected);
    }
    let login = setup.client.begin_native_login().await.expect("begun");
    let outcome = login.wait(Duration::from_millis(50)).await;
    assert_eq!(outcome.err(), Some(ToolError::Expired), "a bounded wait");
}

#[tokio::test]
async fn a_grant_is_kept_renewed_and_given_back() {
    let setup = Setup::new().await;
    let mut login = setup.client.begin_device_login().await.expect("codes");
    let Ok(Polled::Granted(granted)) = login.poll().await else { panic!("tokens") };
    let name = format!("keystile-client-grant-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    granted.save(&path).expect("kept");
    let kept = Granted::load(&path).expect("read").expect("there");
    assert_eq!(kept, *granted);
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(Granted::load(&path).expect("nothing"), None);
    assert!(!format!("{kept:?}").contains(kept.access_token().expose()));

    assert_eq!(setup.client.renewed(&kept).await.expect("good"), kept);
    assert_eq!(setup.server.hits("refresh"), 0);
    setup.wait(300);
    let renewed = setup.client.renewed(&kept).await.expect("renewed");
    assert_ne!(renewed.access_token(), kept.access_token());
    assert_eq!(renewed.subject(), Some("user-1"));
    setup.wait(300);
    let error = setup.client.renewed(&kept).await.expect_err("its refresh token is used");
    assert_eq!(error, ToolError::Over);
    setup.client.give_back(renewed.clone()).await.expect("given back");
    assert_eq!(setup.client.renewed(&renewed).await.expect_err("gone"), ToolError::Over);
}

#[tokio::test]
async fn with_dpop_a_tools_tokens_are_bound_and_go_with_a_proof_rfc_9449_7_1() {
    let setup = Setup::with(ClientBuilder::dpop).await;
    setup.server.facts().token_nonce = Some("the server's".to_owned());
    let mut login = setup.client.begin_device_login().await.expect("codes");
    let Ok(Polled::Granted(granted)) = login.poll().await else { panic!("tokens") };
    let photos = format!("{}/photos", setup.server.url);
    let call = async |headers| {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        http.get(&photos).headers(headers).send().await.expect("answered").status()
    };
    let kept = granted.access_token().expose().to_owned();
    assert!(setup.server.facts().bound_to.contains_key(&kept));
    let headers = setup.client.authorization(&granted, "GET", &photos).expect("signed");
    assert_eq!(call(headers).await, 200);
    setup.wait(300);
    let renewed = setup.client.renewed(&granted).await.expect("renewed with the same key");
    let headers = setup.client.authorization(&renewed, "GET", &photos).expect("signed");
    assert_eq!(call(headers).await, 200);
    let tokens = setup.client.service_tokens();
    for _ in 0..2 {
        let headers = tokens.authorization("GET", &photos).await.expect("signed");
        assert_eq!(
            headers["authorization"].to_str().expect("text").split(' ').next(),
            Some("DPoP")
        );
        assert_eq!(call(headers).await, 200);
    }
    let login = setup.client.begin_native_login().await.expect("begun");
    let back = setup.server.approve(login.url());
    let waiting = tokio::spawn(login.wait(SOON));
    visit(&back).await;
    let granted = waiting.await.expect("no panic").expect("granted");
    let headers = setup.client.authorization(&granted, "GET", &photos).expect("signed");
    assert_eq!(call(headers).await, 200);
}

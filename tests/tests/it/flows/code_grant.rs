//! The authorization code grant (rows 1.1 to 1.7).

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::harness::{App, Browser, Keystile, PASSWORD};

#[tokio::test]
async fn seed_1_1_an_authorization_request_leads_to_login_and_consent() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let page = browser.open(server.app().authorize_url()).await;
    assert!(page.is_sign_in(), "{}", page.text());
    assert!(page.title().starts_with("Sign in"), "{}", page.title());
    assert!(page.text().contains("Photo App") && page.text().contains("app.example"));
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.is_consent(), "{}", page.text());
}

#[tokio::test]
async fn seed_1_2_the_user_is_told_in_words_and_may_refuse_single_optional_scopes() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid profile photos:read photos:order");
    let mut browser = Browser::new();
    let page = browser.open(app.authorize_url()).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    let text = page.text();
    assert!(text.contains("see your photos") && text.contains("order prints"), "{text}");
    assert!(!text.contains("photos:read"), "no scope by its code: {text}");
    assert!(text.contains("alice"), "who is signed in: {text}");
    assert_eq!(page.boxes(), [("photos:order".to_owned(), false)], "new optional: not ticked");
    let page = browser.press(&page, "consent-allow", &[]).await;
    let tokens = app.redeem(&page.query("code").unwrap()).await.unwrap();
    assert_eq!(tokens.text("scope"), "openid profile photos:read");
    // Remembered: neither the allowed nor the refused ones are asked again.
    let page = browser.open(app.authorize_url()).await;
    assert!(page.query("code").is_some(), "{} {}", page.url, page.text());
    // The app may ask again, and then the box can be ticked.
    let page = browser.open(app.authorize_url_with(&[("prompt", Some("consent"))])).await;
    let page = browser.press(&page, "consent-allow", &[("scope", "photos:order")]).await;
    let tokens = app.redeem(&page.query("code").unwrap()).await.unwrap();
    assert_eq!(tokens.text("scope"), app.scope);
}

#[tokio::test]
async fn seed_1_2_a_consent_is_remembered_for_user_client_and_scope_and_can_be_taken_back() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let silent = app.authorize_url_with(&[("prompt", Some("none"))]);
    assert!(browser.open(&silent).await.query("code").is_some());
    let more = app.authorize_url_with(&[("prompt", Some("none")), ("scope", Some("openid email"))]);
    assert_eq!(browser.open(more).await.query("error").as_deref(), Some("consent_required"));
    let page = browser.open(server.url("/account")).await;
    assert!(page.text().contains("Photo App"), "{}", page.text());
    let token = page.field("token").unwrap();
    let fields = [("token", token.as_str()), ("action", "withdraw"), ("client_id", "app")];
    let page = browser.post(server.url("/account"), &fields).await;
    assert!(!page.text().contains("Photo App"), "{}", page.text());
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401, "its tokens are dead");
    assert_eq!(browser.open(&silent).await.query("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn seed_1_3_the_answer_is_a_303_with_code_state_and_iss_kept_by_nobody() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    app.code(&mut browser).await;
    let answer = browser.get(app.authorize_url()).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let target = answer.location().unwrap();
    let names: Vec<_> = target.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["code", "state", "iss"]);
    let callback = browser.open(app.authorize_url()).await;
    assert_eq!(callback.query("state").as_deref(), Some("the state & more"));
    assert_eq!(callback.query("iss").as_deref(), Some(server.issuer.as_str()));
}

#[tokio::test]
async fn seed_1_4_a_code_becomes_tokens_once() {
    let server = Keystile::start().await;
    let app = server.app();
    let code = app.code(&mut Browser::new()).await;
    let tokens = app.redeem(&code).await.unwrap();
    let id_token = tokens.claims("id_token");
    assert_eq!(id_token["nonce"], "the nonce");
    assert_eq!(id_token["aud"], "app");
    let (status, userinfo) = app.userinfo(tokens.access_token()).await;
    assert_eq!((status, &userinfo["sub"]), (200, &id_token["sub"]), "one subject everywhere");
    // The second use is refused and revokes what the first one got.
    let error = app.redeem(&code).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "invalid_grant"));
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401);
    assert_eq!(app.introspect(tokens.access_token()).await["active"], false);
}

#[tokio::test]
async fn seed_1_4_a_code_is_bound_to_client_redirect_uri_and_verifier_and_a_wrong_try_burns_nothing()
 {
    let server = Keystile::start().await;
    let app = server.app();
    let code = app.code(&mut Browser::new()).await;
    let stranger = server.other_app();
    let wrong = [
        stranger.redeem_with(&code, &[("redirect_uri", Some(&app.redirect_uri))]).await,
        app.redeem_with(&code, &[("redirect_uri", Some("https://app.example/other"))]).await,
        app.redeem_with(&code, &[("redirect_uri", None), ("code_verifier", None)]).await,
        app.redeem_with(&code, &[("code_verifier", Some(&"x".repeat(43)))]).await,
        app.redeem_with(&code, &[("code_verifier", None)]).await,
    ];
    for attempt in wrong {
        assert_eq!(attempt.unwrap_err().error, "invalid_grant");
    }
    assert!(app.redeem(&code).await.is_ok(), "the honest app still gets its tokens");
}

/// Each on a connection of its own that is open already, and all at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn seed_1_4_of_many_redemptions_at_once_one_succeeds_and_nothing_works_afterwards() {
    const AT_ONCE: usize = 24;
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let mut attempts = Vec::new();
    for _ in 0..AT_ONCE {
        let app = server.app();
        assert_eq!(app.introspect("nothing").await["active"], false);
        attempts.push(app);
    }
    for _ in 0..5 {
        let code = attempts[0].code(&mut browser).await;
        let start = Arc::new(Barrier::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for app in &attempts {
            let (app, code, start) = (app.clone(), code.clone(), start.clone());
            tasks.spawn(async move {
                start.wait().await;
                app.redeem(&code).await
            });
        }
        let (successes, refused): (Vec<_>, Vec<_>) =
            tasks.join_all().await.into_iter().partition(Result::is_ok);
        assert!(refused.into_iter().all(|one| one.unwrap_err().error == "invalid_grant"));
        assert_eq!(successes.len(), 1);
        let tokens = successes.into_iter().next().unwrap().unwrap();
        assert_eq!(attempts[0].userinfo(tokens.access_token()).await.0, 401);
    }
}

#[tokio::test]
async fn seed_1_5_a_stolen_code_alone_buys_nothing() {
    let server = Keystile::start().await;
    let app = server.app();
    let code = app.code(&mut Browser::new()).await;
    let mut thief = app.clone();
    thief.secret = None;
    let error = thief.redeem(&code).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"));
    thief.secret = Some("a guess of the secret, forty characters ok".to_owned());
    assert_eq!(thief.redeem(&code).await.unwrap_err().error, "invalid_client");
    let other = server.other_app();
    assert_eq!(other.redeem(&code).await.unwrap_err().error, "invalid_grant");
    let native = server.native_app();
    assert_eq!(native.redeem(&code).await.unwrap_err().error, "invalid_grant");
    assert!(app.redeem(&code).await.is_ok(), "and the thief spoiled nothing");
}

/// A client that may do without PKCE, in the configuration and as it knows itself.
const OLD: &str = "[[clients]]\nclient_id = \"old\"\nclient_secret = \"the secret of the old app, \
                   forty characters\"\nrequire_pkce = false\nredirect_uris = \
                   [\"https://old.example/\"]\nscope = \"openid\"\n";

fn old(server: &Keystile) -> App {
    let secret = Some("the secret of the old app, forty characters");
    App::new(&server.issuer, "old", secret, "https://old.example/").with_scope("openid")
}

#[tokio::test]
async fn a_client_with_pkce_need_not_send_redirect_uri_twice_and_one_without_has_to() {
    let server = Keystile::start_with(OLD).await.with_all_keys().await;
    let mut browser = Browser::new();
    let (app, old) = (server.app(), old(&server));
    let nowhere = ("redirect_uri", None);
    let code = app.code(&mut browser).await;
    assert!(app.redeem_with(&code, &[nowhere]).await.is_ok(), "OAuth 2.1 section 10.2");
    // The only one that is registered.
    let url = app.authorize_url_with(&[nowhere]);
    let code = app.callback_by(&mut browser, "alice", &url).await.query("code").expect("a code");
    assert!(app.redeem_with(&code, &[nowhere]).await.is_ok(), "RFC 6749 section 4.1.3");
    let url = old.authorize_url_with(&[("code_challenge", None), ("code_challenge_method", None)]);
    let code = old.callback_by(&mut browser, "alice", &url).await.query("code").expect("a code");
    let unproved = ("code_verifier", None);
    let refused = old.redeem_with(&code, &[nowhere, unproved]).await.unwrap_err();
    assert_eq!(refused.error, "invalid_grant");
    assert!(old.redeem_with(&code, &[unproved]).await.is_ok());
}

#[tokio::test]
async fn seed_1_7_pkce_is_on_for_every_client_and_plain_is_refused() {
    let server = Keystile::start_with(OLD).await;
    let app = server.app();
    let mut browser = Browser::new();
    let without = [("code_challenge", None), ("code_challenge_method", None)];
    let plain = [("code_challenge_method", Some("plain"))];
    let silently_plain = [("code_challenge_method", None)];
    for changes in [&without[..], &plain, &silently_plain] {
        let page = browser.open(app.authorize_url_with(changes)).await;
        assert_eq!(page.query("error").as_deref(), Some("invalid_request"), "{changes:?}");
        assert!(page.query("error_description").unwrap().contains("S256"));
    }
    // A client that cannot do it is registered so by name.
    let page = browser.open(old(&server).authorize_url_with(&without)).await;
    assert!(page.is_sign_in(), "{} {}", page.url, page.text());
}

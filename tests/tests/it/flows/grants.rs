//! The cases of ideas 4 and 5: liveness, replay, refresh, revocation, restart.

use crate::harness::{Browser, Keystile, PASSWORD};

#[tokio::test]
async fn logout_between_code_and_token_kills_the_code_idea_5() {
    let server = Keystile::start().await;
    let app = server.app();
    let mut browser = Browser::new();
    let code = app.code(&mut browser).await;
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    assert_eq!(app.redeem(&code).await.unwrap_err().error, "invalid_grant");
}

#[tokio::test]
async fn logout_ends_online_grants_and_leaves_offline_ones_idea_5() {
    let server = Keystile::start().await;
    let mut browser = Browser::new();
    let online = server.app().tokens(&mut browser).await;
    let offline = server.app().with_scope("openid offline_access").tokens(&mut browser).await;
    let app = server.app();
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    assert_eq!(app.userinfo(online.access_token()).await.0, 401);
    assert_eq!(app.userinfo(offline.access_token()).await.0, 200);
    assert!(app.refresh(offline.refresh_token()).await.is_ok());
}

#[tokio::test]
async fn a_public_clients_old_refresh_token_gets_its_successor_again_and_a_much_older_one_revokes()
{
    let server = Keystile::start().await;
    let app = server.native_app().with_scope("openid offline_access");
    let first = app.tokens(&mut Browser::new()).await;
    let second = app.refresh(first.refresh_token()).await.unwrap();
    // The answer got lost: the same request gets the same token.
    let repeated = app.refresh(first.refresh_token()).await.unwrap();
    assert_eq!(repeated.refresh_token(), second.refresh_token());
    let third = app.refresh(second.refresh_token()).await.unwrap();
    // Two behind: somebody else has it.
    assert_eq!(app.refresh(first.refresh_token()).await.unwrap_err().error, "invalid_grant");
    assert_eq!(app.refresh(third.refresh_token()).await.unwrap_err().error, "invalid_grant");
    assert_eq!(server.app().userinfo(third.access_token()).await.0, 401);
}

/// As if all of it were an hour ago.
fn an_hour_passes(server: &Keystile) {
    let store = rusqlite::Connection::open(server.database()).unwrap();
    store.execute_batch("UPDATE grants SET rotated_at = rotated_at - 3600000").unwrap();
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_repeated_at_any_time_and_what_was_lost_is_dead() {
    let server = Keystile::start().await;
    let app = server.native_app().with_scope("openid offline_access");
    let first = app.tokens(&mut Browser::new()).await;
    let mut lost = Vec::new();
    for _ in 0..3 {
        lost.push(app.refresh(first.refresh_token()).await.unwrap().refresh_token().to_owned());
        an_hour_passes(&server);
    }
    lost.dedup();
    assert_eq!(lost.len(), 3, "each time another");
    let got = app.refresh(first.refresh_token()).await.unwrap();
    let got = app.refresh(got.refresh_token()).await.expect("it goes on");
    assert_eq!(app.refresh(&lost[2]).await.unwrap_err().error, "invalid_grant");
    let ended = app.refresh(got.refresh_token()).await.unwrap_err();
    assert_eq!(ended.error, "invalid_grant", "RFC 9700 section 4.14.2: two have had it");
}

#[tokio::test]
async fn a_thief_of_a_used_refresh_token_is_noticed_at_the_clients_next_refresh_rfc_9700_4_14_2() {
    let server = Keystile::start().await;
    let app = server.native_app().with_scope("openid offline_access");
    let stolen = app.tokens(&mut Browser::new()).await;
    let honest = app.refresh(stolen.refresh_token()).await.unwrap();
    an_hour_passes(&server);
    let thief = app.refresh(stolen.refresh_token()).await.unwrap();
    assert_eq!(app.refresh(honest.refresh_token()).await.unwrap_err().error, "invalid_grant");
    assert_eq!(app.refresh(thief.refresh_token()).await.unwrap_err().error, "invalid_grant");
    assert_eq!(server.app().userinfo(thief.access_token()).await.0, 401);
}

#[tokio::test]
async fn parallel_refreshes_of_an_honest_public_client_all_get_the_same_successor_idea_7() {
    let server = Keystile::start().await;
    let app = server.native_app().with_scope("openid offline_access");
    let tokens = app.tokens(&mut Browser::new()).await;
    let attempts = (0..8).map(|_| {
        let (app, token) = (app.clone(), tokens.refresh_token().to_owned());
        tokio::spawn(async move { app.refresh(&token).await })
    });
    let mut successors = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        successors.push(attempt.await.unwrap().unwrap().refresh_token().to_owned());
    }
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert!(app.refresh(&successors[0]).await.is_ok());
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_alone_and_scope_is_never_widened_rfc_6749_6() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access photos:read");
    let tokens = app.tokens(&mut Browser::new()).await;
    let native = server.native_app();
    assert_eq!(native.refresh(tokens.refresh_token()).await.unwrap_err().error, "invalid_grant");
    let ask = |scope: &'static str| {
        let app = app.clone();
        let token = tokens.refresh_token().to_owned();
        async move {
            app.token(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", &token),
                ("scope", scope),
            ])
            .await
        }
    };
    assert_eq!(ask("openid profile").await.unwrap_err().error, "invalid_scope");
    assert_eq!(ask("photos:read").await.unwrap().text("scope"), "photos:read");
    let all = app.refresh(tokens.refresh_token()).await.unwrap();
    assert_eq!(all.text("scope"), app.scope, "the grant keeps its scope");
}

#[tokio::test]
async fn revoking_an_access_token_ends_it_alone_and_a_refresh_token_ends_the_grant_rfc_7009() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access");
    let tokens = app.tokens(&mut Browser::new()).await;
    let second = app.refresh(tokens.refresh_token()).await.unwrap();
    assert_eq!(server.other_app().revoke(second.access_token()).await, 200);
    assert_eq!(app.userinfo(second.access_token()).await.0, 200, "another's is not revoked");
    assert_eq!(app.revoke(tokens.access_token()).await, 200);
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401);
    assert_eq!(app.userinfo(second.access_token()).await.0, 200);
    assert_eq!(app.revoke(tokens.refresh_token()).await, 200);
    assert_eq!(app.userinfo(second.access_token()).await.0, 401);
    assert_eq!(app.refresh(tokens.refresh_token()).await.unwrap_err().error, "invalid_grant");
    assert_eq!(app.revoke("nonsense").await, 200, "section 2.2");
}

#[tokio::test]
async fn introspection_answers_the_tokens_own_client_alone_rfc_7662() {
    let server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access photos:read");
    let tokens = app.tokens(&mut Browser::new()).await;
    let answer = app.introspect(tokens.access_token()).await;
    assert_eq!(answer["active"], true);
    assert_eq!(answer["client_id"], "app");
    assert_eq!(answer["aud"], "https://photos.example");
    assert_eq!(app.introspect(tokens.refresh_token()).await["active"], true);
    let other = server.other_app().introspect(tokens.access_token()).await;
    assert_eq!(other, serde_json::json!({ "active": false }), "and nothing more");
    assert_eq!(app.introspect("nonsense").await["active"], false);
}

#[tokio::test]
async fn client_credentials_give_a_token_of_the_client_itself_rfc_6749_4_4() {
    let server = Keystile::start().await;
    let mut machine = server.app();
    machine.client_id = "machine".into();
    let tokens = machine.token(&[("grant_type", "client_credentials")]).await.unwrap();
    let claims = tokens.claims("access_token");
    assert_eq!((&claims["sub"], &claims["scope"]), (&"machine".into(), &"photos:read".into()));
    assert!(tokens.json.get("refresh_token").is_none() && tokens.json.get("id_token").is_none());
    assert_eq!(machine.userinfo(tokens.access_token()).await.0, 403, "there is no user");
    assert_eq!(machine.revoke(tokens.access_token()).await, 200);
    assert_eq!(machine.introspect(tokens.access_token()).await["active"], false);
    let native = server.native_app();
    let error = native.token(&[("grant_type", "client_credentials")]).await.unwrap_err();
    assert_eq!(error.error, "unauthorized_client");
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_pages_go_on_after_a_restart() {
    let mut server = Keystile::start().await;
    let app = server.app().with_scope("openid offline_access");
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let waiting = browser.open(app.authorize_url_with(&[("prompt", Some("login"))])).await;
    let code = app.code(&mut browser).await;
    server.stop();
    let server = server.restart().await;
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    assert!(app.refresh(tokens.refresh_token()).await.is_ok());
    assert!(app.redeem(&code).await.is_ok(), "a code is no memory of the process");
    assert!(browser.open(app.authorize_url()).await.query("code").is_some(), "the session lives");
    let page = browser.sign_in(&waiting, "alice", PASSWORD).await;
    assert!(page.query("code").is_some(), "the open login page goes on: {}", page.url);
    drop(server);
}

#[tokio::test]
async fn id_tokens_are_signed_as_the_client_says_and_rs256_where_it_says_nothing() {
    let server = Keystile::start().await.with_all_keys().await;
    let mut browser = Browser::new();
    for (app, algorithm) in
        [(server.app(), "ES256"), (server.other_app(), "RS256"), (server.native_app(), "EdDSA")]
    {
        let tokens = app.tokens(&mut browser).await;
        let header = tokens.text("id_token").split('.').next().unwrap();
        let header = keystile_protocol::encoding::from_base64url(header).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["alg"], algorithm, "{}", app.client_id);
        let access = tokens.access_token().split('.').next().unwrap();
        let access = keystile_protocol::encoding::from_base64url(access).unwrap();
        let access: serde_json::Value = serde_json::from_slice(&access).unwrap();
        assert_eq!((&access["alg"], &access["typ"]), (&"ES256".into(), &"at+jwt".into()));
    }
}

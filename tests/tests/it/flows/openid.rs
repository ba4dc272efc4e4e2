//! OpenID Connect Core beyond the login: single claims, hints, `acr`, signed userinfo, pairwise
//! subjects.

use serde_json::{Value, json};

use crate::harness::{App, Browser, Keystile, PASSWORD, Tokens};

const SECRET: &str = "the secret of the app, forty characters long";

/// A client that may know more than it asks for by scope, one with signed userinfo, and three
/// with pairwise subjects of two sectors.
const MORE: &str = r#"
[[clients]]
client_id = "curious"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://curious.example/callback"]
scope = "openid profile email offline_access photos:read"
grant_types = ["authorization_code", "refresh_token"]
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "signed"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://signed.example/callback"]
scope = "openid email photos:read"
userinfo_signed_response_alg = "EdDSA"

[[clients]]
client_id = "pair-1"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://pair.example/callback", "https://pair.example:444/"]
post_logout_redirect_uris = ["https://pair.example/bye"]
scope = "openid offline_access photos:read"
grant_types = ["authorization_code", "refresh_token"]
subject_type = "pairwise"

[[clients]]
client_id = "pair-2"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://pair.example/other"]
scope = "openid photos:read"
subject_type = "pairwise"

[[clients]]
client_id = "pair-3"
client_secret = "the secret of the app, forty characters long"
redirect_uris = ["https://far.example/"]
scope = "openid photos:read"
subject_type = "pairwise"
"#;

/// Its metadata come when it has a key for every algorithm, RSA's among them.
async fn start() -> Keystile {
    let server = Keystile::start_with(MORE).await;
    metadata(&server).await;
    server
}

async fn metadata(server: &Keystile) -> Value {
    let url = server.url("/.well-known/openid-configuration");
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

fn app(server: &Keystile, id: &str, redirect_uri: &str) -> App {
    App::new(&server.issuer, id, Some(SECRET), redirect_uri).with_scope("openid")
}

fn curious(server: &Keystile) -> App {
    app(server, "curious", "https://curious.example/callback")
}

/// Tokens of `alice` for a request with these parameters more.
async fn tokens_with(app: &App, browser: &mut Browser, more: &[(&str, Option<&str>)]) -> Tokens {
    let page = app.callback_by(browser, "alice", &app.authorize_url_with(more)).await;
    let code = page.query("code").unwrap_or_else(|| panic!("{}", page.url));
    assert!(code.len() <= 1024, "a code of {} characters", code.len());
    app.redeem(&code).await.unwrap()
}

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn what_works_is_advertised_oidc_discovery_3() {
    let metadata = metadata(&start().await).await;
    assert_eq!(metadata["claims_parameter_supported"], true);
    assert_eq!(metadata["subject_types_supported"], json!(["public", "pairwise"]));
    assert_eq!(metadata["acr_values_supported"], json!(["urn:keystile:password"]));
    let algorithms = &metadata["userinfo_signing_alg_values_supported"];
    assert_eq!(*algorithms, metadata["id_token_signing_alg_values_supported"]);
}

#[tokio::test]
async fn single_claims_are_told_where_they_were_asked_for_oidc_core_5_5() {
    let server = start().await;
    let app = curious(&server).with_scope("openid offline_access");
    let mut browser = Browser::new();
    let asked = json!({
        "userinfo": {"email": {"essential": true}, "nickname": null, "unknown": null},
        "id_token": {"name": null, "email_verified": {"value": false}},
    })
    .to_string();
    let page = browser.open(app.authorize_url_with(&[("claims", Some(&asked))])).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.is_consent() && page.text().contains("e-mail"), "asked first: {}", page.text());
    let tokens = tokens_with(&app, &mut browser, &[("claims", Some(&asked))]).await;
    assert_eq!(tokens.text("scope"), app.scope, "a claim is no scope");
    let told = |tokens: &Tokens| {
        let id_token = tokens.claims("id_token");
        assert_eq!(id_token["name"], "Alice Example");
        assert!(id_token.get("email").is_none() && id_token.get("email_verified").is_none());
    };
    told(&tokens);
    let (_, userinfo) = app.userinfo(tokens.access_token()).await;
    assert_eq!(names(&userinfo), ["email", "sub"]);
    // The grant remembers, also after a restart.
    let server = server.restart().await;
    let refreshed = app.refresh(tokens.refresh_token()).await.unwrap();
    told(&refreshed);
    let (_, userinfo) = app.userinfo(refreshed.access_token()).await;
    assert_eq!(names(&userinfo), ["email", "sub"]);
    drop(server);
}

#[tokio::test]
async fn no_claim_is_told_that_nobody_allowed_or_that_the_client_may_not_have_oidc_core_5_5() {
    let server = start().await;
    let app = curious(&server);
    let mut browser = Browser::new();
    tokens_with(&app, &mut browser, &[]).await;
    let asked = json!({"userinfo": {"email": {"essential": true}}}).to_string();
    let silent = [("claims", Some(asked.as_str())), ("prompt", Some("none"))];
    let page = browser.open(app.authorize_url_with(&silent)).await;
    assert_eq!(page.query("error").as_deref(), Some("consent_required"));
    // Not registered for 'email': no error, and no claim.
    let other = server.other_app().with_scope("openid");
    let tokens = tokens_with(&other, &mut browser, &silent[..1]).await;
    assert_eq!(names(&other.userinfo(tokens.access_token()).await.1), ["sub"]);
}

#[tokio::test]
async fn all_claims_at_once_fit_into_a_short_code_oidc_core_5_5() {
    let server = start().await;
    let app = curious(&server);
    let all: serde_json::Map<String, Value> = [
        "name family_name given_name middle_name nickname preferred_username profile picture",
        "website gender birthdate zoneinfo locale updated_at email email_verified",
    ]
    .iter()
    .flat_map(|names| names.split(' '))
    .map(|name| (name.to_owned(), json!({"essential": true})))
    .collect();
    let asked = json!({"userinfo": all, "id_token": all}).to_string();
    let tokens = tokens_with(&app, &mut Browser::new(), &[("claims", Some(&asked))]).await;
    assert_eq!(tokens.claims("id_token")["email"], "alice@example.com");
}

#[tokio::test]
async fn a_malformed_claims_parameter_is_invalid_request_oidc_core_5_5() {
    let server = start().await;
    let app = curious(&server);
    let long = format!(r#"{{"userinfo":{{"name":{{"value":"{}"}}}}}}"#, "x".repeat(600));
    for bad in ["{", "[]", "\"x\"", r#"{"userinfo":1}"#, r#"{"id_token":{"name":[]}}"#, &long] {
        let page = Browser::new().open(app.authorize_url_with(&[("claims", Some(bad))])).await;
        assert_eq!(page.query("error").as_deref(), Some("invalid_request"), "{bad}");
        assert!(page.query("error_description").unwrap().contains("section 5.5"), "{bad}");
    }
}

#[tokio::test]
async fn the_user_has_to_be_the_one_of_the_hint_or_of_sub_oidc_core_3_1_2_1_and_5_5_1() {
    let server = start().await;
    let app = curious(&server);
    let (mut alice, mut bob) = (Browser::new(), Browser::new());
    let of_alice = tokens_with(&app, &mut alice, &[]).await;
    let page = app.callback_by(&mut bob, "bob", &app.authorize_url()).await;
    app.redeem(&page.query("code").unwrap()).await.unwrap();
    let hint = of_alice.text("id_token");
    let sub = of_alice.claims("id_token")["sub"].clone();
    let in_id_token = json!({"id_token": {"sub": {"value": sub}}}).to_string();
    let in_userinfo = json!({"userinfo": {"sub": {"values": ["nobody", sub]}}}).to_string();
    for (name, value) in
        [("id_token_hint", hint), ("claims", &in_id_token), ("claims", &in_userinfo)]
    {
        let silent = app.authorize_url_with(&[(name, Some(value)), ("prompt", Some("none"))]);
        assert!(alice.open(&silent).await.query("code").is_some(), "{name}: it is alice");
        let page = bob.open(&silent).await;
        assert_eq!(page.query("error").as_deref(), Some("login_required"), "{name}");
    }
    // Without prompt=none the other user may sign in, and nobody else.
    let asked = app.authorize_url_with(&[("id_token_hint", Some(hint))]);
    let page = bob.open(&asked).await;
    assert!(page.is_sign_in() && page.text().contains("another account"), "{}", page.text());
    let page = bob.sign_in(&page, "bob", PASSWORD).await;
    assert!(page.is_sign_in(), "bob again: {}", page.text());
    let page = bob.sign_in(&page, "alice", PASSWORD).await;
    let tokens = app.redeem(&page.query("code").unwrap()).await.unwrap();
    assert_eq!(tokens.claims("id_token")["sub"], sub);
}

#[tokio::test]
async fn a_hint_that_is_none_is_invalid_request_oidc_core_3_1_2_1() {
    let server = start().await;
    let app = curious(&server);
    let mut browser = Browser::new();
    let tokens = tokens_with(&app, &mut browser, &[]).await;
    let foreign = server.other_app().with_scope("openid");
    let foreign = tokens_with(&foreign, &mut browser, &[]).await;
    let hint = tokens.text("id_token");
    let altered = format!("{}AAAA", &hint[..hint.len() - 4]);
    for bad in ["x", "a.b.c", &altered, tokens.access_token(), foreign.text("id_token")] {
        let page = browser.open(app.authorize_url_with(&[("id_token_hint", Some(bad))])).await;
        assert_eq!(page.query("error").as_deref(), Some("invalid_request"), "{bad}");
    }
}

#[tokio::test]
async fn acr_is_told_when_it_is_asked_for_oidc_core_5_5_1_1() {
    let server = start().await;
    let metadata = metadata(&server).await;
    let acr = metadata["acr_values_supported"][0].as_str().unwrap().to_owned();
    let app = curious(&server).with_scope("openid offline_access");
    let mut browser = Browser::new();
    let tokens = tokens_with(&app, &mut browser, &[]).await;
    assert!(tokens.claims("id_token").get("acr").is_none(), "nobody asked");
    assert_eq!(tokens.claims("access_token")["acr"], acr, "RFC 9470 section 6");
    let essential = |value: &str| {
        json!({"id_token": {"acr": {"essential": true, "values": [value]}}}).to_string()
    };
    let (good, bad) = (essential(&acr), essential("urn:mace:gold"));
    for (name, value) in [("acr_values", acr.as_str()), ("acr_values", "1 2"), ("claims", &good)] {
        let tokens = tokens_with(&app, &mut browser, &[(name, Some(value))]).await;
        for token in ["id_token", "access_token"] {
            assert_eq!(tokens.claims(token)["acr"], acr, "{name}={value}: {token}");
        }
        let refreshed = app.refresh(tokens.refresh_token()).await.unwrap();
        assert_eq!(refreshed.claims("id_token")["acr"], acr, "{name}={value}");
    }
    for mut browser in [browser, Browser::new()] {
        let page = browser.open(app.authorize_url_with(&[("claims", Some(&bad))])).await;
        let error = page.query("error");
        assert_eq!(error.as_deref(), Some("unmet_authentication_requirements"));
        assert_eq!(page.query("state").as_deref(), Some("the state & more"));
    }
}

#[tokio::test]
async fn userinfo_is_signed_for_a_client_that_asks_for_it_oidc_core_5_3_2() {
    let server = start().await;
    let app = app(&server, "signed", "https://signed.example/callback").with_scope("openid email");
    let tokens = app.tokens(&mut Browser::new()).await;
    let response = reqwest::Client::new()
        .get(server.url("/userinfo"))
        .bearer_auth(tokens.access_token())
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/jwt");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let token = response.text().await.unwrap();
    let keys: keystile_protocol::jose::JwkSet =
        reqwest::get(server.url("/jwks")).await.unwrap().json().await.unwrap();
    let keys = keystile_protocol::jose::KeySet::from_jwks(&keys);
    let signed = keystile_protocol::jose::SignedToken::parse(&token).unwrap();
    let said: Value = signed.verify(&keys, &[keystile_protocol::jose::Algorithm::EdDSA]).unwrap();
    assert_eq!(said["iss"], server.issuer);
    assert_eq!(said["aud"], "signed");
    assert_eq!(said["email"], "alice@example.com");
    assert_eq!(said["sub"], tokens.claims("id_token")["sub"]);
    // It is no token: as an access token or a hint it is refused.
    assert_eq!(app.userinfo(&token).await.0, 401);
}

#[tokio::test]
async fn a_pairwise_subject_is_one_for_its_sector_everywhere_and_nothing_tells_more_oidc_core_8() {
    let server = start().await;
    let mut browser = Browser::new();
    let one = app(&server, "pair-1", "https://pair.example/callback")
        .with_scope("openid offline_access photos:read");
    let two = app(&server, "pair-2", "https://pair.example/other");
    let far = app(&server, "pair-3", "https://far.example/");
    let public = curious(&server);
    let of_one = one.tokens(&mut browser).await;
    let sub_of = |tokens: &Tokens| {
        let sub = tokens.claims("id_token")["sub"].clone();
        assert_eq!(tokens.claims("access_token")["sub"], sub);
        sub
    };
    let sub = sub_of(&of_one);
    assert_eq!(sub_of(&two.tokens(&mut browser).await), sub, "one sector");
    assert_ne!(sub_of(&far.tokens(&mut browser).await), sub, "another sector");
    assert_ne!(sub_of(&public.tokens(&mut browser).await), sub);
    // Every endpoint says the same.
    assert_eq!(one.userinfo(of_one.access_token()).await, (200, json!({"sub": sub})));
    for token in [of_one.access_token(), of_one.refresh_token()] {
        let answer = one.introspect(token).await;
        assert_eq!((&answer["active"], &answer["sub"]), (&json!(true), &sub));
    }
    let refreshed = one.refresh(of_one.refresh_token()).await.unwrap();
    assert_eq!(sub_of(&refreshed), sub);
    let gid = |tokens: &Tokens| tokens.claims("access_token")["gid"].clone();
    assert_ne!(gid(&of_one), gid(&refreshed), "two tokens of a grant have nothing in common");
    // It is the user's own name at this client, also after a restart.
    let asked = json!({"id_token": {"sub": {"value": sub}}}).to_string();
    let server = server.restart().await;
    let silent = one.authorize_url_with(&[("claims", Some(&asked)), ("prompt", Some("none"))]);
    assert!(browser.open(silent).await.query("code").is_some());
    let hint = of_one.text("id_token");
    let silent = one.authorize_url_with(&[("id_token_hint", Some(hint)), ("prompt", Some("none"))]);
    assert!(browser.open(silent).await.query("code").is_some());
    // Revoking ends the grant although its name is sealed.
    assert_eq!(one.revoke(refreshed.access_token()).await, 200);
    assert_eq!(one.userinfo(refreshed.access_token()).await.0, 401, "that token alone");
    assert_eq!(one.userinfo(of_one.access_token()).await.0, 200);
    assert_eq!(one.revoke(of_one.refresh_token()).await, 200);
    assert_eq!(one.userinfo(of_one.access_token()).await.0, 401);
    // The app signs its user out without a question.

    let bye = "post_logout_redirect_uri=https://pair.example/bye";
    let page = browser.open(server.url(&format!("/logout?id_token_hint={hint}&{bye}"))).await;
    assert_eq!(page.url.as_str(), "https://pair.example/bye");
}

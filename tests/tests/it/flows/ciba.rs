//! Asking a user behind the browser's back (OpenID Connect CIBA Core 1.0): requests, polls, tokens.

use std::time::Duration;

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{
    Asked, Browser, CIBA, ClientKey, DEVICE_CODE, Keystile, SHOPS, allow_newest, payment, requests,
    tokens,
};

const PENDING: &str = "authorization_pending";

async fn start() -> Keystile {
    Keystile::start_with(SHOPS).await
}

#[tokio::test]
async fn a_client_gets_tokens_once_the_user_allows_it_ciba_10_1() {
    let server = start().await;
    let scope = ("scope", "openid profile offline_access photos:read photos:order");
    let asked = Asked::begin(Asked::shop(&server), &[scope]).await;
    assert_eq!((&asked.answer["expires_in"], &asked.answer["interval"]), (&json!(300), &json!(5)));
    assert_eq!(asked.answer.as_object().unwrap().len(), 3);
    let good = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    assert!(asked.auth_req_id().len() >= 43 && asked.auth_req_id().chars().all(good));
    assert_eq!(asked.refused().await, PENDING);

    let mut browser = Browser::new();
    let done = allow_newest(&server, &mut browser).await;
    let text = done.text();
    assert!(text.contains("You allowed it. Corner Shop goes on by itself."), "{text}");
    assert!(!browser.has_seen(asked.auth_req_id()));

    let got = asked.poll().await.unwrap();
    assert_eq!(got.text("scope"), "openid profile offline_access photos:read", "no box was ticked");
    let id_token = got.claims("id_token");
    assert_eq!((&id_token["aud"], &id_token["amr"]), (&json!("shop"), &json!(["pwd"])));
    assert!(id_token["auth_time"].is_i64() && id_token["at_hash"].is_string());
    assert!(id_token.get("nonce").is_none() && id_token.get("acr").is_none());
    assert_eq!(got.claims("access_token")["aud"], "https://photos.example");
    assert_eq!(server.app().userinfo(got.access_token()).await.1["name"], "Alice Example");
    assert_eq!(asked.refused().await, "invalid_grant", "used");
    let next = asked.app.refresh(got.refresh_token()).await.unwrap();
    let again = next.claims("id_token");
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(again[claim], id_token[claim], "{claim}");
    }
}

#[tokio::test]
async fn the_user_is_named_by_user_name_or_by_an_id_token_and_by_nothing_else_ciba_7_1() {
    let server = start().await;
    let shop = Asked::shop(&server);
    let first = Asked::begin(shop.clone(), &[("acr_values", "urn:mace:silver")]).await;
    let mut browser = Browser::new();
    allow_newest(&server, &mut browser).await;
    let got = first.poll().await.unwrap();
    assert_eq!(got.claims("id_token")["acr"], "urn:keystile:password");
    let hint = got.text("id_token").to_owned();
    let by =
        |name: &'static str, value: &str| [("scope", "openid".to_owned()), (name, value.into())];
    let ask = async |pairs: &[(&str, String)]| {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Asked::ask(&shop, &pairs).await
    };
    let answer = ask(&by("id_token_hint", &hint)).await.expect("ours");
    let second = Asked { app: shop.clone(), answer };
    allow_newest(&server, &mut browser).await;
    assert_eq!(
        second.poll().await.unwrap().claims("id_token")["sub"],
        got.claims("id_token")["sub"]
    );
    assert!(ask(&by("login_hint", " ALICE ")).await.is_ok(), "as people type");

    let others = server.app().tokens(&mut browser).await.text("id_token").to_owned();
    let cases = [
        (by("login_hint", "nobody"), "unknown_user_id"),
        (by("login_hint", "alice@example.com"), "unknown_user_id"),
        (by("login_hint", &"a".repeat(300)), "unknown_user_id"),
        (by("id_token_hint", &others), "invalid_request"),
        (by("id_token_hint", "nonsense"), "invalid_request"),
        (by("login_hint_token", "x"), "invalid_request"),
        (by("user", "alice"), "invalid_request"),
    ];
    for (pairs, expected) in cases {
        let error = ask(&pairs).await.expect_err(expected);
        assert_eq!((error.status, error.error.as_str()), (400, expected), "{pairs:?}");
    }
    let at = ["--config", "keystile.toml"];
    assert!(server.command(&[&["user", "add", "carol"][..], &at].concat()).status.success());
    assert!(ask(&by("login_hint", "carol")).await.is_ok());
    assert!(server.command(&[&["user", "remove", "carol"][..], &at].concat()).status.success());
    let error = ask(&by("login_hint", "carol")).await.unwrap_err();
    assert_eq!(error.error, "unknown_user_id", "gone");
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused_ciba_13() {
    let server = start().await;
    let shop = Asked::shop(&server);
    let long = "a".repeat(101);
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[], "invalid_request"),
        (&[("login_hint", "alice")], "invalid_scope"),
        (&[("login_hint", "alice"), ("scope", "profile")], "invalid_scope"),
        (&[("login_hint", "alice"), ("scope", "openid nonsense")], "invalid_scope"),
        (&[("login_hint", "alice"), ("scope", "openid"), ("scope", "openid")], "invalid_request"),
        (&[("scope", "openid"), ("login_hint", "alice"), ("login_hint", "bob")], "invalid_request"),
        (&[("scope", "openid"), ("login_hint", "alice"), ("user_code", "1")], "invalid_request"),
        (
            &[("scope", "openid"), ("login_hint", "alice"), ("binding_message", &long)],
            "invalid_binding_message",
        ),
        (
            &[("scope", "openid"), ("login_hint", "alice"), ("binding_message", "👍")],
            "invalid_binding_message",
        ),
        (
            &[("scope", "openid"), ("login_hint", "alice"), ("requested_expiry", "0")],
            "invalid_request",
        ),
        (
            &[
                ("scope", "openid"),
                ("login_hint", "alice"),
                ("resource", "https://nowhere.example"),
            ],
            "invalid_target",
        ),
        (&[("scope", "openid"), ("login_hint", "alice"), ("request", "a.b.c")], "invalid_request"),
    ];
    for (pairs, expected) in cases {
        let error = Asked::ask(&shop, pairs).await.expect_err(expected);
        assert_eq!((error.status, error.error.as_str()), (400, expected), "{pairs:?}");
        assert!(error.description.len() > 20, "{pairs:?}");
    }
    let good = [("scope", "openid"), ("login_hint", "alice")];
    let error = Asked::ask(&server.app(), &good).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "unauthorized_client"));
    let mut impostor = Asked::shop(&server);
    impostor.secret = None;
    let error = Asked::ask(&impostor, &good).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"));
    let get = reqwest::get(server.url("/backchannel-authentication")).await.unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn polls_that_get_nothing_say_why_ciba_11() {
    let server = start().await;
    let (shop, kiosk) = (Asked::shop(&server), Asked::kiosk(&server));
    let asked = Asked::begin(shop.clone(), &[]).await;
    let id = asked.auth_req_id();
    for wrong in ["nonsense", &id[1..], &format!("{id}AA"), &"A".repeat(64)] {
        let error = Asked::poll_with(&shop, wrong).await.unwrap_err();
        assert_eq!((error.status, error.error.as_str()), (400, "invalid_grant"), "{wrong}");
    }
    let error = Asked::poll_with(&kiosk, id).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant", "another client's");
    let error = Asked::poll_with(&server.app(), id).await.unwrap_err();
    assert_eq!(error.error, "unauthorized_client");
    assert_eq!(shop.token(&[("grant_type", CIBA)]).await.unwrap_err().error, "invalid_request");
    // A name of one grant is none of the other, not even for the client that may use both.
    let own = Asked::begin(kiosk.clone(), &[]).await;
    let as_device = [("grant_type", DEVICE_CODE), ("device_code", own.auth_req_id())];
    assert_eq!(kiosk.token(&as_device).await.unwrap_err().error, "invalid_grant");

    let mut browser = Browser::new();
    let page = requests(&server, &mut browser, "alice").await;
    let page = browser.press(&page, "request-2-deny", &[]).await;
    assert!(page.text().contains("You did not allow it. Corner Shop"), "{}", page.text());
    for _ in 0..2 {
        assert_eq!(asked.refused().await, "access_denied");
    }
    assert_eq!(own.refused().await, PENDING, "the other one waits on");
}

#[tokio::test]
async fn a_request_expires_when_the_client_says_and_is_remembered_for_a_while_ciba_7_1_and_11() {
    let server = start().await;
    let shop = Asked::shop(&server);
    let mut browser = Browser::new();
    let waiting = Asked::begin(shop.clone(), &[("requested_expiry", "2")]).await;
    assert_eq!(waiting.answer["expires_in"], 2);
    let page = requests(&server, &mut browser, "alice").await;
    let late = Asked::begin(shop.clone(), &[("requested_expiry", "100000")]).await;
    assert_eq!(late.answer["expires_in"], 300, "the operator's");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(waiting.refused().await, "expired_token");
    let page = browser.press(&page, "request-1-allow", &[]).await;
    assert!(page.text().contains("This question had ended"), "{}", page.text());
    assert_eq!(waiting.refused().await, "expired_token");
}

#[tokio::test]
async fn who_polls_too_fast_is_told_to_slow_down_and_still_gets_tokens_ciba_11() {
    let server = start().await;
    let asked = Asked::begin(Asked::shop(&server), &[]).await;
    assert_eq!(asked.refused().await, PENDING);
    for _ in 0..20 {
        assert_eq!(asked.refused().await, "slow_down");
    }
    allow_newest(&server, &mut Browser::new()).await;
    assert!(asked.poll().await.is_ok());
}

#[tokio::test]
async fn of_polls_at_once_after_the_word_one_gets_tokens_and_they_live() {
    let server = start().await;
    let scope = ("scope", "openid offline_access");
    let asked = Asked::begin(Asked::shop(&server), &[scope]).await;
    allow_newest(&server, &mut Browser::new()).await;
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let asked = asked.clone();
            tokio::spawn(async move { asked.poll().await })
        })
        .collect();
    let mut got = Vec::new();
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(tokens) => got.push(tokens),
            Err(error) => assert_eq!(error.error, "invalid_grant"),
        }
    }
    let [tokens] = &got[..] else { panic!("{} of 8 got tokens", got.len()) };
    assert_eq!(server.app().userinfo(tokens.access_token()).await.0, 200);
    assert!(asked.app.refresh(tokens.refresh_token()).await.is_ok());
}

#[tokio::test]
async fn a_proof_binds_the_tokens_to_its_key_rfc_9449_5() {
    let server = start().await;
    let asked = Asked::begin(Asked::shop(&server), &[]).await;
    allow_newest(&server, &mut Browser::new()).await;
    let key = ClientKey::new(Algorithm::ES256);
    let proof = key.proof("POST", &server.url("/token"), None);
    let pairs = [("grant_type", CIBA), ("auth_req_id", asked.auth_req_id())];
    let request = asked.app.call("/token", &pairs).header("dpop", proof);
    let got = tokens(request.send().await.unwrap()).await.unwrap();
    assert_eq!(got.text("token_type"), "DPoP");
    assert_eq!(got.claims("access_token")["cnf"]["jkt"], key.thumbprint());
}

#[tokio::test]
async fn access_stands_on_the_account_page_and_ends_with_what_carries_it_idea_5() {
    let server = start().await;
    let shop = Asked::shop(&server);
    let mut browser = Browser::new();
    let online = Asked::begin(shop.clone(), &[]).await;
    allow_newest(&server, &mut browser).await;
    let offline = Asked::begin(shop.clone(), &[("scope", "openid offline_access")]).await;
    allow_newest(&server, &mut browser).await;
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    assert_eq!(online.refused().await, "invalid_grant", "the session has ended");
    let got = offline.poll().await.expect("offline_access outlives the session");

    let page = browser.open(server.url("/account")).await;
    let page = browser.sign_in(&page, "alice", crate::harness::PASSWORD).await;
    assert!(page.text().contains("Corner Shop"), "{}", page.text());
    let token = page.field("token").unwrap();
    let fields = [("token", token.as_str()), ("action", "withdraw"), ("client_id", "shop")];
    let page = browser.post(server.url("/account"), &fields).await;
    assert!(!page.text().contains("Corner Shop"), "{}", page.text());
    assert_eq!(server.app().userinfo(got.access_token()).await.0, 401);
    let error = shop.refresh(got.refresh_token()).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant");
}

#[tokio::test]
async fn nobody_is_flooded_with_questions_and_a_no_counts() {
    let limits =
        "[limits]\nwaiting_of_client_to_user = 2\nwaiting_to_user = 3\nwaiting_of_client = 3\n";
    let server = Keystile::start_with(&format!("{SHOPS}\n{limits}")).await;
    let (shop, kiosk) = (Asked::shop(&server), Asked::kiosk(&server));
    let to = |user: &'static str| [("scope", "openid"), ("login_hint", user)];
    for _ in 0..2 {
        Asked::ask(&shop, &to("alice")).await.unwrap();
    }
    let slowed = async |app, user| {
        let error = Asked::ask(app, &to(user)).await.expect_err("no room");
        assert_eq!((error.status, error.error.as_str()), (400, "slow_down"));
    };
    slowed(&shop, "alice").await;
    Asked::ask(&kiosk, &to("alice")).await.unwrap();
    slowed(&kiosk, "alice").await;
    Asked::ask(&shop, &to("bob")).await.unwrap();
    slowed(&shop, "bob").await;
    // A no makes no room for the same question.
    let mut browser = Browser::new();
    let page = requests(&server, &mut browser, "alice").await;
    let page = browser.press(&page, "request-2-deny", &[]).await;
    slowed(&shop, "alice").await;
    browser.press(&page, "request-1-allow", &[]).await;
    Asked::ask(&kiosk, &to("alice")).await.unwrap();
}

#[tokio::test]
async fn a_client_that_tries_names_is_slowed() {
    let limits = "[limits]\nunknown_user = { burst = 3, every_seconds = 600 }\n";
    let server = Keystile::start_with(&format!("{SHOPS}\n{limits}")).await;
    let shop = Asked::shop(&server);
    let to = |user: &'static str| [("scope", "openid"), ("login_hint", user)];
    for _ in 0..5 {
        Asked::ask(&shop, &to("alice")).await.expect("those who are there do not count");
    }
    for _ in 0..3 {
        assert_eq!(Asked::ask(&shop, &to("carol")).await.unwrap_err().error, "unknown_user_id");
    }
    let response = shop.call("/backchannel-authentication", &to("carol")).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    Asked::ask(&Asked::kiosk(&server), &to("alice")).await.expect("each by itself");
}

#[tokio::test]
async fn a_waiting_request_survives_a_kill() {
    let mut server = start().await;
    let asked = Asked::begin(Asked::shop(&server), &[]).await;
    server.stop();
    let server = server.restart().await;
    allow_newest(&server, &mut Browser::new()).await;
    assert!(asked.poll().await.is_ok());
    drop(server);
}

#[tokio::test]
async fn it_is_advertised_and_clients_are_added_for_it_ciba_4() {
    let server = start().await;
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    let endpoint = server.url("/backchannel-authentication");
    assert_eq!(metadata["backchannel_authentication_endpoint"], endpoint);
    let modes = &metadata["backchannel_token_delivery_modes_supported"];
    assert_eq!(modes, &json!(["poll", "ping"]));
    let algorithms = "backchannel_authentication_request_signing_alg_values_supported";
    assert!(metadata[algorithms].as_array().unwrap().contains(&json!("PS256")));
    assert_eq!(metadata["backchannel_user_code_parameter_supported"], false);
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(CIBA)));

    let at = ["--config", "keystile.toml"];
    let add = ["client", "add", "till", "--ciba", "--scope", "openid", "--json"];
    let output = server.command(&[&add[..], &at].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let added: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(added["backchannel_token_delivery_mode"], "poll");
    let secret = added["client_secret"].as_str();
    let till = crate::harness::App::new(&server.issuer, "till", secret, "");
    let asked = Asked::begin(till, &[]).await;
    allow_newest(&server, &mut Browser::new()).await;
    assert!(asked.poll().await.is_ok());
    let bad = ["client", "add", "bad", "--ciba", "--public"];
    assert!(!server.command(&[&bad[..], &at].concat()).status.success());
}

#[tokio::test]
async fn a_payment_is_asked_for_in_its_own_words_rfc_9396() {
    let types = "authorization_details_types = [\"payment_initiation\"]\nclient_uri =";
    let shops = SHOPS.replace("client_uri =", types);
    let scopes = " photos:read photos:order";
    let server = Keystile::start_for_payments(&shops.replace(scopes, "")).await;
    let details = json!([payment()]).to_string();
    let shop = Asked::shop(&server);
    let asked = Asked::begin(shop, &[("authorization_details", &details)]).await;
    let mut browser = Browser::new();
    let page = requests(&server, &mut browser, "alice").await;
    assert!(page.text().contains("Pay 123.50 EUR to Merchant A"), "{}", page.text());
    browser.press(&page, "request-1-allow", &[]).await;
    let got = asked.poll().await.unwrap();
    assert_eq!(got.json["authorization_details"], json!([payment()]));
    let other = json!([{ "type": "mailbox" }]).to_string();
    let pairs =
        [("scope", "openid"), ("login_hint", "alice"), ("authorization_details", other.as_str())];
    let error = Asked::ask(&asked.app, &pairs).await.unwrap_err();
    assert_eq!(error.error, "invalid_authorization_details");
}

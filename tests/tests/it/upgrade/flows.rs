//! Each flow goes from node to node with each of its steps, and begins at each of the two.

use std::time::Duration;

use keystile_protocol::jose::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Node::{Previous, Today};
use crate::harness::{
    App, Asked, Backend, Both, Browser, ClientKey, DEVICES, Device, PASSWORD, PAYMENTS, SHOPS,
    Tokens, large_payment, payment, tokens,
};

fn offline(both: &Both) -> App {
    both.app().with_scope("openid offline_access photos:read")
}

pub(super) async fn finding_30_a_code_flow_may_change_its_node_with_each_request(on: Backend) {
    let both = Both::start(on, "").await;
    let app = offline(&both);
    for first in [Previous, Today] {
        let second = first.other();
        let mut browser = Browser::new();
        both.only(first);
        let page = browser.open(app.authorize_url()).await;
        both.only(second);
        let page = browser.sign_in(&page, "alice", PASSWORD).await;
        both.only(first);
        // The second time the consent is remembered.
        let page =
            if page.is_consent() { browser.press(&page, "consent-allow", &[]).await } else { page };
        both.only(second);
        let one = app.redeem(&page.query("code").expect("a code")).await.unwrap();
        both.only(first);
        let two = app.refresh(one.refresh_token()).await.unwrap();
        for node in [Previous, Today] {
            both.only(node);
            for tokens in [&one, &two] {
                let (status, user) = app.userinfo(tokens.access_token()).await;
                assert_eq!((status, &user["sub"]), (200, &one.claims("id_token")["sub"]));
                assert_eq!(app.introspect(tokens.access_token()).await["active"], true);
                assert_eq!(app.introspect(tokens.refresh_token()).await["active"], true);
            }
            assert!(browser.open(app.authorize_url()).await.query("code").is_some(), "signed in");
        }
        both.only(second);
        assert_eq!(app.revoke(one.access_token()).await, 200);
        both.only(first);
        assert_eq!(app.userinfo(one.access_token()).await.0, 401);
        assert_eq!(app.userinfo(two.access_token()).await.0, 200);
        let page = browser.open(both.url("/logout")).await;
        both.only(second);
        browser.press(&page, "logout-confirm", &[]).await;
        both.only(first);
        assert!(browser.open(app.authorize_url()).await.is_sign_in());
    }
}

pub(super) async fn finding_30_a_code_counts_once_for_both_versions(on: Backend) {
    let both = Both::start(on, "").await;
    let app = offline(&both);
    for first in [Previous, Today] {
        both.in_turn();
        let code = app.code(&mut Browser::new()).await;
        both.only(first);
        let tokens = app.redeem(&code).await.unwrap();
        both.only(first.other());
        assert_eq!(app.redeem(&code).await.unwrap_err().error, "invalid_grant");
        both.only(first);
        assert_eq!(app.userinfo(tokens.access_token()).await.0, 401, "RFC 6749 section 4.1.2");
        let refused = app.refresh(tokens.refresh_token()).await.unwrap_err();
        assert_eq!(refused.error, "invalid_grant");
    }
}

pub(super) async fn finding_30_rotated_refresh_tokens_go_on_at_the_other_version(on: Backend) {
    let both = Both::start(on, "").await;
    let app = both.native_app().with_scope("openid offline_access");
    let first = app.tokens(&mut Browser::new()).await;
    let mut newest = first.refresh_token().to_owned();
    for node in [Previous, Today, Today, Previous, Previous, Today] {
        both.only(node);
        let before = newest;
        newest = app.refresh(&before).await.unwrap().refresh_token().to_owned();
        both.only(node.other());
        let repeated = app.refresh(&before).await.unwrap();
        assert_eq!(repeated.refresh_token(), newest, "idea 7: the same successor");
    }
    both.only(Today);
    let old = app.refresh(first.refresh_token()).await.unwrap_err();
    assert_eq!(old.error, "invalid_grant");
    both.only(Previous);
    assert_eq!(app.refresh(&newest).await.unwrap_err().error, "invalid_grant", "it was stolen");
}

pub(super) async fn finding_30_a_pushed_request_large_or_small_is_good_at_the_other_version(
    on: Backend,
) {
    let both = Both::start(on, PAYMENTS).await;
    let app = both.today.payer().at(&both.url(""));
    for first in [Previous, Today] {
        for details in [json!([payment()]), json!([large_payment()])] {
            let mut pairs = app.request();
            pairs.retain(|(name, _)| name != "client_id");
            pairs.push(("authorization_details".to_owned(), details.to_string()));
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            both.only(first);
            let pushed = app.call("/par", &pairs).send().await.unwrap();
            let pushed: Value = pushed.json().await.unwrap();
            let request_uri = pushed["request_uri"].as_str().unwrap_or_else(|| panic!("{pushed}"));
            let query = format!("client_id={}&request_uri={request_uri}", app.client_id);
            both.only(first.other());
            let mut browser = Browser::new();
            let page = browser.open(both.url(&format!("/authorize?{query}"))).await;
            both.only(first);
            let page = browser.sign_in(&page, "alice", PASSWORD).await;
            both.only(first.other());
            let page = browser.press(&page, "consent-allow", &[]).await;
            both.only(first);
            let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
            assert_eq!(tokens.json["authorization_details"], details);
            both.only(first.other());
            let known = app.introspect(tokens.access_token()).await;
            assert_eq!(known["active"], true);
        }
    }
}

/// Polls until there is something else than `slow_down`.
async fn patiently(poll: impl AsyncFn() -> Result<Tokens, crate::harness::ErrorAnswer>) -> Tokens {
    loop {
        match poll().await {
            Err(error) if error.error == "slow_down" => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            other => return other.unwrap(),
        }
    }
}

pub(super) async fn finding_30_a_device_polls_the_one_while_its_user_answers_at_the_other_rfc_8628(
    on: Backend,
) {
    let both = Both::start(on, DEVICES).await;
    for first in [Previous, Today] {
        both.only(first);
        let tv = App::new(&both.url(""), "tv", None, "");
        let device = Device::begin(tv, "openid offline_access photos:read").await;
        both.only(first.other());
        let mut browser = Browser::new();
        let page = device.question(&mut browser, "alice").await;
        both.only(first);
        browser.press(&page, "device-allow", &[]).await;
        both.only(first.other());
        let got = patiently(async || device.poll().await).await;
        both.only(first);
        assert_eq!(device.app.userinfo(got.access_token()).await.0, 200);
        assert_eq!(device.refused().await, "invalid_grant", "once");
        assert!(device.app.refresh(got.refresh_token()).await.is_ok());
    }
}

pub(super) async fn finding_30_a_user_answers_at_the_one_what_was_asked_at_the_other_ciba(
    on: Backend,
) {
    let both = Both::start(on, SHOPS).await;
    let secret = "the secret of the shop, forty characters long";
    for first in [Previous, Today] {
        both.only(first);
        let shop = App::new(&both.url(""), "shop", Some(secret), "");
        let asked = Asked::begin(shop, &[("scope", "openid photos:read")]).await;
        both.only(first.other());
        let mut browser = Browser::new();
        let page = browser.open(both.url("/requests")).await;
        both.only(first);
        let page = browser.sign_in(&page, "alice", PASSWORD).await;
        both.only(first.other());
        let page = browser.press(&page, "request-1-allow", &[]).await;
        assert!(page.text().contains("You allowed it."), "{}", page.text());
        let got = patiently(async || asked.poll().await).await;
        both.only(first);
        assert_eq!(asked.app.userinfo(got.access_token()).await.0, 200);
    }
}

pub(super) async fn finding_30_what_a_token_is_bound_to_counts_at_the_other_version_rfc_9449(
    on: Backend,
) {
    let both = Both::start(on, "[dpop]\nnonces = true\n").await;
    let app = both.native_app().with_scope("openid offline_access");
    let key = ClientKey::new(Algorithm::ES256);
    for first in [Previous, Today] {
        both.only(first);
        let refused = app.call("/token", &[("grant_type", "refresh_token")]);
        let refused = refused.header("dpop", key.proof("POST", &both.url("/token"), None));
        let nonce = refused.send().await.unwrap().headers()["dpop-nonce"].clone();
        let nonce = nonce.to_str().unwrap().to_owned();
        let proof = || key.proof_with_nonce("POST", &both.url("/token"), None, &nonce);
        let code = app.code(&mut Browser::new()).await;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &app.redirect_uri),
            ("code_verifier", app.verifier.expose()),
        ];
        both.only(first.other());
        let answer = app.call("/token", &pairs).header("dpop", proof()).send().await.unwrap();
        let bound = tokens(answer).await.expect("the nonce of the one is good at the other");
        both.only(first);
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", bound.refresh_token())];
        let answer = app.call("/token", &pairs).send().await.unwrap();
        assert!(tokens(answer).await.is_err(), "it is bound to a key");
        let used = proof();
        let answer = app.call("/token", &pairs).header("dpop", &used).send().await.unwrap();
        let bound = tokens(answer).await.unwrap();
        both.only(first.other());
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", bound.refresh_token())];
        let answer = app.call("/token", &pairs).header("dpop", &used).send().await.unwrap();
        let refused = tokens(answer).await.unwrap_err();
        assert_eq!(refused.error, "invalid_dpop_proof", "the proof was used at the other");
    }
}

pub(super) async fn finding_30_a_client_that_registered_at_the_one_works_and_is_managed_at_the_other(
    on: Backend,
) {
    let both = Both::start(on, "[registration]\nmode = \"open\"\n").await;
    let http = reqwest::Client::new();
    for first in [Previous, Today] {
        both.only(first);
        let callback = "https://dynamic.example/callback";
        let said = json!({ "redirect_uris": [callback], "client_name": "Dynamic" });
        let request = http.post(both.url("/register")).json(&said);
        let client: Value = request.send().await.unwrap().json().await.unwrap();
        let text = |name: &str| client[name].as_str().unwrap_or_else(|| panic!("{client}"));
        both.in_turn();
        let (id, secret) = (text("client_id"), text("client_secret"));
        let app = App::new(&both.url(""), id, Some(secret), callback).with_scope("openid");
        let got = app.tokens(&mut Browser::new()).await;
        assert_eq!(app.userinfo(got.access_token()).await.0, 200);
        let manage = |method| {
            let address = text("registration_client_uri");
            http.request(method, address).bearer_auth(text("registration_access_token"))
        };
        both.only(first.other());
        let read: Value = manage(Method::GET).send().await.unwrap().json().await.unwrap();
        assert_eq!(read["client_name"], "Dynamic");
        assert_eq!(manage(Method::DELETE).send().await.unwrap().status(), 204);
        both.only(first);
        assert_eq!(manage(Method::GET).send().await.unwrap().status(), 401);
        assert_eq!(app.userinfo(got.access_token()).await.0, 401);
    }
}

//! One flow over two nodes: what one of them did, the other knows.

use keystile_protocol::jose::Algorithm;
use serde_json::Value;

use super::offline;
use crate::harness::{
    App, Browser, ClientKey, Cluster, DEVICES, Device, ErrorAnswer, PASSWORD, PAYMENTS, Plan,
    Tokens, large_payment, tokens,
};

#[tokio::test]
async fn each_step_of_a_flow_may_come_to_another_node() {
    let cluster = Cluster::start().await;
    let app = offline(&cluster);
    let mut browser = Browser::new();
    cluster.only(0);
    let page = browser.open(app.authorize_url()).await;
    cluster.only(1);
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.is_consent(), "{}", page.text());
    cluster.only(0);
    let page = browser.press(&page, "consent-allow", &[]).await;
    cluster.only(1);
    let first = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    cluster.only(0);
    let second = app.refresh(first.refresh_token()).await.unwrap();
    for node in [0, 1] {
        cluster.only(node);
        for tokens in [&first, &second] {
            assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
            assert_eq!(app.introspect(tokens.access_token()).await["active"], true);
        }
        assert!(browser.open(app.authorize_url()).await.query("code").is_some(), "signed in");
    }
}

#[tokio::test]
async fn a_logout_on_one_node_ends_session_code_and_tokens_on_the_other() {
    let cluster = Cluster::start().await;
    let app = cluster.app();
    let mut browser = Browser::new();
    cluster.only(0);
    let tokens = app.tokens(&mut browser).await;
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    let code = app.code(&mut browser).await;
    cluster.only(1);
    let page = browser.open(cluster.url("/logout")).await;
    let done = browser.press(&page, "logout-confirm", &[]).await;
    assert!(done.text().contains("signed out"), "{}", done.text());
    cluster.only(0);
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 401);
    assert_eq!(app.redeem(&code).await.unwrap_err().error, "invalid_grant");
    assert!(browser.open(app.authorize_url()).await.is_sign_in());
}

#[tokio::test]
async fn a_revocation_on_one_node_counts_on_the_other_at_once() {
    let cluster = Cluster::start().await;
    let app = offline(&cluster);
    let mut browser = Browser::new();
    let (one, other) = (app.tokens(&mut browser).await, app.tokens(&mut browser).await);
    cluster.only(0);
    assert_eq!(app.userinfo(one.access_token()).await.0, 200);
    cluster.only(1);
    assert_eq!(app.userinfo(other.access_token()).await.0, 200);
    assert_eq!(app.revoke(one.access_token()).await, 200);
    cluster.only(0);
    assert_eq!(app.userinfo(one.access_token()).await.0, 401);
    assert_eq!(app.revoke(other.refresh_token()).await, 200);
    cluster.only(1);
    assert_eq!(app.userinfo(other.access_token()).await.0, 401);
    assert_eq!(app.refresh(other.refresh_token()).await.unwrap_err().error, "invalid_grant");
}

#[tokio::test]
async fn of_parallel_redemptions_of_one_code_at_two_nodes_one_succeeds_and_the_grant_is_revoked() {
    let cluster = Cluster::start().await;
    let app = offline(&cluster);
    let mut browser = Browser::new();
    for _ in 0..5 {
        let code = app.code(&mut browser).await;
        let attempts: Vec<_> = (0..16)
            .map(|_| {
                // A client of its own each, so that no two share a connection.
                let app = offline(&cluster);
                let code = code.clone();
                tokio::spawn(async move { app.redeem(&code).await })
            })
            .collect();
        let mut won = Vec::new();
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(tokens) => won.push(tokens),
                Err(error) => assert_eq!(error.error, "invalid_grant", "{error:?}"),
            }
        }
        assert_eq!(won.len(), 1, "RFC 6749 section 4.1.2");
        for node in [0, 1] {
            cluster.only(node);
            assert_eq!(app.userinfo(won[0].access_token()).await.0, 401);
            let refused = app.refresh(won[0].refresh_token()).await.unwrap_err();
            assert_eq!(refused.error, "invalid_grant");
        }
        cluster.in_turn();
    }
}

#[tokio::test]
async fn parallel_refreshes_of_a_public_client_at_two_nodes_all_get_the_same_successor() {
    let cluster = Cluster::start().await;
    let app = cluster.native_app().with_scope("openid offline_access");
    let mut newest = app.tokens(&mut Browser::new()).await.refresh_token().to_owned();
    for _ in 0..5 {
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                let (app, token) = (app.clone(), newest.clone());
                tokio::spawn(async move { app.refresh(&token).await })
            })
            .collect();
        let mut successors = Vec::new();
        for attempt in attempts {
            successors.push(attempt.await.unwrap().unwrap().refresh_token().to_owned());
        }
        successors.dedup();
        assert_eq!(successors.len(), 1);
        newest = successors.remove(0);
    }
    assert!(app.refresh(&newest).await.is_ok());
}

#[tokio::test]
async fn a_pushed_request_is_good_at_the_other_node_large_or_small_rfc_9126() {
    let cluster = Cluster::start_with(Plan { more: PAYMENTS, ..Plan::default() }).await;
    let app = cluster.nodes[0].payer().at(&cluster.url(""));
    let large = serde_json::json!([large_payment()]).to_string();
    for details in [None, Some(large)] {
        let mut pairs = app.request();
        pairs.retain(|(name, _)| name != "client_id");
        pairs.extend(details.map(|details| ("authorization_details".to_owned(), details)));
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        cluster.only(0);
        let pushed: Value = app.call("/par", &pairs).send().await.unwrap().json().await.unwrap();
        let request_uri = pushed["request_uri"].as_str().unwrap_or_else(|| panic!("{pushed}"));
        let query = format!("client_id={}&request_uri={request_uri}", app.client_id);
        let address = cluster.url(&format!("/authorize?{query}"));
        cluster.only(1);
        let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
        let code = page.query("code").expect("a code");
        cluster.only(0);
        assert!(app.redeem(&code).await.is_ok());
        cluster.only(1);
        let page = Browser::new().open(&address).await;
        assert!(!page.is_sign_in(), "it was used: {}", page.text());
    }
}

#[tokio::test]
async fn a_device_polls_one_node_while_its_user_answers_at_the_other_rfc_8628() {
    let cluster = Cluster::start_with(Plan { more: DEVICES, ..Plan::default() }).await;
    cluster.only(0);
    let tv = App::new(&cluster.url(""), "tv", None, "");
    let device = Device::begin(tv, "openid photos:read").await;
    cluster.only(1);
    assert_eq!(device.refused().await, "authorization_pending");
    let page = device.allow(&mut Browser::new()).await;
    assert!(!page.has("device-allow"), "{}", page.text());
    cluster.only(0);
    let got = loop {
        match device.poll().await {
            Err(error) if error.error == "slow_down" => {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            other => break other.unwrap(),
        }
    };
    cluster.only(1);
    assert_eq!(device.app.userinfo(got.access_token()).await.0, 200);
    assert_eq!(device.refused().await, "invalid_grant", "once");
}

async fn with_proof(app: &App, proof: &str) -> Result<Tokens, ErrorAnswer> {
    let request = app.call("/token", &[("grant_type", "client_credentials")]);
    tokens(request.header("dpop", proof).send().await.unwrap()).await
}

#[tokio::test]
async fn a_proof_that_one_node_took_is_refused_by_the_other_rfc_9449_11_1() {
    let cluster = Cluster::start().await;
    let app = cluster.app();
    let key = ClientKey::new(Algorithm::ES256);
    let proof = || key.proof("POST", &cluster.url("/token"), None);
    let used = proof();
    cluster.only(0);
    assert_eq!(with_proof(&app, &used).await.unwrap().text("token_type"), "DPoP");
    cluster.only(1);
    assert_eq!(with_proof(&app, &used).await.unwrap_err().error, "invalid_dpop_proof");
    assert!(with_proof(&app, &proof()).await.is_ok());
}

#[tokio::test]
async fn an_assertion_that_one_node_took_is_refused_by_the_other_rfc_7523_3() {
    let key = ClientKey::new(Algorithm::ES256);
    let more = format!(
        "[[clients]]\nclient_id = \"signing\"\ntoken_endpoint_auth_method = \"private_key_jwt\"\n\
         jwks = {}\ngrant_types = [\"client_credentials\"]\nscope = \"photos:read\"\n",
        key.jwks()
    );
    let cluster = Cluster::start_with(Plan { more: &more, ..Plan::default() }).await;
    let app = App::new(&cluster.url(""), "signing", None, "");
    let assertion = key.authentication("signing", &cluster.url(""));
    let mut pairs = vec![("grant_type", "client_credentials")];
    pairs.extend(assertion.iter().map(|(name, value)| (*name, value.as_str())));
    cluster.only(0);
    assert!(app.token(&pairs).await.is_ok());
    cluster.only(1);
    assert_eq!(app.token(&pairs).await.unwrap_err().error, "invalid_client");
}

#[tokio::test]
async fn when_a_node_is_killed_the_other_goes_on_with_its_flows() {
    let mut cluster = Cluster::start().await;
    let app = offline(&cluster);
    let mut browser = Browser::new();
    cluster.only(0);
    let tokens = app.tokens(&mut browser).await;
    let code = app.code(&mut browser).await;
    let asked = app.authorize_url_with(&[("prompt", Some("login"))]);
    let page = browser.open(&asked).await;
    cluster.nodes[0].stop();
    assert_eq!(app.userinfo(tokens.access_token()).await.0, 200);
    assert!(app.redeem(&code).await.is_ok());
    assert!(app.refresh(tokens.refresh_token()).await.is_ok());
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(page.query("code").is_some(), "{} {}", page.url, page.text());
}

#[tokio::test]
async fn many_nodes_start_at_once_on_an_empty_database_and_agree_on_keys_and_users() {
    let cluster = Cluster::start_with(Plan { nodes: 5, ..Plan::default() }).await;
    let app = offline(&cluster);
    let tokens = app.tokens(&mut Browser::new()).await;
    for node in 0..5 {
        cluster.only(node);
        assert_eq!(app.userinfo(tokens.access_token()).await.0, 200, "node {node}");
    }
    // One key of each algorithm, also of those that are made in the background.
    let mut published = Vec::new();
    for node in &cluster.nodes {
        node.wait_for_keys().await;
        let keys: Value = reqwest::get(node.url("/jwks")).await.unwrap().json().await.unwrap();
        published.push(keys);
    }
    let kinds = |keys: &Value| -> Vec<String> {
        let keys = keys["keys"].as_array().unwrap().iter();
        let mut kinds: Vec<_> = keys.map(|key| format!("{}{}", key["alg"], key["use"])).collect();
        kinds.sort();
        kinds
    };
    let mut once = kinds(&published[0]);
    once.dedup();
    for keys in &published {
        assert_eq!(keys, &published[0]);
        assert_eq!(kinds(keys), once);
    }
}

//! Bound tokens, keys and pushed requests against a server that misbehaves. That each works with a
//! good one is proved over the real server.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use keystile_client::protocol::jose::{Algorithm, JwkSet, KeySet, SignedToken, SigningKey};
use keystile_client::session::{MemorySessions, SessionStore};
use keystile_client::{Client, ClientBuilder, ClientKey, Profile, User};
use serde_json::{Value, json};

use crate::bench::{APP, Answering, Browser, Setup, query_of};

#[tokio::test]
async fn a_nonce_is_sent_back_at_once_and_remembered_for_each_server_rfc_9449_8_and_9() {
    let setup = Setup::with(ClientBuilder::dpop).await;
    setup.server.facts().token_nonce = Some("one".into());
    setup.server.facts().api_nonce = Some("two".into());
    let mut browser = setup.signed_in().await;
    assert_eq!(setup.server.hits("token"), 2, "refused, and again with the nonce");
    // The bench has both at one origin, as an issuer's userinfo would be: the last one counts.
    assert_eq!(browser.get("/photos").await.body, "200 three photos");
    assert_eq!(setup.server.hits("photos"), 2);
    assert_eq!(browser.get("/photos").await.body, "200 three photos");
    assert_eq!(setup.server.hits("photos"), 3, "it is remembered");
    setup.server.facts().api_nonce = Some("three".into());
    assert_eq!(browser.get("/photos").await.body, "200 three photos");
    assert_eq!(setup.server.hits("photos"), 5, "a new one is learned when the old one is over");
}

#[tokio::test]
async fn a_nonce_is_sent_back_once_and_then_a_new_code_is_got() {
    for (nonce, requests) in [(None, 1), (Some("one".to_owned()), 2)] {
        let setup = Setup::with(ClientBuilder::dpop).await;
        setup.server.facts().token_nonce = nonce;
        setup.server.facts().token = Answering::Error(400, "use_dpop_nonce");
        let answer = setup.sign_in(&mut setup.browser(), "/login").await;
        let state = &query_of(answer.location())["state"];
        assert!(state.starts_with("1."), "a new authorization request");
        assert_eq!(setup.server.hits("token"), requests, "without a new nonce nothing is repeated");
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_nothing_is_not_taken_for_a_bound_one_rfc_9449_5() {
    let setup = Setup::with(ClientBuilder::dpop).await;
    setup.server.facts().binds_nothing = true;
    let answer = setup.sign_in(&mut setup.browser(), "/login").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let setup = Setup::with(ClientBuilder::dpop).await;
    setup.server.facts().metadata = json!({"dpop_signing_alg_values_supported": ["RS256"]});
    let refused = setup.browser().get("/login").await;
    assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "no ES256: it does not fit");
}

#[tokio::test]
async fn each_session_has_a_key_of_its_own_that_every_process_of_the_app_knows() {
    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::default());
    let (here, there) = (Arc::clone(&store), store);
    let setup = Setup::with(|b| b.dpop().sessions(here).encryption_key([7; 32])).await;
    let other = Client::builder(&setup.server.url, "photo-printer")
        .secret("the client's secret")
        .app_url(APP)
        .api(&setup.server.url)
        .dpop()
        .sessions(there)
        .encryption_key([7; 32])
        .build()
        .expect("good settings");
    let photos = |user: User| async move {
        user.api().get("/photos").send().await.map(|answer| answer.status().to_string())
    };
    let app = Router::new().route("/photos", get(photos)).layer(other.layer());
    let mut keys = Vec::new();
    for _ in 0..2 {
        let here = setup.signed_in().await;
        let mut there = Browser::new(app.clone());
        there.cookies = here.cookies;
        assert_eq!(there.get("/photos").await.body, "200 OK");
        let access = setup.server.facts().access_tokens[0].clone();
        keys.push(setup.server.facts().bound_to[&access]);
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_server_that_does_not_fit_the_profile_is_told_before_anything_is_sent() {
    let key = ClientKey::generate(Algorithm::ES256).expect("a key");
    let setup = Setup::with(|b| b.private_key_jwt(key).profile(Profile::Fapi2)).await;
    let answer = setup.browser().get("/login").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.body.contains("a fault of this app"), "{}", answer.body);
    assert!(!answer.body.contains("pushed"), "the reason is for the log");
    assert_eq!(setup.server.hits("par"), 0);
}

#[tokio::test]
async fn under_a_profile_nothing_goes_on_after_a_response_that_is_not_this_logins() {
    let key = ClientKey::generate(Algorithm::ES256).expect("a key");
    let setup = Setup::with(|b| b.private_key_jwt(key).profile(Profile::Fapi2)).await;
    setup.server.facts().metadata = json!({
        "pushed_authorization_request_endpoint": format!("{}/par", setup.server.url),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
    });
    let mut browser = setup.browser();
    browser.get("/login").await.location();
    let answer = browser.get("/callback?code=abc&state=0.another").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("href=\"/login"), "a link, and no dead end: {}", answer.body);
    assert_eq!((setup.server.hits("par"), setup.server.hits("token")), (1, 0));
}

#[tokio::test]
async fn a_pushed_request_is_retried_while_it_is_temporary_and_told_otherwise_rfc_9126() {
    let setup = Setup::with(ClientBuilder::pushed_requests).await;
    let par = format!("{}/par", setup.server.url);
    setup.server.facts().metadata = json!({"pushed_authorization_request_endpoint": par});
    setup.server.facts().token = Answering::Busy(2, "0");
    let address = setup.browser().get("/login").await.location().to_owned();
    let query = query_of(&address);
    assert_eq!((query.len(), setup.server.hits("par")), (2, 3), "{address}");
    setup.server.facts().token = Answering::Error(400, "invalid_authorization_details");
    let told = setup.browser().get("/login").await;
    assert_eq!(told.status, StatusCode::INTERNAL_SERVER_ERROR);
    setup.server.facts().token = Answering::Error(503, "temporarily_unavailable");
    let told = setup.browser().get("/login").await;
    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(told.body.contains("try again"), "{}", told.body);
}

#[tokio::test]
async fn the_server_fetches_a_request_from_any_process_of_the_app_openid_core_6_2() {
    let key = ClientKey::generate(Algorithm::ES256).expect("a key");
    let public = JwkSet { keys: vec![key.public().clone()] };
    let setup = Setup::with(|b| {
        let builder = b.encryption_key([7; 32]).requests_by_reference("/requests");
        builder.signing_key(key.clone()).signed_requests().resource("https://api.example")
    })
    .await;
    let mut browser = setup.browser();
    let address = browser.get("/login?login_hint=ann").await.location().to_owned();
    let query = query_of(&address);
    let beside = ["client_id", "request_uri", "response_type", "scope"];
    assert_eq!(query.keys().map(String::as_str).collect::<BTreeSet<_>>(), beside.into());
    let uri = &query["request_uri"];
    assert!(uri.starts_with(&format!("{APP}/requests/")) && uri.len() <= 512, "{}", uri.len());

    // Another process: it knows the settings and the key, and no more.
    let other = Setup::at(setup.server, |b| {
        let builder = b.encryption_key([7; 32]).requests_by_reference("/requests");
        builder.signing_key(key).signed_requests().resource("https://api.example")
    });
    let answer = other.browser().get(uri).await;
    assert_eq!(answer.headers["content-type"], "application/oauth-authz-req+jwt");
    let keys = KeySet::from_jwks(&public);
    let object = SignedToken::parse(&answer.body).expect("a JWS");
    let claims: Value = object.verify(&keys, &[Algorithm::ES256]).expect("signed");
    for (name, value) in [
        ("client_id", "photo-printer"),
        ("redirect_uri", &format!("{APP}/callback")),
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("scope", "openid profile photos:read"),
        ("login_hint", "ann"),
        ("resource", "https://api.example"),
        ("iss", "photo-printer"),
        ("aud", &other.server.url),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let parameters = ["state", "nonce", "code_challenge"];
    let pairs = parameters.map(|name| (name, claims[name].as_str().expect("text")));
    let fixed = [
        ("client_id", "photo-printer"),
        ("redirect_uri", claims["redirect_uri"].as_str().expect("text")),
    ];
    let endpoint = format!("{}/authorize", other.server.url);
    let plain = url::Url::parse_with_params(&endpoint, pairs.iter().chain(&fixed)).expect("a URL");
    let mut there = Browser::new(other.app.clone());
    there.cookies = browser.cookies;
    assert_eq!(there.get(&other.server.approve(plain.as_str())).await.location(), "/");

    let nothing = other.browser().get(&format!("{APP}/requests/abc")).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    other.wait(301);
    assert_eq!(other.browser().get(uri).await.status, StatusCode::NOT_FOUND, "it is over");
}

#[tokio::test]
async fn what_the_server_demands_is_pushed_without_being_asked_rfc_9126_5() {
    let setup = Setup::new().await;
    let par = format!("{}/par", setup.server.url);
    setup.server.facts().metadata = json!({
        "pushed_authorization_request_endpoint": par,
        "require_pushed_authorization_requests": true,
    });
    let address = setup.browser().get("/login").await.location().to_owned();
    assert!(query_of(&address).contains_key("request_uri"), "{address}");
}

#[tokio::test]
async fn a_signed_answer_is_believed_of_the_issuer_alone_jarm_2_4() {
    let setup = Setup::with(ClientBuilder::signed_responses).await;
    setup.server.facts().metadata =
        json!({"authorization_signing_alg_values_supported": ["ES256"]});
    let stranger = SigningKey::generate(Algorithm::ES256).expect("a key").key;
    let claims = |state: &str, iss: &str, aud: &str| json!({"iss": iss, "aud": aud, "exp": 9_000_000_000_i64, "code": "abc", "state": state});
    let url = setup.server.url.clone();
    for (iss, aud, own) in [
        ("https://evil.example", "photo-printer", true),
        (url.as_str(), "another", true),
        (url.as_str(), "photo-printer", false),
    ] {
        let mut browser = setup.browser();
        let address = browser.get("/login").await.location().to_owned();
        assert_eq!(query_of(&address)["response_mode"], "jwt");
        let claims = claims(&query_of(&address)["state"], iss, aud);
        let response = if own {
            setup.server.facts().key.sign("JWT", &claims)
        } else {
            stranger.sign("JWT", &claims)
        };
        let response = response.expect("signed");
        let answer = browser.get(&format!("/callback?response={response}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{iss} {aud} {own}");
    }
    // A plain error cannot be forged into the app either.
    let answer = setup.browser().get("/callback?error=access_denied").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(setup.server.hits("token"), 0, "no code was sent");
}

#[tokio::test]
async fn the_public_half_of_the_key_is_published_and_nothing_more() {
    let key = ClientKey::generate(Algorithm::ES256).expect("a key");
    let public = key.public().clone();
    let setup = Setup::with(|b| b.private_key_jwt(key).jwks_path("/keys")).await;
    let answer = setup.browser().get("/keys").await;
    let published: serde_json::Value = serde_json::from_str(&answer.body).expect("json");
    assert_eq!(published, json!({ "keys": [public] }));
    assert!(published["keys"][0].get("d").is_none());
    assert_eq!(setup.client.jwks_uri().as_deref(), Some("http://localhost:4001/keys"));
}

#[tokio::test]
async fn a_server_that_names_no_keys_may_change_them() {
    let setup = Setup::new().await;
    setup.server.facts().names_keys = false;
    setup.signed_in().await;
    let new = SigningKey::generate(Algorithm::ES256).expect("a key").key;
    {
        let mut facts = setup.server.facts();
        facts.keys = vec![new.public().clone()];
        facts.key = new;
    }
    setup.wait(6);
    setup.signed_in().await;
    assert_eq!(setup.server.hits("jwks"), 2);
    setup.server.facts().key = SigningKey::generate(Algorithm::ES256).expect("a key").key;
    setup.wait(6);
    for _ in 0..5 {
        let answer = setup.sign_in(&mut setup.browser(), "/login").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(setup.server.hits("jwks"), 3, "once, and not in a storm");
}

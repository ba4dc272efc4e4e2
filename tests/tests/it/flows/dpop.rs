//! DPoP (RFC 9449).

use keystile_protocol::jose::Algorithm;
use reqwest::Response;
use serde_json::Value;

use crate::harness::{App, Browser, ClientKey, ErrorAnswer, Keystile, Tokens, tokens};

async fn redeem(app: &App, code: &str, proofs: &[String]) -> Result<Tokens, ErrorAnswer> {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &app.redirect_uri),
        ("code_verifier", app.verifier.expose()),
    ];
    with_proofs(app, &pairs, proofs).await
}

async fn refresh(app: &App, token: &str, proofs: &[String]) -> Result<Tokens, ErrorAnswer> {
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
    with_proofs(app, &pairs, proofs).await
}

async fn with_proofs(
    app: &App,
    pairs: &[(&str, &str)],
    proofs: &[String],
) -> Result<Tokens, ErrorAnswer> {
    let mut request = app.call("/token", pairs);
    for proof in proofs {
        request = request.header("DPoP", proof);
    }
    tokens(request.send().await.unwrap()).await
}

async fn userinfo(server: &Keystile, scheme: &str, token: &str, proofs: &[String]) -> Response {
    let mut request = reqwest::Client::new().get(server.url("/userinfo"));
    request = request.header("authorization", format!("{scheme} {token}"));
    for proof in proofs {
        request = request.header("dpop", proof);
    }
    request.send().await.unwrap()
}

fn challenges(response: &Response) -> String {
    let all = response.headers().get_all("www-authenticate").iter();
    all.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join("; ")
}

fn to_token(server: &Keystile, key: &ClientKey) -> Vec<String> {
    vec![key.proof("POST", &server.url("/token"), None)]
}

#[tokio::test]
async fn a_proof_binds_the_access_token_to_its_key_rfc_9449_5_to_7() {
    let server = Keystile::start().await;
    let app = server.app();
    let key = ClientKey::new(Algorithm::ES256);
    let code = app.code(&mut Browser::new()).await;
    let got = redeem(&app, &code, &to_token(&server, &key)).await.unwrap();
    assert_eq!(got.text("token_type"), "DPoP");
    let token = got.access_token();
    assert_eq!(got.claims("access_token")["cnf"]["jkt"], key.thumbprint());
    let answer = app.introspect(token).await;
    assert_eq!(answer["cnf"]["jkt"], key.thumbprint());
    assert_eq!(answer["token_type"], "DPoP");

    let url = server.url("/userinfo");
    let proof = || key.proof("GET", &url, Some(token));
    assert_eq!(userinfo(&server, "DPoP", token, &[proof()]).await.status(), 200);
    let used = proof();
    assert_eq!(userinfo(&server, "dpop", token, std::slice::from_ref(&used)).await.status(), 200);
    let other = ClientKey::new(Algorithm::EdDSA);
    let refused = [
        ("DPoP", vec![used], "invalid_dpop_proof"),
        ("DPoP", vec![], "invalid_dpop_proof"),
        ("DPoP", vec![proof(), proof()], "invalid_dpop_proof"),
        ("DPoP", vec![key.proof("POST", &url, Some(token))], "invalid_dpop_proof"),
        ("DPoP", vec![key.proof("GET", &url, None)], "invalid_dpop_proof"),
        ("DPoP", vec![key.proof("GET", &url, Some("another"))], "invalid_dpop_proof"),
        ("DPoP", vec![other.proof("GET", &url, Some(token))], "invalid_token"),
        ("Bearer", vec![], "invalid_token"),
        ("Bearer", vec![proof()], "invalid_token"),
    ];
    for (scheme, proofs, error) in refused {
        let response = userinfo(&server, scheme, token, &proofs).await;
        assert_eq!(response.status(), 401);
        let challenges = challenges(&response);
        let offered = format!("DPoP algs=\"ES256 EdDSA PS256\", error=\"{error}\"");
        assert!(challenges.contains(&offered), "{scheme} {challenges}");
    }
    let bearer = app.tokens(&mut Browser::new()).await;
    let proof = key.proof("GET", &url, Some(bearer.access_token()));
    let response = userinfo(&server, "DPoP", bearer.access_token(), &[proof]).await;
    assert_eq!(response.status(), 401, "a token that is not bound is a bearer token");
    assert_eq!(userinfo(&server, "Bearer", bearer.access_token(), &[]).await.status(), 200);
}

#[tokio::test]
async fn a_bad_proof_redeems_nothing_and_burns_no_code_rfc_9449_4_3() {
    let server = Keystile::start().await;
    let app = server.app();
    let key = ClientKey::new(Algorithm::ES256);
    let code = app.code(&mut Browser::new()).await;
    let url = server.url("/token");
    let bad = [
        vec![key.proof("GET", &url, None)],
        vec![key.proof("POST", &server.url("/userinfo"), None)],
        vec![key.proof("POST", &url, None), key.proof("POST", &url, None)],
        vec![ClientKey::new(Algorithm::RS256).proof("POST", &url, None)],
        vec!["nonsense".to_owned()],
    ];
    for proofs in bad {
        let error = redeem(&app, &code, &proofs).await.unwrap_err();
        assert_eq!((error.status, error.error.as_str()), (400, "invalid_dpop_proof"));
    }
    let proofs = [key.proof("POST", &format!("{url}?a=b#c"), None)];
    assert!(redeem(&app, &code, &proofs).await.is_ok());
}

#[tokio::test]
async fn of_parallel_uses_of_one_proof_one_gets_a_token_rfc_9449_11_1() {
    let server = Keystile::start().await;
    let app = server.app();
    let key = ClientKey::new(Algorithm::ES256);
    let proofs = to_token(&server, &key);
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let request = app.call("/token", &[("grant_type", "client_credentials")]);
            let request = request.header("dpop", &proofs[0]);
            tokio::spawn(async move { tokens(request.send().await.unwrap()).await })
        })
        .collect();
    let mut successes = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(tokens) => {
                assert_eq!(tokens.text("token_type"), "DPoP");
                successes += 1;
            }
            Err(error) => assert_eq!(error.error, "invalid_dpop_proof"),
        }
    }
    assert_eq!(successes, 1);
    let code = app.code(&mut Browser::new()).await;
    let error = redeem(&app, &code, &proofs).await.unwrap_err();
    assert_eq!(error.error, "invalid_dpop_proof", "nor does it redeem a code");
    assert!(app.redeem(&code).await.is_ok(), "which is still good");
}

#[tokio::test]
async fn dpop_jkt_binds_the_code_to_a_key_rfc_9449_10() {
    let server = Keystile::start().await;
    let app = server.app();
    let (key, other) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
    let mut browser = Browser::new();
    let url = app.authorize_url_with(&[("dpop_jkt", Some(&key.thumbprint()))]);
    let code = app.callback_by(&mut browser, "alice", &url).await.query("code").unwrap();
    for proofs in [vec![], to_token(&server, &other)] {
        let error = redeem(&app, &code, &proofs).await.unwrap_err();
        assert_eq!(error.error, "invalid_grant");
    }
    assert!(redeem(&app, &code, &to_token(&server, &key)).await.is_ok());
    let url = app.authorize_url_with(&[("dpop_jkt", Some("short"))]);
    let page = app.callback_by(&mut browser, "alice", &url).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn refresh_tokens_are_bound_for_public_clients_alone_rfc_9449_5_finding_18() {
    let server = Keystile::start().await;
    let (key, other) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::PS256));
    let public = server.native_app().with_scope("openid offline_access");
    let code = public.code(&mut Browser::new()).await;
    let first = redeem(&public, &code, &to_token(&server, &key)).await.unwrap();
    let token = first.refresh_token();
    let error = refresh(&public, token, &[]).await.unwrap_err();
    assert_eq!(error.error, "invalid_dpop_proof");
    let error = refresh(&public, token, &to_token(&server, &other)).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant");
    let next = refresh(&public, token, &to_token(&server, &key)).await.unwrap();
    assert_eq!(next.claims("access_token")["cnf"]["jkt"], key.thumbprint());

    let confidential = server.app().with_scope("openid offline_access");
    let code = confidential.code(&mut Browser::new()).await;
    let first = redeem(&confidential, &code, &to_token(&server, &key)).await.unwrap();
    let proofs = to_token(&server, &other);
    let next = refresh(&confidential, first.refresh_token(), &proofs).await.unwrap();
    assert_eq!(next.claims("access_token")["cnf"]["jkt"], other.thumbprint());
}

#[tokio::test]
async fn a_client_registered_so_gets_bound_tokens_alone_rfc_9449_5_2_and_it_is_advertised() {
    let client = r#"
[[clients]]
client_id = "bound"
client_secret = "the secret of the bound app, forty characters"
dpop_bound_access_tokens = true
grant_types = ["client_credentials"]
scope = "photos:read"
"#;
    let server = Keystile::start_with(client).await;
    let secret = Some("the secret of the bound app, forty characters");
    let app = App::new(&server.issuer, "bound", secret, "");
    let machine = [("grant_type", "client_credentials")];
    let error = app.token(&machine).await.unwrap_err();
    assert_eq!(error.error, "invalid_dpop_proof");
    let proofs = to_token(&server, &ClientKey::new(Algorithm::EdDSA));
    assert!(with_proofs(&app, &machine, &proofs).await.is_ok());
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    let advertised = &metadata["dpop_signing_alg_values_supported"];
    assert_eq!(*advertised, serde_json::json!(["ES256", "EdDSA", "PS256"]));
}

#[tokio::test]
async fn where_nonces_are_asked_for_each_proof_has_a_fresh_one_rfc_9449_8_and_9() {
    let server = Keystile::start_with("[dpop]\nnonces = true\n").await;
    let app = server.app();
    let key = ClientKey::new(Algorithm::ES256);
    let nonce = |response: &Response| response.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let machine = [("grant_type", "client_credentials"), ("scope", "photos:read")];
    let url = server.url("/token");
    let ask = async |proof: String| {
        app.call("/token", &machine).header("DPoP", proof).send().await.unwrap()
    };
    let refused = ask(key.proof("POST", &url, None)).await;
    let fresh = nonce(&refused);
    assert_eq!(refused.status(), 400);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "use_dpop_nonce");
    let made_up = ask(key.proof_with_nonce("POST", &url, None, "made up")).await;
    assert_eq!(made_up.json::<Value>().await.unwrap()["error"], "use_dpop_nonce");
    for _ in 0..2 {
        let got = ask(key.proof_with_nonce("POST", &url, None, &fresh)).await;
        assert_eq!(got.status(), 200, "a nonce serves for a while, a proof once");
    }

    let code = app.code(&mut Browser::new()).await;
    let proofs = [key.proof_with_nonce("POST", &url, None, &fresh)];
    let got = redeem(&app, &code, &proofs).await.unwrap();
    let (token, url) = (got.access_token(), server.url("/userinfo"));
    let refused = userinfo(&server, "DPoP", token, &[key.proof("GET", &url, Some(token))]).await;
    assert_eq!(refused.status(), 401);
    assert!(challenges(&refused).contains("error=\"use_dpop_nonce\""));
    let proof = key.proof_with_nonce("GET", &url, Some(token), &nonce(&refused));
    assert_eq!(userinfo(&server, "DPoP", token, &[proof]).await.status(), 200);
    let without = app.tokens(&mut Browser::new()).await;
    assert_eq!(without.text("token_type"), "Bearer", "who sends no proof needs no nonce");
}

//! `keystile-resource` in front of an API, with tokens of the real server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use keystile_protocol::jose::{Algorithm, SigningKey};
use keystile_resource::{Guard, GuardBuilder, Introspection, Token, TrustedIssuer};
use reqwest::Response;
use serde_json::{Value, json};

use crate::harness::{
    App, Authority, Browser, ClientKey, Keystile, Tokens, form, free_port, payment, payment_with,
    tokens,
};

const SECRET: &str = "the secret of an API, which is forty characters";
const VAULT: &str = "https://vault.example";
const PHOTOS: &str = "https://photos.example";
/// The bound on the age of the issuer's word, where an API asks.
const STALE: Duration = Duration::from_secs(1);

/// Photos have JWTs, the vault has opaque tokens; each has a client to ask with.
async fn server(more: &str) -> Keystile {
    let config = format!(
        r#"
[[scopes]]
name = "vault:open"
title = "open your vault"

[[apis]]
audience = "{VAULT}"
scopes = ["vault:open"]
tokens = "opaque"

[[clients]]
client_id = "front"
client_secret = "{SECRET}"
redirect_uris = ["https://front.example/callback"]
scope = "openid photos:read vault:open"
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "api"
client_secret = "{SECRET}"
grant_types = ["client_credentials"]
scope = "photos:read"
apis = ["{VAULT}", "{PHOTOS}"]
introspection_signed_response_alg = "EdDSA"
{more}
"#
    );
    // The key set waits for the RSA keys of a first start.
    Keystile::start_with(&config).await.with_all_keys().await
}

fn front(server: &Keystile) -> App {
    App::new(&server.issuer, "front", Some(SECRET), "https://front.example/callback")
}

fn asking() -> Introspection {
    Introspection::with_secret("api", SECRET).at_most_stale(STALE)
}

fn guard(server: &Keystile, audience: &str, asking: Option<Introspection>) -> GuardBuilder {
    let trusted = TrustedIssuer::new(&server.issuer);
    let trusted = match asking {
        Some(asking) => trusted.introspection(asking),
        None => trusted,
    };
    Guard::builder(trusted, audience)
}

/// An API behind the guard, at its address.
async fn api(guard: GuardBuilder) -> String {
    let port = free_port();
    let url = format!("http://localhost:{port}");
    let guard = guard.published_at(&url).build().unwrap();
    let pay = guard.require_detail("payment_initiation", |detail, request| {
        let amount = &detail.members()["instructedAmount"]["amount"];
        request.uri.path().rsplit('/').next() == amount.as_str()
    });
    let app = Router::new()
        .route("/me", get(|token: Token| async move { token.client_id().to_owned() }))
        .route("/pay/{amount}", get(|| async { "paid" }).layer(pay))
        .layer(guard);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

async fn call(api: &str, token: &str) -> Response {
    reqwest::Client::new().get(format!("{api}/me")).bearer_auth(token).send().await.unwrap()
}

async fn status(api: &str, token: &str) -> u16 {
    call(api, token).await.status().as_u16()
}

/// How long a token goes on passing; it is asked for all the time.
async fn passes_for(api: &str, token: &str) -> Duration {
    let began = Instant::now();
    while status(api, token).await == 200 {
        assert!(began.elapsed() < Duration::from_secs(60), "it goes on passing");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn opaque_tokens_pass_by_the_servers_word_plain_or_signed_rfc_7662_and_9701() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let own = ClientKey(key.key).jwks();
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &key.pkcs8).unwrap();
    let server = server(&format!(
        "[[clients]]\nclient_id = \"key-api\"\ntoken_endpoint_auth_method = \"private_key_jwt\"\n\
         jwks = {own}\ngrant_types = [\"client_credentials\"]\nscope = \"photos:read\"\n\
         apis = [\"{VAULT}\"]\n"
    ))
    .await;
    let front = front(&server).with_scope("openid vault:open");
    let token = front.tokens(&mut Browser::new()).await;
    let token = token.access_token();
    for asking in [asking(), asking().signed_answers(), Introspection::with_key("key-api", key)] {
        let words = format!("{asking:?}");
        let vault = api(guard(&server, VAULT, Some(asking))).await;
        let answer = call(&vault, token).await;
        assert_eq!(answer.status(), 200, "{words}");
        assert_eq!(answer.text().await.unwrap(), "front");
    }
    let photos = api(guard(&server, PHOTOS, Some(asking()))).await;
    assert_eq!(status(&photos, token).await, 401, "it is for another API");
    let wrong = Introspection::with_secret("api", "wrong");
    let vault = api(guard(&server, VAULT, Some(wrong))).await;
    assert_eq!(status(&vault, token).await, 503, "nobody is let in by an API that cannot ask");
}

#[tokio::test]
async fn what_is_revoked_is_refused_within_the_bound_and_offline_never() {
    let server = server("").await;
    let vault = api(guard(&server, VAULT, Some(asking()))).await;
    let online = api(guard(&server, PHOTOS, Some(asking().jwts_too()))).await;
    let offline = api(guard(&server, PHOTOS, None)).await;
    let app = front(&server);
    for (scope, guarded) in [("vault:open", &vault), ("photos:read", &online)] {
        let tokens = app.clone().with_scope(scope).tokens(&mut Browser::new()).await;
        let token = tokens.access_token();
        assert_eq!(status(guarded, token).await, 200);
        assert_eq!(app.revoke(token).await, 200);
        let passed = passes_for(guarded, token).await;
        println!("revoked, the token for {scope} passed for {} ms more", passed.as_millis());
        // No answer is older than a second; the rest is a slow machine's.
        assert!(passed < STALE + Duration::from_secs(10), "{passed:?}");
        if scope == "photos:read" {
            assert_eq!(status(&offline, token).await, 200, "its signature is still good");
        }
    }
}

#[tokio::test]
async fn a_logout_ends_what_the_session_gave() {
    let server = server("").await;
    let online = api(guard(&server, PHOTOS, Some(asking().jwts_too()))).await;
    let mut browser = Browser::new();
    let tokens = front(&server).with_scope("openid photos:read").tokens(&mut browser).await;
    assert_eq!(status(&online, tokens.access_token()).await, 200);
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    passes_for(&online, tokens.access_token()).await;
}

#[tokio::test]
async fn a_token_bound_to_a_key_passes_with_proofs_alone_rfc_9449_7() {
    let server = server("").await;
    let vault = api(guard(&server, VAULT, Some(asking())).dpop_nonces()).await;
    let photos = api(guard(&server, PHOTOS, None).bound_tokens_alone().dpop_nonces()).await;
    let key = ClientKey::new(Algorithm::ES256);
    for (scope, api) in [("vault:open", &vault), ("photos:read", &photos)] {
        let app = front(&server).with_scope(scope);
        let code = app.code(&mut Browser::new()).await;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &app.redirect_uri),
            ("code_verifier", app.verifier.expose()),
        ];
        let proof = key.proof("POST", &server.url("/token"), None);
        let got = tokens(app.call("/token", &pairs).header("dpop", proof).send().await.unwrap());
        let got: Tokens = got.await.unwrap();
        let token = got.access_token();
        let url = format!("{api}/me");
        let send = async |proof: String| {
            let request = reqwest::Client::new().get(&url).header("dpop", proof);
            request.header("authorization", format!("DPoP {token}")).send().await.unwrap()
        };
        let first = send(key.proof("GET", &url, Some(token))).await;
        let error: &str = first.headers()["www-authenticate"].to_str().unwrap();
        assert!(error.contains(r#"error="use_dpop_nonce""#), "{error}");
        let nonce = first.headers()["dpop-nonce"].to_str().unwrap();
        let good = key.proof_with_nonce("GET", &url, Some(token), nonce);
        assert_eq!(send(good.clone()).await.status(), 200, "{scope}");
        assert_eq!(send(good).await.status(), 401, "a replay");
        let thief = ClientKey::new(Algorithm::ES256);
        let stolen = thief.proof_with_nonce("GET", &url, Some(token), nonce);
        assert_eq!(send(stolen).await.status(), 401);
        assert_eq!(status(api, token).await, 401, "a downgrade");
    }
    let bearer = front(&server).with_scope("photos:read").tokens(&mut Browser::new()).await;
    assert_eq!(status(&photos, bearer.access_token()).await, 401, "bound tokens alone");
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_passes_beside_it_alone_rfc_8705_3() {
    let identity = Authority::new("Example Authority").issue("app.example");
    let server = server(&format!(
        "[proxy]\ntrusted = [\"127.0.0.0/8\"]\nforwarded_header = \"X-Forwarded-For\"\n\
         client_certificate_header = \"Client-Cert\"\n[mtls]\n\
         issuer_alias = \"http://localhost:1\"\n[[clients]]\nclient_id = \"own\"\n\
         token_endpoint_auth_method = \"self_signed_tls_client_auth\"\njwks = {}\n\
         grant_types = [\"client_credentials\"]\nscope = \"photos:read\"\n\
         tls_client_certificate_bound_access_tokens = true\n",
        identity.jwks()
    ))
    .await;
    let pairs = [("grant_type", "client_credentials"), ("client_id", "own")];
    let request = reqwest::Client::new().post(server.url("/token"));
    let request = form(request.header("client-cert", identity.header()), &pairs);
    let got = tokens(request.send().await.unwrap()).await.unwrap();
    let proxied = guard(&server, PHOTOS, None)
        .client_certificates_from(&["127.0.0.0/8".parse().unwrap()])
        .bound_tokens_alone();
    let proxied = api(proxied).await;
    let direct = api(guard(&server, PHOTOS, None)).await;
    let with = async |api: &str, certificate: String| {
        let request = reqwest::Client::new().get(format!("{api}/me"));
        let request = request.header("client-cert", certificate).bearer_auth(got.access_token());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(with(&proxied, identity.header()).await, 200);
    let other = Authority::new("Example Authority").issue("app.example");
    assert_eq!(with(&proxied, other.header()).await, 401);
    assert_eq!(status(&proxied, got.access_token()).await, 401);
    assert_eq!(with(&direct, identity.header()).await, 401, "nobody is trusted to say so");
}

#[tokio::test]
async fn a_route_asks_for_the_detail_that_the_user_allowed_rfc_9396_9() {
    let server = Keystile::start_for_payments("").await.with_all_keys().await;
    let app = server.payer();
    let allowed = payment_with(json!({ "instructedAmount": { "currency": "EUR", "amount": "7" } }));
    let details = json!([allowed, { "type": "mailbox" }]).to_string();
    let url = app.authorize_url_with(&[("authorization_details", Some(&details))]);
    let page = app.callback_by(&mut Browser::new(), "alice", &url).await;
    let tokens = app.redeem(&page.query("code").unwrap()).await.unwrap();
    let guarded = Guard::builder(&server.issuer, "https://pay.example");
    let bank = api(guarded).await;
    let pay = async |amount: &str| {
        let request = reqwest::Client::new().get(format!("{bank}/pay/{amount}"));
        request.bearer_auth(tokens.access_token()).send().await.unwrap()
    };
    assert_eq!(pay("7").await.status(), 200);
    let more = pay("8").await;
    assert_eq!(more.status(), 403);
    assert_eq!(more.json::<Value>().await.unwrap()["error"], "insufficient_scope");
    assert_ne!(payment()["instructedAmount"], allowed["instructedAmount"]);
}

//! `private_key_jwt` (RFC 7523, OpenID Connect Core 1.0 section 9).

use keystile_protocol::jose::Algorithm;
use serde_json::Value;

use crate::harness::{App, Browser, ClientKey, Keystile, form, tokens};

async fn server(key: &ClientKey, more: &str) -> Keystile {
    let client = format!(
        r#"
[[clients]]
client_id = "signing"
token_endpoint_auth_method = "private_key_jwt"
jwks = {}
redirect_uris = ["https://signing.example/callback"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
scope = "openid offline_access photos:read"
id_token_signed_response_alg = "ES256"
{more}
"#,
        key.jwks()
    );
    Keystile::start_with(&client).await
}

/// The app's requests to clients' endpoints are made by [`call`].
fn app(server: &Keystile) -> App {
    App::new(&server.issuer, "signing", None, "https://signing.example/callback")
}

async fn call(
    server: &Keystile,
    path: &str,
    authentication: &[(&str, String)],
    more: &[(&str, &str)],
) -> reqwest::Response {
    let mut pairs: Vec<(&str, &str)> = more.to_vec();
    pairs.extend(authentication.iter().map(|(name, value)| (*name, value.as_str())));
    form(reqwest::Client::new().post(server.url(path)), &pairs).send().await.unwrap()
}

const MACHINE: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[tokio::test]
async fn an_assertion_authenticates_at_each_endpoint_rfc_7523_and_is_advertised() {
    let key = ClientKey::new(Algorithm::PS256);
    let server = server(&key, "").await;
    let app = app(&server).with_scope("openid offline_access photos:read");
    let code = app.code(&mut Browser::new()).await;
    let redemption = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &app.redirect_uri),
        ("code_verifier", app.verifier.expose()),
    ];
    let by = |audience: &str| key.authentication("signing", audience);
    let to_issuer = by(&server.issuer);
    let got = tokens(call(&server, "/token", &to_issuer, &redemption).await).await.unwrap();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", got.refresh_token())];
    let to_endpoint = by(&server.url("/token"));
    assert!(tokens(call(&server, "/token", &to_endpoint, &refresh).await).await.is_ok());
    let token = [("token", got.access_token())];
    let to_endpoint = by(&server.url("/introspect"));
    let answer = call(&server, "/introspect", &to_endpoint, &token).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["active"], true);
    let to_endpoint = by(&server.url("/revoke"));
    assert_eq!(call(&server, "/revoke", &to_endpoint, &token).await.status(), 200);
    assert_eq!(app.userinfo(got.access_token()).await.0, 401);

    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    for endpoint in ["token", "revocation", "introspection"] {
        let name = format!("{endpoint}_endpoint_auth_methods_supported");
        assert!(metadata[&name].as_array().unwrap().contains(&"private_key_jwt".into()), "{name}");
        let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
        assert!(metadata[&name].as_array().unwrap().contains(&"PS256".into()), "{name}");
    }
}

#[tokio::test]
async fn an_assertion_counts_once_also_in_parallel_and_whatever_it_was_for_rfc_7523_3() {
    let key = ClientKey::new(Algorithm::ES256);
    let server = server(&key, "").await;
    let once = key.authentication("signing", &server.issuer);
    let mut pairs = MACHINE.to_vec();
    pairs.extend(once.iter().map(|(name, value)| (*name, value.as_str())));
    let http = reqwest::Client::new();
    let attempts: Vec<_> = (0..8)
        .map(|_| tokio::spawn(form(http.post(server.url("/token")), &pairs).send()))
        .collect();
    let mut successes = 0;
    for attempt in attempts {
        match tokens(attempt.await.unwrap().unwrap()).await {
            Ok(_) => successes += 1,
            Err(error) => assert_eq!((error.status, error.error.as_str()), (401, "invalid_client")),
        }
    }
    assert_eq!(successes, 1);
    let once = key.authentication("signing", &server.issuer);
    let bad_code = [("grant_type", "authorization_code"), ("code", "none")];
    let error = tokens(call(&server, "/token", &once, &bad_code).await).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant");
    let error = tokens(call(&server, "/token", &once, &MACHINE).await).await.unwrap_err();
    assert_eq!(error.error, "invalid_client", "a refused request uses it up too");
    let once = key.authentication("signing", &server.issuer);
    let nothing = [("token", "nonsense")];
    assert_eq!(call(&server, "/revoke", &once, &nothing).await.status(), 200);
    assert_eq!(call(&server, "/revoke", &once, &nothing).await.status(), 401);
}

#[tokio::test]
async fn assertions_of_others_and_for_others_are_refused_rfc_7523_3() {
    let key = ClientKey::new(Algorithm::ES256);
    let server = server(&key, "").await;
    let stranger = ClientKey::new(Algorithm::ES256);
    let bad = [
        stranger.authentication("signing", &server.issuer),
        key.authentication("app", &server.issuer),
        key.authentication("nobody", &server.issuer),
        key.authentication("signing", "https://other.example"),
        key.authentication("signing", &server.url("/revoke")),
        vec![("client_id", "signing".to_owned())],
    ];
    for authentication in bad {
        let answer = tokens(call(&server, "/token", &authentication, &MACHINE).await).await;
        assert_eq!(answer.unwrap_err().error, "invalid_client", "{authentication:?}");
    }
    let mut two = key.authentication("signing", &server.issuer);
    two.push(("client_secret", "x".to_owned()));
    let error = tokens(call(&server, "/token", &two, &MACHINE).await).await.unwrap_err();
    assert_eq!(error.error, "invalid_request");
}

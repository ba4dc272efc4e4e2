//! JWTs of other issuers as grants (RFC 7523 section 2.1).

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{App, Browser, ClientKey, ErrorAnswer, Keystile, PASSWORD, Tokens, now};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const IDP: &str = "https://idp.example";
const SECRET: &str = "the secret of the importer, forty characters";

/// `importer` may bring assertions of the identity provider.
async fn server(key: &ClientKey) -> Keystile {
    let more = format!(
        r#"
[[trusted_issuers]]
issuer = "{IDP}"
jwks = {}
subject_is = "username"
clients = ["importer", "public-one"]
scope = ["openid", "email", "photos:read"]

[[clients]]
client_id = "importer"
client_secret = "{SECRET}"
grant_types = ["{GRANT}"]
scope = "openid email photos:read photos:order"
"#,
        key.jwks()
    );
    Keystile::start_with(&more).await
}

fn importer(server: &Keystile) -> App {
    App::new(&server.issuer, "importer", Some(SECRET), "https://importer.example")
}

fn claims(server: &Keystile, jti: &str) -> Value {
    json!({
        "iss": IDP, "sub": "alice", "aud": server.issuer, "jti": jti,
        "iat": now(), "exp": now() + 60, "email": "whatever",
    })
}

async fn bring(app: &App, assertion: &str, more: &[(&str, &str)]) -> Result<Tokens, ErrorAnswer> {
    let mut pairs = vec![("grant_type", GRANT), ("assertion", assertion)];
    pairs.extend(more);
    app.token(&pairs).await
}

#[tokio::test]
async fn an_assertion_gives_one_access_token_of_its_user_rfc_7523_2_1() {
    let key = ClientKey::new(Algorithm::ES256);
    let server = server(&key).await;
    let app = importer(&server);
    let assertion = key.0.sign("JWT", &claims(&server, "first")).unwrap();
    let got = bring(&app, &assertion, &[("resource", "https://photos.example")]).await.unwrap();
    assert_eq!(got.text("scope"), "openid email photos:read");
    for none in ["refresh_token", "id_token"] {
        assert!(got.json.get(none).is_none(), "{none}");
    }
    let token = got.claims("access_token");
    assert_eq!(
        (&token["aud"], &token["client_id"]),
        (&"https://photos.example".into(), &"importer".into())
    );
    assert_eq!((token.get("auth_time"), token.get("acr")), (None, None), "nobody signed in here");
    let (status, user) = app.userinfo(got.access_token()).await;
    assert_eq!((status, &user["email"]), (200, &"alice@example.com".into()));
    let direct = server.app().tokens(&mut Browser::new()).await.claims("access_token");
    assert_eq!(token["sub"], direct["sub"]);
    assert_eq!(app.introspect(got.access_token()).await["active"], true);
    let error = bring(&app, &assertion, &[]).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant", "its jti counts once: {}", error.description);
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&GRANT.into()));
}

#[tokio::test]
async fn of_parallel_uses_of_one_assertion_one_gets_a_token_rfc_7523_3() {
    let key = ClientKey::new(Algorithm::EdDSA);
    let server = server(&key).await;
    let assertion = key.0.sign("JWT", &claims(&server, "once")).unwrap();
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let (app, assertion) = (importer(&server), assertion.clone());
            tokio::spawn(async move { bring(&app, &assertion, &[]).await })
        })
        .collect();
    let mut good = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => good += 1,
            Err(error) => assert_eq!(error.error, "invalid_grant"),
        }
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn what_is_no_assertion_for_this_server_of_a_trusted_issuer_is_refused_rfc_7523_3() {
    let (key, other) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
    let server = server(&key).await;
    let app = importer(&server);
    let of = |name: &str, value: Value| {
        let mut claims = claims(&server, "unused");
        claims[name] = value;
        key.0.sign("JWT", &claims).unwrap()
    };
    let good = || claims(&server, "unused");
    let unsigned = {
        let good = key.0.sign("JWT", &good()).unwrap();
        let payload = good.split('.').nth(1).unwrap().to_owned();
        format!("eyJhbGciOiJub25lIn0.{payload}.")
    };
    let bad = [
        of("iss", json!("https://other.example")),
        of("iss", json!(server.issuer)),
        of("sub", json!("nobody")),
        of("sub", json!(1)),
        of("aud", json!([server.issuer])),
        of("aud", json!("https://other.example")),
        of("exp", json!(now() - 60)),
        of("exp", json!(now() + 7200)),
        of("exp", Value::Null),
        of("nbf", json!(now() + 600)),
        of("iat", json!(now() + 600)),
        of("jti", Value::Null),
        key.0.sign("at+jwt", &good()).unwrap(),
        other.0.sign("JWT", &good()).unwrap(),
        other.0.sign_with_jwk("JWT", &good()).unwrap(),
        unsigned,
        "nonsense".to_owned(),
        "a".repeat(9000),
    ];
    for assertion in &bad {
        let error = bring(&app, assertion, &[]).await.unwrap_err();
        assert_eq!((error.error.as_str(), error.status), ("invalid_grant", 400), "{assertion}");
    }
    let missing = app.token(&[("grant_type", GRANT)]).await.unwrap_err();
    assert_eq!(missing.error, "invalid_request");
    let good = key.0.sign("JWT", &good()).unwrap();
    for (more, expected) in [
        (("scope", "photos:order"), "invalid_scope"),
        (("scope", "offline_access"), "invalid_scope"),
        (("resource", "https://nowhere.example"), "invalid_target"),
        (("assertion", "a"), "invalid_request"),
    ] {
        assert_eq!(bring(&app, &good, &[more]).await.unwrap_err().error, expected, "{more:?}");
    }
    for client in [server.app(), server.native_app()] {
        assert_eq!(bring(&client, &good, &[]).await.unwrap_err().error, "unauthorized_client");
    }
    assert!(bring(&app, &good, &[]).await.is_ok(), "no refusal used it up");
}

#[tokio::test]
async fn its_token_ends_with_the_account_like_any_other_idea_5() {
    let key = ClientKey::new(Algorithm::ES256);
    let server = server(&key).await;
    let app = importer(&server);
    let get = async |user: &str, jti: &str| {
        let mut claims = claims(&server, jti);
        claims["sub"] = json!(user);
        bring(&app, &key.0.sign("JWT", &claims).unwrap(), &[]).await
    };
    let (first, second) = (get("alice", "1").await.unwrap(), get("alice", "2").await.unwrap());
    assert_eq!(app.revoke(first.access_token()).await, 200);
    assert_eq!(app.userinfo(first.access_token()).await.0, 401);
    assert_eq!(app.userinfo(second.access_token()).await.0, 200);
    let mut browser = Browser::new();
    let page = browser.open(server.url("/account")).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    browser.press(&page, "sign-out-everywhere", &[]).await;
    assert_eq!(app.userinfo(second.access_token()).await.0, 401, "signed out everywhere");
    assert!(get("alice", "3").await.is_ok(), "what comes afterwards lives");
    let user = |what: &str| {
        let done = server.command(&["user", what, "carol", "--config", "keystile.toml"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    user("add");
    let carols = get("carol", "4").await.unwrap();
    assert_eq!(app.userinfo(carols.access_token()).await.0, 200);
    user("remove");
    assert_eq!(app.userinfo(carols.access_token()).await.0, 401);
    assert_eq!(app.introspect(carols.access_token()).await["active"], false);
    assert_eq!(get("carol", "5").await.unwrap_err().error, "invalid_grant");
}

#[tokio::test]
async fn without_a_trusted_issuer_there_is_no_such_grant() {
    let server = Keystile::start().await;
    let error = bring(&server.app(), "a.b.c", &[]).await.unwrap_err();
    assert_eq!(error.error, "unsupported_grant_type");
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&GRANT.into()));
}

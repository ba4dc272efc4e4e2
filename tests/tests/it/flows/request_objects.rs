//! Request objects by value (RFC 9101, OpenID Connect Core 1.0 section 6.1).

use std::time::{SystemTime, UNIX_EPOCH};

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::harness::{App, Browser, Keystile};

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap().key
}

/// A server with a client that has registered the key.
async fn server(key: &SigningKey) -> (Keystile, App) {
    let jwk = key.public();
    let member = |value: &Option<String>| value.clone().unwrap();
    let client = format!(
        "[[clients]]\nclient_id = \"signer\"\nclient_secret = \"the secret of the app, forty \
         characters long\"\nredirect_uris = [\"https://app.example/callback\"]\nscope = \"openid \
         photos:read\"\nid_token_signed_response_alg = \"ES256\"\nrequest_object_signing_alg = \"ES256\"\njwks = {{ keys = [{{ kty = \
         \"EC\", crv = \"P-256\", kid = \"{}\", x = \"{}\", y = \"{}\" }}] }}\n",
        member(&jwk.kid),
        member(&jwk.x),
        member(&jwk.y)
    );
    let server = Keystile::start_with(&client).await;
    let mut app = server.app();
    app.client_id = "signer".to_owned();
    (server, app)
}

/// The app's whole request as an object, with members changed or (null) left out.
fn object(app: &App, change: &Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut object = json!({"iss": app.client_id, "aud": app.issuer, "exp": now + 300, "nbf": now});
    for (name, value) in app.request() {
        object[name] = value.into();
    }
    for (name, value) in change.as_object().unwrap() {
        object[name] = value.clone();
    }
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    object
}

fn bare(app: &App, object: &str) -> String {
    let (issuer, id) = (&app.issuer, &app.client_id);
    format!("{issuer}/authorize?client_id={id}&response_type=code&request={object}")
}

#[tokio::test]
async fn a_signed_object_is_the_request_and_wins_over_what_stands_beside_it_oidc_core_6_1() {
    let key = key();
    let (_server, app) = server(&key).await;
    let signed = key.sign("JWT", &object(&app, &json!({"state": null}))).unwrap();
    let beside = [("request", Some(signed.as_str())), ("scope", Some("openid")), ("state", None)];
    let address = app.authorize_url_with(&beside) + "&state=beside";
    let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
    assert_eq!(page.query("state").as_deref(), Some("beside"));
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    assert_eq!(tokens.json["scope"], app.scope);
    assert_eq!(tokens.claims("id_token")["nonce"], "the nonce");
}

#[tokio::test]
async fn an_object_of_rfc_9101s_own_type_is_the_whole_request_rfc_9101_5() {
    let key = key();
    let (_server, app) = server(&key).await;
    let signed = key.sign("oauth-authz-req+jwt", &object(&app, &json!({"state": null}))).unwrap();
    let address = bare(&app, &signed) + "&state=beside";
    let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
    assert_eq!(page.query("state"), None);
    assert!(app.redeem(&page.query("code").expect("a code")).await.is_ok());
}

#[tokio::test]
async fn a_bad_object_is_told_to_the_app_rfc_9101_6() {
    let (key, stranger) = (key(), self::key());
    let (_server, app) = server(&key).await;
    let good = object(&app, &json!({}));
    let signed = key.sign("JWT", &good).unwrap();
    let (header, rest) = signed.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = base64url(r#"{"alg":"none"}"#);
    let critical = base64url(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#);
    let changed = base64url(object(&app, &json!({"scope": "openid"})).to_string());
    let claims = |change: Value| key.sign("JWT", &object(&app, &change)).unwrap();
    let cases = [
        stranger.sign("JWT", &good).unwrap(),
        format!("{none}.{payload}."),
        format!("{none}.{rest}"),
        format!("{critical}.{rest}"),
        format!("{header}.{changed}.{signature}"),
        claims(json!({"aud": "https://other.example"})),
        claims(json!({"iss": "app"})),
        claims(json!({"client_id": "app"})),
        claims(json!({"exp": 1_000})),
        claims(json!({"nbf": 9_000_000_000_i64})),
        claims(json!({"request_uri": "urn:x"})),
        claims(json!({"request": signed})),
        "a".repeat(9000),
    ];
    for bad in cases {
        let address = app.authorize_url_with(&[("request", Some(&bad))]);
        let page = Browser::new().open(address).await;
        assert_eq!(page.query("error").as_deref(), Some("invalid_request_object"), "{}", page.url);
        assert_eq!(page.query("state").as_deref(), Some("the state & more"));
    }
    let both = [("request", Some(signed.as_str())), ("request_uri", Some("https://a.example/"))];
    let page = Browser::new().open(app.authorize_url_with(&both)).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn an_object_leads_nowhere_that_is_not_registered() {
    let key = key();
    let (server, app) = server(&key).await;
    let evil = object(&app, &json!({"redirect_uri": "https://evil.example/"}));
    let evil = key.sign("JWT", &evil).unwrap();
    let good = key.sign("JWT", &object(&app, &json!({}))).unwrap();
    let nobody = bare(&app, &good).replace("client_id=signer", "client_id=nobody");
    let nowhere = app.authorize_url_with(&[
        ("request", Some("x.y.z")),
        ("redirect_uri", Some("https://evil.example/")),
    ]);
    for address in [bare(&app, &evil), nobody, nowhere] {
        let page = Browser::new().open(&address).await;
        assert_eq!(page.status, 400);
        assert!(page.url.as_str().starts_with(&server.issuer), "{}", page.url);
    }
}

#[tokio::test]
async fn a_client_can_be_bound_to_signed_objects_rfc_9101_10_5() {
    let bound = "[[clients]]\nclient_id = \"bound\"\nclient_secret = \"the secret of the app, \
                 forty characters long\"\nredirect_uris = [\"https://app.example/callback\"]\n\
                 require_signed_request_object = true\n";
    let server = Keystile::start_with(bound).await;
    let mut app = server.app().with_scope("openid");
    app.client_id = "bound".to_owned();
    let page = Browser::new().open(app.authorize_url()).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
    let request = app.request();
    let pairs: Vec<_> = request.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = app.call("/par", &pairs).send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn an_object_can_be_pushed_and_is_the_whole_request_then_rfc_9126_3() {
    let key = key();
    let (_server, app) = server(&key).await;
    let signed = key.sign("JWT", &object(&app, &json!({"state": null}))).unwrap();
    let pairs = [("request", signed.as_str()), ("state", "beside"), ("scope", "openid")];
    let answer = app.call("/par", &pairs).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    let request_uri = answer["request_uri"].as_str().unwrap();
    let address = format!("{}/authorize?client_id=signer&request_uri={request_uri}", app.issuer);
    let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
    assert_eq!(page.query("state"), None);
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    assert_eq!(tokens.json["scope"], app.scope);

    let partial = key.sign("JWT", &object(&app, &json!({"code_challenge": null}))).unwrap();
    let challenge = app.verifier.challenge().to_string();
    let pairs = [("request", partial.as_str()), ("code_challenge", &challenge)];
    let answer = app.call("/par", &pairs).send().await.unwrap();
    assert_eq!(answer.status(), 400, "what stands beside it does not count");
}

//! Access tokens that say nothing by themselves, by choice of the API.

use keystile_protocol::jose::Algorithm;
use serde_json::Value;

use crate::harness::{App, Browser, ClientKey, Keystile, Tokens, form, tokens};

const SECRET: &str = "the secret of an API, which is forty characters";
const VAULT: &str = "https://vault.example";
const PHOTOS: &str = "https://photos.example";

/// The vault has opaque tokens, photos has JWTs; `front` gets either, or one for both.
async fn server() -> Keystile {
    let more = format!(
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
grant_types = ["authorization_code", "refresh_token"]
scope = "openid email offline_access photos:read vault:open"
several_audiences = true
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "vault"
client_secret = "{SECRET}"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
scope = "openid vault:open"
apis = ["{VAULT}"]
"#
    );
    Keystile::start_with(&more).await
}

fn client(server: &Keystile, id: &str) -> App {
    App::new(&server.issuer, id, Some(SECRET), &format!("https://{id}.example/callback"))
}

async fn refresh_for(front: &App, all: &Tokens, resource: &str) -> Tokens {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", all.refresh_token()),
        ("resource", resource),
    ];
    front.token(&pairs).await.unwrap()
}

#[tokio::test]
async fn the_form_is_the_apis_choice_and_introspection_says_the_same_of_both_rfc_7662() {
    let server = server().await;
    let front =
        client(&server, "front").with_scope("openid email offline_access photos:read vault:open");
    let both = front.tokens(&mut Browser::new()).await;
    let vault = refresh_for(&front, &both, VAULT).await;
    let photos = refresh_for(&front, &both, PHOTOS).await;
    assert!(photos.access_token().split('.').count() == 3, "a JWT");
    for opaque in [&both, &vault] {
        let token = opaque.access_token();
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(token.len() < 1200, "{} characters", token.len());
    }
    let names =
        |answer: &Value| -> Vec<String> { answer.as_object().unwrap().keys().cloned().collect() };
    let (one, other) = (
        front.introspect(vault.access_token()).await,
        front.introspect(photos.access_token()).await,
    );
    assert_eq!(names(&one), names(&other));
    assert_eq!((&one["active"], &one["aud"]), (&true.into(), &VAULT.into()));
    assert_eq!(one["sub"], other["sub"]);
    assert_eq!(one["scope"], "openid email offline_access vault:open");
    let seen = client(&server, "vault").introspect(vault.access_token()).await;
    assert_eq!(seen, one, "the API that it is for");
    let stranger = server.other_app().introspect(vault.access_token()).await;
    assert_eq!(stranger, serde_json::json!({ "active": false }));
    let hash = both.claims("id_token")["at_hash"].as_str().unwrap().to_owned();
    let expected =
        keystile_protocol::messages::access_token_hash(both.access_token(), Algorithm::ES256);
    assert_eq!(hash, expected);
}

#[tokio::test]
async fn userinfo_revocation_and_logout_work_with_opaque_tokens() {
    let server = server().await;
    let front = client(&server, "front").with_scope("openid email vault:open");
    let mut browser = Browser::new();
    let (first, second) = (front.tokens(&mut browser).await, front.tokens(&mut browser).await);
    let (status, user) = front.userinfo(first.access_token()).await;
    assert_eq!((status, &user["email"]), (200, &"alice@example.com".into()));
    assert_eq!(server.app().revoke(first.access_token()).await, 200);
    assert_eq!(front.userinfo(first.access_token()).await.0, 200, "another's is not revoked");
    assert_eq!(front.revoke(first.access_token()).await, 200);
    assert_eq!(front.userinfo(first.access_token()).await.0, 401);
    assert_eq!(front.introspect(first.access_token()).await["active"], false);
    assert_eq!(front.userinfo(second.access_token()).await.0, 200);
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    assert_eq!(front.userinfo(second.access_token()).await.0, 401);
    let server = server.restart().await;
    assert_eq!(front.introspect(second.access_token()).await["active"], false);
    drop(server);
}

#[tokio::test]
async fn altered_cut_and_foreign_texts_are_no_tokens() {
    let server = server().await;
    let front = client(&server, "front").with_scope("openid vault:open");
    let mut browser = Browser::new();
    let code = front.code(&mut browser).await;
    let tokens = front.redeem(&code).await.unwrap();
    let good = tokens.access_token();
    let mut altered = good.to_owned().into_bytes();
    altered[40] = if altered[40] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let doubled = format!("{good}{good}");
    for bad in [&altered, &good[1..], &good[..good.len() - 4], &doubled, &code, &"A".repeat(9000)] {
        assert_eq!(front.userinfo(bad).await.0, 401);
        assert_eq!(front.introspect(bad).await["active"], false);
        assert_eq!(front.revoke(bad).await, 200, "RFC 7009 section 2.2");
    }
    assert_eq!(front.userinfo(good).await.0, 200);
}

#[tokio::test]
async fn an_opaque_token_can_be_bound_and_exchanged() {
    let server = server().await;
    let key = ClientKey::new(Algorithm::ES256);
    let front = client(&server, "front").with_scope("openid vault:open");
    let code = front.code(&mut Browser::new()).await;
    let endpoint = server.url("/token");
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &front.redirect_uri),
        ("code_verifier", front.verifier.expose()),
    ];
    let request = form(reqwest::Client::new().post(&endpoint), &pairs)
        .header("authorization", front.basic(SECRET))
        .header("dpop", key.proof("POST", &endpoint, None));
    let bound = tokens(request.send().await.unwrap()).await.unwrap();
    let token = bound.access_token();
    assert_eq!(front.userinfo(token).await.0, 401, "as a bearer token");
    let userinfo = server.url("/userinfo");
    let request = reqwest::Client::new()
        .get(&userinfo)
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", key.proof("GET", &userinfo, Some(token)));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let vault = client(&server, "vault");
    assert_eq!(vault.introspect(token).await["cnf"]["jkt"], key.thumbprint());
    let plain = client(&server, "front").with_scope("openid vault:open");
    let plain = plain.tokens(&mut Browser::new()).await;
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let mut pairs = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", plain.access_token()),
        ("subject_token_type", kind),
    ];
    let got = vault.token(&pairs).await.unwrap();
    assert!(!got.access_token().contains('.'));
    assert_eq!(vault.introspect(got.access_token()).await["act"]["sub"], "vault");
    pairs.push(("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"));
    assert_eq!(vault.token(&pairs).await.unwrap_err().error, "invalid_request");
}

//! Token exchange (RFC 8693).

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{App, Browser, ClientKey, ErrorAnswer, Keystile, Tokens, form, tokens};

const SECRET: &str = "the secret of an API, which is forty characters";
const MAIL: &str = "https://mail.example";
const PHOTOS: &str = "https://photos.example";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID: &str = "urn:ietf:params:oauth:token-type:id_token";
const SCOPE: &str = "openid email offline_access photos:read mail:send";

/// Parameters of a request.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// `photo-api` is the API that tokens of `front` are for, and may get tokens for mail; `stranger`
/// is another API; `desk` may act for the users of `front` in its own staff's names.
async fn server() -> Keystile {
    let more = format!(
        r#"
[[scopes]]
name = "mail:send"
title = "send mail"

[[apis]]
audience = "{MAIL}"
scopes = ["mail:send"]

[[clients]]
client_id = "front"
client_secret = "{SECRET}"
redirect_uris = ["https://front.example/callback"]
grant_types = ["authorization_code", "refresh_token", "{GRANT}"]
scope = "{SCOPE}"
several_audiences = true
id_token_signed_response_alg = "ES256"

[[clients]]
client_id = "careful"
client_secret = "{SECRET}"
redirect_uris = ["https://careful.example/callback"]
scope = "openid photos:read"
id_token_signed_response_alg = "ES256"
[clients.token_exchange]
may_act = "photo-api"

[[clients]]
client_id = "photo-api"
client_secret = "{SECRET}"
grant_types = ["{GRANT}", "client_credentials"]
scope = "openid email photos:read mail:send"
apis = ["{PHOTOS}"]
[clients.token_exchange]
audiences = ["{MAIL}"]

[[clients]]
client_id = "mail-api"
client_secret = "{SECRET}"
grant_types = ["{GRANT}"]
scope = "mail:send"
apis = ["{MAIL}"]
[clients.token_exchange]
mode = "impersonation"

[[clients]]
client_id = "desk"
client_secret = "{SECRET}"
redirect_uris = ["https://desk.example/callback"]
grant_types = ["authorization_code", "{GRANT}"]
scope = "openid mail:send"
id_token_signed_response_alg = "ES256"
[clients.token_exchange]
audiences = ["{MAIL}"]
subject_clients = ["front", "careful"]
mode = "both"
"#
    );
    Keystile::start_with(&more).await
}

fn client(server: &Keystile, id: &str) -> App {
    App::new(&server.issuer, id, Some(SECRET), &format!("https://{id}.example/callback"))
}

/// Alice's token for the photo API alone, of a grant that allows mail too.
async fn photo_token(server: &Keystile, browser: &mut Browser) -> (Tokens, Tokens) {
    let front = client(server, "front").with_scope(SCOPE);
    let all = front.tokens(browser).await;
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", all.refresh_token()),
        ("resource", PHOTOS),
    ];
    (front.token(&refresh).await.unwrap(), all)
}

async fn exchange(
    by: &App,
    (token, kind): (&str, &str),
    more: &[(&str, &str)],
) -> Result<Tokens, ErrorAnswer> {
    let mut pairs =
        vec![("grant_type", GRANT), ("subject_token", token), ("subject_token_type", kind)];
    pairs.extend(more);
    by.token(&pairs).await
}

#[tokio::test]
async fn an_api_gets_a_token_for_the_next_one_that_names_it_as_the_actor_rfc_8693_2() {
    let server = server().await;
    let (photos, _) = photo_token(&server, &mut Browser::new()).await;
    let api = client(&server, "photo-api");
    let got = exchange(&api, (photos.access_token(), ACCESS), &[("audience", MAIL)]).await.unwrap();
    assert_eq!(got.text("issued_token_type"), ACCESS);
    assert_eq!(got.text("token_type"), "Bearer");
    assert_eq!(got.text("scope"), "openid email mail:send");
    for none in ["refresh_token", "id_token"] {
        assert!(got.json.get(none).is_none(), "{none}");
    }
    let (parent, child) = (photos.claims("access_token"), got.claims("access_token"));
    assert_eq!((&child["aud"], &child["client_id"]), (&MAIL.into(), &"photo-api".into()));
    for same in ["sub", "gid", "auth_time"] {
        assert_eq!(child[same], parent[same], "{same}");
    }
    assert_eq!(child["act"], json!({ "sub": "photo-api" }));
    assert!(child["exp"].as_i64() <= parent["exp"].as_i64());
    // The one who may know of it hears who acts.
    let seen = client(&server, "mail-api").introspect(got.access_token()).await;
    assert_eq!((&seen["active"], &seen["act"]), (&true.into(), &child["act"]));
    // Further on the chain stays, also where the next one names nobody.
    let onward = client(&server, "mail-api");
    let last = exchange(&onward, (got.access_token(), ACCESS), &[]).await.unwrap();
    let last = last.claims("access_token");
    assert_eq!((&last["client_id"], &last["act"]), (&"mail-api".into(), &child["act"]));
    let jwt =
        [("audience", MAIL), ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt")];
    let got = exchange(&api, (photos.access_token(), ACCESS), &jwt).await.unwrap();
    assert_eq!(got.text("issued_token_type"), jwt[1].1);
}

#[tokio::test]
async fn who_may_not_exchange_a_token_and_for_what_rfc_8693_2_2_2() {
    let server = server().await;
    let mut browser = Browser::new();
    let (photos, all) = photo_token(&server, &mut browser).await;
    let token = photos.access_token();
    let api = client(&server, "photo-api");
    let kind = |name| ("subject_token_type", name);
    let refused: &[(&App, &str, Pairs<'_>, &str)] = &[
        (&server.app(), token, &[kind(ACCESS)], "unauthorized_client"),
        (&server.native_app(), token, &[kind(ACCESS)], "unauthorized_client"),
        (&client(&server, "mail-api"), token, &[kind(ACCESS)], "invalid_request"),
        (&api, all.text("id_token"), &[kind(ID)], "invalid_request"),
        (&api, all.refresh_token(), &[kind(ACCESS)], "invalid_request"),
        (&api, "nonsense", &[kind(ACCESS)], "invalid_request"),
        (&api, "eyJhbGciOiJub25lIn0.e30.", &[kind(ACCESS)], "invalid_request"),
        (&api, token, &[], "invalid_request"),
        (&api, token, &[kind("access_token")], "invalid_request"),
        (&api, token, &[kind(ID)], "invalid_request"),
        (&api, token, &[kind(ACCESS), kind(ACCESS)], "invalid_request"),
        (&api, token, &[kind(ACCESS), ("actor_token", token)], "invalid_request"),
        (&api, token, &[kind(ACCESS), ("actor_token_type", ACCESS)], "invalid_request"),
        (&api, token, &[kind(ACCESS), ("requested_token_type", ID)], "invalid_request"),
        (&api, token, &[kind(ACCESS), ("audience", "https://nowhere.example")], "invalid_target"),
        (&api, token, &[kind(ACCESS), ("audience", MAIL), ("resource", PHOTOS)], "invalid_target"),
        (&api, token, &[kind(ACCESS), ("audience", &server.issuer)], "invalid_target"),
        (&api, token, &[kind(ACCESS), ("scope", "photos:order")], "invalid_scope"),
        (&api, token, &[kind(ACCESS), ("scope", "offline_access")], "invalid_scope"),
        (&api, token, &[kind(ACCESS), ("scope", "a\"b")], "invalid_scope"),
    ];
    for (by, token, more, expected) in refused {
        let mut pairs = vec![("grant_type", GRANT), ("subject_token", *token)];
        pairs.extend(*more);
        let error = by.token(&pairs).await.unwrap_err();
        assert_eq!(
            (error.error.as_str(), error.status),
            (*expected, 400),
            "{} {more:?}",
            by.client_id
        );
    }
    let error = api.token(&[("grant_type", GRANT)]).await.unwrap_err();
    assert_eq!(error.error, "invalid_request");
    let own = client(&server, "front");
    let narrower = [("scope", "openid"), ("audience", PHOTOS)];
    let got = exchange(&own, (token, ACCESS), &narrower).await.unwrap();
    let got = got.claims("access_token");
    assert_eq!((&got["scope"], got.get("act")), (&"openid".into(), None), "its own, narrower");
}

#[tokio::test]
async fn an_exchanged_token_ends_with_its_grant_and_a_revoked_one_gives_none_finding_10() {
    let server = server().await;
    let mut browser = Browser::new();
    let (photos, all) = photo_token(&server, &mut browser).await;
    let (api, front) = (client(&server, "photo-api"), client(&server, "front"));
    let downstream = [("audience", MAIL)];
    let got = exchange(&api, (photos.access_token(), ACCESS), &downstream).await.unwrap();
    let (status, claims) = api.userinfo(got.access_token()).await;
    assert_eq!((status, &claims["email"]), (200, &"alice@example.com".into()));
    assert_eq!(claims["sub"], photos.claims("access_token")["sub"]);
    assert_eq!(front.revoke(photos.access_token()).await, 200);
    let error = exchange(&api, (photos.access_token(), ACCESS), &downstream).await.unwrap_err();
    assert_eq!(error.error, "invalid_request", "{}", error.description);
    assert_eq!(api.userinfo(got.access_token()).await.0, 200, "the grant goes on");
    // Whoever got it may end it, and nobody else.
    let another = exchange(&api, (got.access_token(), ACCESS), &downstream).await.unwrap();
    assert_eq!(front.revoke(another.access_token()).await, 200);
    assert_eq!(api.introspect(another.access_token()).await["active"], true);
    assert_eq!(api.revoke(another.access_token()).await, 200);
    assert_eq!(api.introspect(another.access_token()).await["active"], false);
    assert_eq!(front.revoke(all.refresh_token()).await, 200);
    assert_eq!(api.userinfo(got.access_token()).await.0, 401);
    assert_eq!(api.introspect(got.access_token()).await["active"], false);
    assert!(exchange(&api, (got.access_token(), ACCESS), &downstream).await.is_err());
}

#[tokio::test]
async fn an_id_token_stands_for_its_grant_and_staff_acts_by_an_actor_token_rfc_8693_4_1() {
    let server = server().await;
    let mut alices = Browser::new();
    let (_, all) = photo_token(&server, &mut alices).await;
    let desk = client(&server, "desk").with_scope("openid");
    let mut bobs = Browser::new();
    let page = desk.callback_by(&mut bobs, "bob", &desk.authorize_url()).await;
    let bob = desk.redeem(&page.query("code").unwrap()).await.unwrap();
    let subject = (all.text("id_token"), ID);
    let by_bob =
        [("audience", MAIL), ("actor_token", bob.text("id_token")), ("actor_token_type", ID)];
    let got = exchange(&desk, subject, &by_bob).await.unwrap().claims("access_token");
    let (alice, staff) = (all.claims("id_token"), bob.claims("id_token"));
    assert_eq!((&got["sub"], &got["act"]["sub"]), (&alice["sub"], &staff["sub"]));
    assert_eq!((&got["scope"], &got["aud"]), (&"openid mail:send".into(), &MAIL.into()));
    for same in ["acr", "auth_time"] {
        assert_eq!(got[same], all.claims("access_token")[same], "{same}");
    }
    let quiet = exchange(&desk, subject, &[("audience", MAIL)]).await.unwrap();
    assert_eq!(quiet.claims("access_token").get("act"), None, "impersonation, as registered");
    // An actor token of another client, or of one who has signed out, is none.
    let foreign =
        [("audience", MAIL), ("actor_token", all.text("id_token")), ("actor_token_type", ID)];
    assert_eq!(exchange(&desk, subject, &foreign).await.unwrap_err().error, "invalid_request");
    let page = bobs.open(server.url("/logout")).await;
    bobs.press(&page, "logout-confirm", &[]).await;
    assert_eq!(exchange(&desk, subject, &by_bob).await.unwrap_err().error, "invalid_request");
    assert!(exchange(&desk, subject, &[("audience", MAIL)]).await.is_ok());
    assert_eq!(client(&server, "front").revoke(all.refresh_token()).await, 200);
    assert!(exchange(&desk, subject, &[("audience", MAIL)]).await.is_err());
}

#[tokio::test]
async fn a_client_says_who_may_act_for_its_users_rfc_8693_4_4() {
    let server = server().await;
    let careful = client(&server, "careful").with_scope("openid photos:read");
    let tokens = careful.tokens(&mut Browser::new()).await;
    assert_eq!(tokens.claims("access_token")["may_act"], json!({ "sub": "photo-api" }));
    let (access, id) = ((tokens.access_token(), ACCESS), (tokens.text("id_token"), ID));
    let (api, desk) = (client(&server, "photo-api"), client(&server, "desk"));
    let got = exchange(&api, access, &[]).await.unwrap().claims("access_token");
    assert_eq!(got["act"]["sub"], got["may_act"]["sub"]);
    for subject in [access, id] {
        let error = exchange(&desk, subject, &[]).await.unwrap_err();
        assert!(error.description.contains("may_act"), "{}", error.description);
    }
}

#[tokio::test]
async fn a_services_own_token_can_be_handed_on_with_its_name_alone() {
    let server = server().await;
    let api = client(&server, "photo-api");
    let own = [("grant_type", "client_credentials"), ("scope", "mail:send")];
    let own = api.token(&own).await.unwrap();
    let mail = client(&server, "mail-api");
    let got = exchange(&mail, (own.access_token(), ACCESS), &[]).await.unwrap();
    let claims = got.claims("access_token");
    assert_eq!((&claims["sub"], claims.get("gid")), (&"photo-api".into(), None));
    assert_eq!(mail.userinfo(got.access_token()).await.0, 403);
    assert_eq!(api.revoke(own.access_token()).await, 200);
    assert!(exchange(&mail, (own.access_token(), ACCESS), &[]).await.is_err());
}

#[tokio::test]
async fn a_bound_token_is_exchanged_by_its_holder_or_its_api_and_what_comes_is_bound_rfc_9449() {
    let server = server().await;
    let (holder, other) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::ES256));
    let endpoint = server.url("/token");
    let send = async |by: &App, key: Option<&ClientKey>, pairs: &[(&str, &str)]| {
        let mut request = form(reqwest::Client::new().post(&endpoint), pairs)
            .header("authorization", by.basic(SECRET));
        if let Some(key) = key {
            request = request.header("dpop", key.proof("POST", &endpoint, None));
        }
        tokens(request.send().await.unwrap()).await
    };
    let front = client(&server, "front").with_scope("openid photos:read");
    let code = front.code(&mut Browser::new()).await;
    let redemption = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &front.redirect_uri),
        ("code_verifier", front.verifier.expose()),
    ];
    let bound = send(&front, Some(&holder), &redemption).await.unwrap();
    let pairs = [
        ("grant_type", GRANT),
        ("subject_token", bound.access_token()),
        ("subject_token_type", ACCESS),
    ];
    let api = client(&server, "photo-api");
    for (by, key) in [(&front, None), (&front, Some(&other)), (&api, None)] {
        let error = send(by, key, &pairs).await.unwrap_err();
        assert_eq!(error.error, "invalid_request", "{}", error.description);
    }
    for (by, key) in [(&front, &holder), (&api, &other)] {
        let got = send(by, Some(key), &pairs).await.unwrap();
        assert_eq!(got.text("token_type"), "DPoP");
        assert_eq!(got.claims("access_token")["cnf"]["jkt"], key.thumbprint());
    }
}

#[tokio::test]
async fn a_client_that_is_gone_has_no_more_of_its_exchanged_tokens() {
    let server = server().await;
    let made = server.command(&[
        "client",
        "add",
        "guest",
        "--grant-type",
        GRANT,
        "--scope",
        "openid photos:read",
        "--exchange-subject-client",
        "front",
        "--json",
        "--config",
        "keystile.toml",
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["token_exchange"]["subject_clients"], json!(["front"]));
    let guest = App::new(&server.issuer, "guest", made["client_secret"].as_str(), "https://g");
    let (photos, _) = photo_token(&server, &mut Browser::new()).await;
    let got = exchange(&guest, (photos.access_token(), ACCESS), &[]).await.unwrap();
    let api = client(&server, "photo-api");
    assert_eq!(api.introspect(got.access_token()).await["active"], true);
    let removed = server.command(&["client", "remove", "guest", "--config", "keystile.toml"]);
    assert!(removed.status.success());
    // What the running server remembers of clients is a second old at most.
    let started = std::time::Instant::now();
    while api.introspect(got.access_token()).await["active"] == true {
        assert!(started.elapsed() < std::time::Duration::from_secs(10));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(api.introspect(photos.access_token()).await["active"], true);
}

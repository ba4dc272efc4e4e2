//! Apps are told that a session has ended: OpenID Connect Back-Channel Logout 1.0 and
//! Front-Channel Logout 1.0.

use std::time::Duration;

use keystile_protocol::Params;
use keystile_protocol::jose::encryption::{ContentEncryption, Encryption, KeyManagement, KeyType};
use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SignedToken};
use serde_json::{Value, json};

use crate::harness::{Browser, Keystile, Listener, PASSWORD, Reader, Told, header, jwks};

/// The logout tokens, once there are so many.
async fn heard(listener: &Listener, count: usize) -> Vec<String> {
    listener.heard(count).await.iter().map(logout_token).collect()
}

fn logout_token(told: &Told) -> String {
    assert!(told.head.starts_with("POST /told HTTP/1.1\r\n"), "{}", told.head);
    let params = Params::parse(told.body.as_bytes()).unwrap();
    params.required("logout_token").unwrap().to_owned()
}

const SECRET: &str = "the secret of the told app, forty characters";

/// A client `told` with these members more.
fn told(members: &str) -> String {
    format!(
        "[[clients]]\nclient_id = \"told\"\nclient_secret = \"{SECRET}\"\nclient_name = \"Told \
         App\"\nredirect_uris = [\"https://told.example/callback\"]\npost_logout_redirect_uris = \
         [\"https://told.example/bye\"]\nscope = \"openid\"\nid_token_signed_response_alg = \
         \"EdDSA\"\n{members}\n[outbound]\nallow_loopback = true\n"
    )
}

fn app(server: &Keystile) -> crate::harness::App {
    let redirect_uri = "https://told.example/callback";
    crate::harness::App::new(&server.issuer, "told", Some(SECRET), redirect_uri)
        .with_scope("openid")
}

async fn server_that_tells(listener: &Listener) -> Keystile {
    let uri = format!("backchannel_logout_uri = \"{}\"", listener.url);
    Keystile::start_with(&told(&uri)).await
}

async fn claims(server: &Keystile, token: &str) -> Value {
    let keys: JwkSet = reqwest::get(server.url("/jwks")).await.unwrap().json().await.unwrap();
    let parsed = SignedToken::parse(token).unwrap();
    assert_eq!(parsed.header.typ.as_deref(), Some("logout+jwt"));
    parsed.verify(&KeySet::from_jwks(&keys), &[Algorithm::EdDSA]).unwrap()
}

#[tokio::test]
async fn back_channel_logout_2_4_a_logout_tells_each_app_of_the_session_with_a_signed_token() {
    let listener = Listener::start(&[]).await;
    let server = server_that_tells(&listener).await;
    let app = app(&server);
    let mut browser = Browser::new();
    let id_token = app.tokens(&mut browser).await.claims("id_token");
    server.app().tokens(&mut browser).await;
    let page = browser.open(server.url("/logout")).await;
    let done = browser.press(&page, "logout-confirm", &[]).await;
    assert!(done.text().contains("Told App"), "{}", done.text());
    assert!(!done.text().contains("Photo App"), "{}", done.text());
    let token = heard(&listener, 1).await.remove(0);
    let claims = claims(&server, &token).await;
    assert_eq!(claims["iss"], server.issuer);
    assert_eq!(claims["aud"], "told");
    assert_eq!((&claims["sub"], &claims["sid"]), (&id_token["sub"], &id_token["sid"]));
    let event = "http://schemas.openid.net/event/backchannel-logout";
    assert_eq!(claims["events"], json!({ event: {} }));
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert!((1..=120).contains(&(exp - iat)), "{claims}");
    assert!(claims["jti"].as_str().unwrap().len() >= 16 && claims.get("nonce").is_none());
    assert!(!server.log().contains(&token), "no token in the log");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(heard(&listener, 1).await.len(), 1, "told once");
    let log = server.command(&["client", "logouts", "told", "--config", "keystile.toml"]);
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(log.contains("delivered (200)"), "{log}");
}

#[tokio::test]
async fn back_channel_logout_2_5_whatever_ends_a_session_its_apps_are_told() {
    let listener = Listener::start(&[]).await;
    let server = server_that_tells(&listener).await;
    let app = app(&server);
    let mut sids = Vec::new();
    // "Sign out everywhere" ends two, a password changed on the command line ends one, and one
    // changed on the page ends one.
    let (mut one, mut two) = (Browser::new(), Browser::new());
    for browser in [&mut one, &mut two] {
        sids.push(app.tokens(browser).await.claims("id_token")["sid"].clone());
    }
    let token = one.open(server.url("/account")).await.field("token").unwrap();
    let fields = [("token", token.as_str()), ("action", "sign-out-everywhere")];
    one.post(server.url("/account"), &fields).await;
    assert_eq!(heard(&listener, 2).await.len(), 2);
    sids.push(app.tokens(&mut one).await.claims("id_token")["sid"].clone());
    server.command(&["user", "set-password", "alice", "--config", "keystile.toml"]);
    assert_eq!(heard(&listener, 3).await.len(), 3);
    let url = app.authorize_url();
    let bobs = app.callback_by(&mut two, "bob", &url).await.query("code").unwrap();
    sids.push(app.redeem(&bobs).await.unwrap().claims("id_token")["sid"].clone());
    let page = two.open(app.authorize_url_with(&[("prompt", Some("select_account"))])).await;
    two.sign_in(&page, "bob", PASSWORD).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(heard(&listener, 3).await.len(), 3, "the same account again tells nobody");
    let account = two.open(server.url("/account")).await;
    let token = account.field("token").unwrap();
    let change = [
        ("token", token.as_str()),
        ("action", "change-password"),
        ("current_password", PASSWORD),
        ("new_password", "another password of bob"),
    ];
    two.post(server.url("/account"), &change).await;
    let mut told = Vec::new();
    for token in heard(&listener, 4).await {
        told.push(claims(&server, &token).await["sid"].clone());
    }
    sids.sort_by_key(ToString::to_string);
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, sids);
}

#[tokio::test]
async fn back_channel_logout_2_8_a_message_that_is_not_taken_comes_again_with_another_name() {
    let listener = Listener::start(&[503]).await;
    let server = server_that_tells(&listener).await;
    let mut browser = Browser::new();
    app(&server).tokens(&mut browser).await;
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    heard(&listener, 1).await;
    // A node that ends leaves its messages to the next one.
    let server = server.restart().await;
    let tokens = heard(&listener, 2).await;
    let (first, second) = (claims(&server, &tokens[0]).await, claims(&server, &tokens[1]).await);
    assert_eq!((&first["sid"], &first["sub"]), (&second["sid"], &second["sub"]));
    assert_ne!(first["jti"], second["jti"]);
}

#[tokio::test]
async fn front_channel_logout_3_the_page_loads_the_apps_frames_and_then_leads_on() {
    let members = "frontchannel_logout_uri = \"https://told.example/front?a=b\"";
    let server = Keystile::start_with(&told(members)).await;
    let app = app(&server);
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let sid = tokens.claims("id_token")["sid"].as_str().unwrap().to_owned();
    let url = format!(
        "{}?id_token_hint={}&post_logout_redirect_uri=https://told.example/bye&state=s",
        server.url("/logout"),
        tokens.text("id_token")
    );
    let page = browser.open(&url).await;
    assert_eq!(page.status, 200);
    let frame = format!(
        "<iframe src=\"https://told.example/front?a=b&amp;iss={}&amp;sid={sid}\"",
        server.issuer.replace(':', "%3A").replace('/', "%2F")
    );
    assert!(page.html.contains(&frame), "{}", page.html);
    let policy = page.header("content-security-policy");
    assert!(policy.ends_with("; frame-src https://told.example"), "{policy}");
    let refresh = "http-equiv=\"refresh\" content=\"2; url=https://told.example/bye?state=s\"";
    assert!(page.html.contains(refresh) && page.has("return-to"), "{}", page.html);
    // Without a session there is nobody to tell, and nothing to wait for.
    let again = browser.open(&url).await;
    assert_eq!(again.url.as_str(), "https://told.example/bye?state=s");
}

#[tokio::test]
async fn the_metadata_say_that_apps_are_told() {
    let server = Keystile::start().await;
    let url = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    for channel in ["backchannel", "frontchannel"] {
        assert_eq!(metadata[format!("{channel}_logout_supported")], true);
        assert_eq!(metadata[format!("{channel}_logout_session_supported")], true);
    }
}

#[tokio::test]
async fn a_client_with_encrypted_id_tokens_is_told_encrypted_back_channel_logout_2_4() {
    let (listener, reader) = (Listener::start(&[]).await, Reader::new(KeyType::Ec));
    let members = format!(
        "backchannel_logout_uri = \"{}\"\njwks = {}\nid_token_encrypted_response_alg = \
         \"ECDH-ES\"\nid_token_encrypted_response_enc = \"A256GCM\"\n",
        listener.url,
        jwks(&[reader.jwk()])
    );
    let server = Keystile::start_with(&told(&members)).await;
    let app = app(&server);
    let mut browser = Browser::new();
    app.tokens(&mut browser).await;
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    let token = heard(&listener, 1).await.remove(0);
    let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A256Gcm };
    assert_eq!(header(&token)["iss"], server.issuer);
    let told = claims(&server, &reader.open_jwt(&token, encryption)).await;
    assert_eq!(told["aud"], "told");
}

//! What is encrypted to an app: ID tokens, userinfo and authorization responses (OpenID Connect Core
//! 1.0 section 10.2, JARM section 2.2).

use keystile_protocol::encoding::sha256;
use keystile_protocol::jose::Algorithm;
use keystile_protocol::jose::encryption::{
    ContentEncryption, EncryptedToken, Encryption, EncryptionKey, KeyManagement, KeyType,
    Recipient, SharedKey,
};
use serde_json::Value;

use crate::harness::{App, Browser, Keystile, Reader, command_in, jwks, published, verified};

const SECRET: &str = "the secret of the app, forty characters long";

const STANDARD: Encryption =
    Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128CbcHs256 };
const WRAPPED: Encryption =
    Encryption { alg: KeyManagement::EcdhEsA256Kw, enc: ContentEncryption::A128Gcm };
const RSA: Encryption =
    Encryption { alg: KeyManagement::RsaOaep256, enc: ContentEncryption::A256Gcm };

/// A client with members of its own.
fn client(id: &str, members: &str) -> String {
    format!(
        "[[clients]]\nclient_id = \"{id}\"\nclient_secret = \"{SECRET}\"\nredirect_uris = \
         [\"https://{id}.example/callback\"]\nscope = \"openid email offline_access \
         photos:read\"\ngrant_types = [\"authorization_code\", \"refresh_token\"]\n\
         id_token_signed_response_alg = \"ES256\"\n{members}\n"
    )
}

fn app(server: &Keystile, id: &str) -> App {
    let redirect_uri = format!("https://{id}.example/callback");
    App::new(&server.issuer, id, Some(SECRET), &redirect_uri).with_scope("openid email")
}

/// The members that have `what` encrypted; the standard's default is left out.
fn encrypted(what: &str, encryption: Encryption) -> String {
    let alg = format!("{what}_alg = \"{}\"\n", encryption.alg);
    if encryption.enc == ContentEncryption::A128CbcHs256 {
        return alg;
    }
    format!("{alg}{what}_enc = \"{}\"\n", encryption.enc)
}

/// A server with three clients that have these members, each with a way to encrypt of its own.
async fn three(what: &str, more: &str) -> (Keystile, Vec<(App, Reader, Encryption)>) {
    let ways =
        [("a", STANDARD, KeyType::Ec), ("b", WRAPPED, KeyType::Ec), ("c", RSA, KeyType::Rsa)];
    let mut config = String::new();
    let mut readers = Vec::new();
    for (id, encryption, key_type) in ways {
        let reader = Reader::new(key_type);
        let members = encrypted(what, encryption);
        let keys = jwks(&[reader.jwk()]);
        config += &client(id, &format!("{members}{more}jwks = {keys}\n"));
        readers.push((id, reader, encryption));
    }
    let server = Keystile::start_with(&config).await;
    published(&server).await;
    let with_app = |(id, reader, encryption)| (app(&server, id), reader, encryption);
    let apps = readers.into_iter().map(with_app).collect();
    (server, apps)
}

#[tokio::test]
async fn an_id_token_is_signed_and_then_encrypted_oidc_core_2() {
    let (server, apps) = three("id_token_encrypted_response", "").await;
    for (app, reader, encryption) in apps {
        let app = app.with_scope("openid offline_access photos:read");
        let tokens = app.tokens(&mut Browser::new()).await;
        let refreshed = app.refresh(tokens.refresh_token()).await.unwrap();
        for tokens in [tokens, refreshed] {
            let id_token = reader.open_jwt(tokens.text("id_token"), encryption);
            let claims = verified(&server, &id_token, Algorithm::ES256).await;
            assert_eq!(claims["aud"], app.client_id);
            assert!(tokens.claims("access_token")["sub"] == claims["sub"], "APIs read theirs");
        }
    }
}

/// The answer of userinfo: its type, and its text.
async fn userinfo(server: &Keystile, access_token: &str) -> (String, String) {
    let request = reqwest::Client::new().get(server.url("/userinfo")).bearer_auth(access_token);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (content_type, answer.text().await.unwrap())
}

#[tokio::test]
async fn userinfo_is_encrypted_without_a_signature_oidc_core_5_3_2() {
    let (server, apps) = three("userinfo_encrypted_response", "").await;
    for (app, reader, encryption) in apps {
        let tokens = app.tokens(&mut Browser::new()).await;
        let (content_type, answer) = userinfo(&server, tokens.access_token()).await;
        assert_eq!(content_type, "application/jwt");
        let claims: Value = serde_json::from_str(&reader.open(&answer, encryption)).unwrap();
        assert_eq!(claims["sub"], tokens.claims("id_token")["sub"]);
        assert_eq!(claims["email"], "alice@example.com");
    }
}

#[tokio::test]
async fn userinfo_is_signed_and_then_encrypted_oidc_core_5_3_2() {
    let signed = "userinfo_signed_response_alg = \"EdDSA\"\n";
    let (server, apps) = three("userinfo_encrypted_response", signed).await;
    for (app, reader, encryption) in apps {
        let tokens = app.tokens(&mut Browser::new()).await;
        let (_, answer) = userinfo(&server, tokens.access_token()).await;
        let signed = reader.open_jwt(&answer, encryption);
        let claims = verified(&server, &signed, Algorithm::EdDSA).await;
        assert_eq!(claims["sub"], tokens.claims("id_token")["sub"]);
        assert_eq!(claims["iss"], server.issuer);
        assert_eq!(claims["aud"], app.client_id);
    }
}

#[tokio::test]
async fn an_authorization_response_is_signed_and_then_encrypted_jarm_2_2() {
    let (server, apps) = three("authorization_encrypted_response", "").await;
    for (app, reader, encryption) in apps {
        let mut browser = Browser::new();
        let address = app.authorize_url_with(&[("response_mode", Some("jwt"))]);
        let page = app.callback_by(&mut browser, "alice", &address).await;
        let response = reader.open_jwt(&page.query("response").unwrap(), encryption);
        let claims = verified(&server, &response, Algorithm::RS256).await;
        assert_eq!(claims["state"], "the state & more");
        let tokens = app.redeem(claims["code"].as_str().unwrap()).await.unwrap();
        assert_eq!(tokens.claims("id_token")["nonce"], "the nonce");

        let silent = [("response_mode", Some("jwt")), ("prompt", Some("none"))];
        let page = Browser::new().open(app.authorize_url_with(&silent)).await;
        let response = reader.open_jwt(&page.query("response").unwrap(), encryption);
        let claims = verified(&server, &response, Algorithm::RS256).await;
        assert_eq!(claims["error"], "login_required");
    }
}

#[tokio::test]
async fn finding_37_an_encrypted_answer_that_no_address_takes_needs_a_form() {
    let (server, apps) = three("authorization_encrypted_response", "").await;
    let (app, reader, encryption) = &apps[2];
    let mut browser = Browser::new();
    app.callback(&mut browser).await;
    let state = "s".repeat(1000);
    let asked = |mode: &'static str| {
        app.authorize_url_with(&[("response_mode", Some(mode)), ("state", Some(&state))])
    };
    let page = browser.open(asked("jwt")).await;
    assert!(page.url.as_str().len() <= 3500, "{}", page.url.as_str().len());
    let response = reader.open_jwt(&page.query("response").unwrap(), *encryption);
    let claims = verified(&server, &response, Algorithm::RS256).await;
    assert_eq!(
        (claims["error"].as_str(), &claims["code"]),
        (Some("invalid_request"), &Value::Null)
    );
    assert_eq!(claims["state"], state.as_str());
    let page = browser.open(asked("form_post.jwt")).await;
    let response = reader.open_jwt(&page.field("response").unwrap(), *encryption);
    let claims = verified(&server, &response, Algorithm::RS256).await;
    assert!(app.redeem(claims["code"].as_str().unwrap()).await.is_ok());
}

#[tokio::test]
async fn the_key_that_is_for_encryption_is_used_and_named() {
    let (any, own) = (Reader::new(KeyType::Ec), Reader::new(KeyType::Ec));
    let mut any_jwk = any.jwk().clone();
    any_jwk.public_key_use = None;
    let keys = jwks(&[&any_jwk, own.jwk()]);
    let members = encrypted("id_token_encrypted_response", WRAPPED);
    let server = Keystile::start_with(&client("a", &format!("{members}jwks = {keys}\n"))).await;
    let tokens = app(&server, "a").tokens(&mut Browser::new()).await;
    own.open_jwt(tokens.text("id_token"), WRAPPED);
}

#[tokio::test]
async fn a_shared_key_needs_the_operators_word_oidc_core_10_2() {
    let direct = Encryption { alg: KeyManagement::Dir, enc: ContentEncryption::A128Gcm };
    let members = encrypted("id_token_encrypted_response", direct);
    let allowed = format!("allow_direct_encryption = true\n{members}");
    let server = Keystile::start_with(&client("a", &allowed)).await;
    let app = app(&server, "a");
    let tokens = app.tokens(&mut Browser::new()).await;
    let shared = [SharedKey::from_digest(sha256(SECRET))];
    let recipient = Recipient { keys: &[], shared: &shared };
    let token = EncryptedToken::parse(tokens.text("id_token")).unwrap();
    let id_token = token.decrypt_jwt(recipient, &[KeyManagement::Dir], [0; 32]).unwrap();
    let claims = verified(&server, &id_token, Algorithm::ES256).await;
    assert_eq!(claims["nonce"], "the nonce");

    let file = server.directory.join("other.toml");
    let config = format!("issuer = \"https://login.example\"\n{}", client("a", &members));
    std::fs::write(&file, config).unwrap();
    let checked = command_in(&server.directory, &["check", "--config", "other.toml"]);
    let words = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success());
    assert!(words.contains("allow_direct_encryption = true"), "{words}");
}

#[tokio::test]
async fn an_id_token_comes_back_as_a_hint_encrypted_to_the_server_oidc_core_3_1_2_1() {
    let (server, apps) = three("id_token_encrypted_response", "").await;
    let (app, reader, encryption) = &apps[0];
    let mut browser = Browser::new();
    let tokens = app.tokens(&mut browser).await;
    let encrypted = tokens.text("id_token");
    let id_token = reader.open_jwt(encrypted, *encryption);
    let keys = published(&server).await;
    let to_server = |alg| {
        let key = keys.keys.iter().find_map(|key| EncryptionKey::from_jwk(key, alg).ok()).unwrap();
        key.encrypt_jwt(ContentEncryption::A256Gcm, &id_token, None, [1; 48]).unwrap()
    };
    let good = [id_token.clone(), to_server(RSA.alg), to_server(STANDARD.alg)];
    for hint in &good {
        let silent = [("prompt", Some("none")), ("id_token_hint", Some(hint.as_str()))];
        let page = browser.open(app.authorize_url_with(&silent)).await;
        assert!(page.query("code").is_some(), "{}", page.url);
    }
    let page = browser.open(app.authorize_url_with(&[("id_token_hint", Some(encrypted))])).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"), "only the app reads it");
}

#[tokio::test]
async fn the_metadata_say_what_can_be_encrypted_and_the_command_line_says_what_is() {
    let reader = Reader::new(KeyType::Ec);
    let members = encrypted("userinfo_encrypted_response", STANDARD);
    let members = format!("{members}jwks = {}\n", jwks(&[reader.jwk()]));
    let server = Keystile::start_with(&client("a", &members)).await;
    let metadata = reqwest::get(server.url("/.well-known/openid-configuration")).await.unwrap();
    let metadata: Value = metadata.json().await.unwrap();
    for what in ["id_token", "userinfo", "request_object", "authorization"] {
        let list = |half: &str| {
            let name = format!("{what}_encryption_{half}_values_supported");
            metadata[&name].as_array().expect(&name).clone()
        };
        for alg in KeyManagement::TO_PUBLIC_KEYS {
            assert!(list("alg").contains(&alg.as_str().into()), "{what} {alg}");
        }
        assert!(!list("alg").contains(&"dir".into()), "it takes the operator's word");
        for enc in ContentEncryption::ALL {
            assert!(list("enc").contains(&enc.as_str().into()), "{what} {enc}");
        }
    }
    let shown = server.command(&["client", "show", "a", "--json", "--config", "keystile.toml"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["userinfo_encrypted_response_alg"], "ECDH-ES");
    assert_eq!(shown["userinfo_encrypted_response_enc"], "A128CBC-HS256");
}

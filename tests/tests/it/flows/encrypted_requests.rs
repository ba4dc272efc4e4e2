//! Request objects that are signed and then encrypted to the server (RFC 9101 section 6.1, OpenID
//! Connect Core 1.0 section 10.2).

use keystile_protocol::encoding::{base64url, from_base64url, sha256};
use keystile_protocol::jose::encryption::{
    ContentEncryption, EncryptionKey, KeyManagement, KeyType, SharedKey,
};
use keystile_protocol::jose::{Algorithm, Jwk, JwkSet, SigningKey};
use serde_json::{Value, json};

use crate::harness::{App, Browser, Keystile, Page, Reader, jwks, published};

const SECRET: &str = "the secret of the app, forty characters long";
const ENC: ContentEncryption = ContentEncryption::A256Gcm;

/// A server, an app that signs with a key, and the server's keys.
struct World {
    server: Keystile,
    app: App,
    key: SigningKey,
    keys: JwkSet,
}

impl World {
    async fn new(members: &str) -> Self {
        let key = SigningKey::generate(Algorithm::ES256).unwrap().key;
        let config = format!(
            "[[clients]]\nclient_id = \"signer\"\nclient_secret = \"{SECRET}\"\nredirect_uris = \
             [\"https://app.example/callback\"]\nscope = \"openid photos:read\"\n\
             id_token_signed_response_alg = \"ES256\"\njwks = {}\n{members}",
            jwks(&[key.public()])
        );
        let server = Keystile::start_with(&config).await;
        let mut app = server.app();
        app.client_id = "signer".to_owned();
        let keys = published(&server).await;
        Self { server, app, key, keys }
    }

    /// The app's whole request, signed.
    fn signed(&self) -> String {
        let mut object = json!({"iss": self.app.client_id, "aud": self.app.issuer});
        for (name, value) in self.app.request() {
            object[name] = value.into();
        }
        self.key.sign("oauth-authz-req+jwt", &object).unwrap()
    }

    fn server_key(&self, alg: KeyManagement) -> EncryptionKey {
        let usable = |key| EncryptionKey::from_jwk(key, alg).ok();
        self.keys.keys.iter().find_map(usable).expect("published")
    }

    fn encrypted(&self, alg: KeyManagement, object: &str) -> String {
        self.server_key(alg).encrypt_jwt(ENC, object, None, [3; 48]).unwrap()
    }

    /// Where a request with this object and nothing else of substance leads `alice`.
    async fn asked(&self, object: &str) -> Page {
        let (issuer, id) = (&self.app.issuer, &self.app.client_id);
        let address = format!("{issuer}/authorize?client_id={id}&request={object}");
        self.app.callback_by(&mut Browser::new(), "alice", &address).await
    }

    async fn is_good(&self, object: &str) {
        let page = self.asked(object).await;
        let tokens = self.app.redeem(&page.query("code").expect("a code")).await.unwrap();
        assert_eq!(tokens.claims("id_token")["nonce"], "the nonce");
    }

    /// What the app is told of a bad object, whose parameters beside it say where.
    async fn refusal(&self, object: &str) -> String {
        let address = self.app.authorize_url_with(&[("request", Some(object))]);
        let page = Browser::new().open(address).await;
        let error = page.query("error").unwrap_or_else(|| panic!("{}", page.url));
        assert_eq!(error, "invalid_request_object", "{}", page.url);
        page.query("error_description").unwrap()
    }

    fn server_kid(&self, key_type: KeyType) -> String {
        let is = |key: &&Jwk| {
            key.kty == key_type.as_str() && key.public_key_use.as_deref() == Some("enc")
        };
        self.keys.keys.iter().find(is).unwrap().kid.clone().unwrap()
    }

    fn signing_kid(&self) -> String {
        let signs = |key: &&Jwk| key.alg.as_deref() == Some("ES256");
        self.keys.keys.iter().find(signs).unwrap().kid.clone().unwrap()
    }
}

#[tokio::test]
async fn an_encrypted_object_is_read_and_its_signature_verified_rfc_9101_6_1() {
    let world = World::new("").await;
    for alg in KeyManagement::TO_PUBLIC_KEYS {
        world.is_good(&world.encrypted(alg, &world.signed())).await;
    }
    for enc in ContentEncryption::ALL {
        let key = world.server_key(KeyManagement::EcdhEs);
        world.is_good(&key.encrypt_jwt(enc, &world.signed(), None, [3; 48]).unwrap()).await;
    }
    // Its keys are still there after a restart.
    let World { server, app, key, keys } = world;
    let server = server.restart().await;
    let world = World { server, app, key, keys };
    world.is_good(&world.encrypted(KeyManagement::RsaOaep256, &world.signed())).await;
    assert_eq!(published(&world.server).await, world.keys);
}

#[tokio::test]
async fn an_encrypted_object_can_be_pushed_rfc_9126_3() {
    let world = World::new("require_signed_request_object = true\n").await;
    let object = world.encrypted(KeyManagement::RsaOaep256, &world.signed());
    let answer = world.app.call("/par", &[("request", &object)]).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    let request_uri = answer["request_uri"].as_str().unwrap();
    let address =
        format!("{}/authorize?client_id=signer&request_uri={request_uri}", world.server.issuer);
    let page = world.app.callback_by(&mut Browser::new(), "alice", &address).await;
    assert!(world.app.redeem(&page.query("code").expect("a code")).await.is_ok());
    let cut = &object[..object.len() - 2];
    let answer = world.app.call("/par", &[("request", cut)]).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"], "invalid_request_object");
}

/// A token with members of its header changed, or (null) left out.
fn with_header(token: &str, change: &Value) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&from_base64url(header).unwrap()).unwrap();
    for (name, value) in change.as_object().unwrap() {
        header[name] = value.clone();
    }
    header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    format!("{}.{rest}", base64url(header.to_string()))
}

#[tokio::test]
async fn whatever_cannot_be_decrypted_is_refused_in_the_same_words_rfc_7516_11_5() {
    let world = World::new("").await;
    let signed = world.signed();
    for alg in KeyManagement::TO_PUBLIC_KEYS {
        let good = world.encrypted(alg, &signed);
        let parts: Vec<&str> = good.split('.').collect();
        let zeros = base64url([0; 256]);
        let mut bad = Vec::new();
        for (at, instead) in [(3, "AAAA"), (4, "AAAAAAAAAAAAAAAAAAAAAA"), (4, ""), (2, "AAAA")] {
            let mut parts = parts.clone();
            parts[at] = instead;
            bad.push(parts.join("."));
        }
        let mut cut = parts.clone();
        cut[4] = &parts[4][..20];
        bad.push(cut.join("."));
        if !parts[1].is_empty() {
            for key in [zeros.as_str(), "AAAA"] {
                let mut parts = parts.clone();
                parts[1] = key;
                bad.push(parts.join("."));
            }
        }
        bad.push(with_header(&good, &json!({"apu": "AAAA"})));
        for object in bad {
            let words = world.refusal(&object).await;
            assert!(words.contains("it cannot be decrypted"), "{alg}: {words}");
        }
    }
}

#[tokio::test]
async fn tricks_with_encrypted_objects_are_refused() {
    let world = World::new("").await;
    let signed = world.signed();
    let good = world.encrypted(KeyManagement::EcdhEs, &signed);
    let stranger = Reader::new(KeyType::Ec);
    let to_stranger = EncryptionKey::from_jwk(stranger.jwk(), KeyManagement::EcdhEs).unwrap();
    let to_stranger = to_stranger.encrypt_jwt(ENC, &signed, None, [3; 48]).unwrap();
    let our_kid = &world.server_kid(KeyType::Ec);
    let (_, rest) = signed.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    let none = base64url(r#"{"alg":"none"}"#);
    let other = SigningKey::generate(Algorithm::ES256).unwrap().key;
    let claims = json!({"iss": "signer", "aud": world.app.issuer, "client_id": "signer"});
    let wrap = |object: &str| world.encrypted(KeyManagement::EcdhEs, object);
    let direct = EncryptionKey::shared(SharedKey::from_digest(sha256(SECRET)));
    let unsigned = world.server_key(KeyManagement::EcdhEs);
    let altered = |change: Value| with_header(&good, &change);
    let password = json!({"alg": "PBES2-HS256+A128KW", "p2c": 2_000_000_000, "p2s": "AA"});
    let curve = json!({"epk": {"kty": "OKP", "crv": "X25519", "x": "AA"}});
    let not_allowed = "is not one that is allowed";
    let not_ours = "which the recipient does not have";
    let cases = [
        (not_ours, to_stranger.clone()),
        ("cannot be decrypted", with_header(&to_stranger, &json!({"kid": our_kid}))),
        (not_ours, altered(json!({"kid": "../../etc/passwd"}))),
        (not_ours, altered(json!({"kid": world.signing_kid()}))),
        ("critical extensions", altered(json!({"crit": ["exp"]}))),
        ("compressed", altered(json!({"zip": "DEF"}))),
        ("holds no signed JWT", altered(json!({"cty": null}))),
        ("no 'epk'", altered(json!({"epk": null}))),
        ("not a key of P-256", altered(curve)),
        (not_allowed, altered(password)),
        (not_allowed, altered(json!({"alg": "RSA1_5"}))),
        (not_allowed, altered(json!({"alg": "none"}))),
        (not_allowed, altered(json!({"enc": "A192GCM"}))),
        ("more than is taken", format!("{good}{}", "A".repeat(17_000))),
        ("8500 bytes", wrap(&"a".repeat(8500))),
        (not_allowed, wrap(&format!("{none}.{payload}."))),
        (not_allowed, wrap(&good)),
        ("holds no signed JWT", unsigned.encrypt_claims(ENC, &claims, [3; 48]).unwrap()),
        ("not a compact JWS", wrap("{}")),
        ("not in the key set", wrap(&other.sign("JWT", &claims).unwrap())),
        (not_allowed, direct.encrypt_jwt(ENC, &signed, None, [3; 48]).unwrap()),
        (not_allowed, good.rsplit_once('.').unwrap().0.to_owned()),
        ("not a compact JWE", "....".to_owned()),
    ];
    for (why, object) in cases {
        let words = world.refusal(&object).await;
        assert!(words.contains(why), "{why}: {words}");
    }
}

#[tokio::test]
async fn a_client_that_has_registered_dir_uses_its_own_secret_alone_oidc_core_10_2() {
    let world =
        World::new("request_object_encryption_alg = \"dir\"\nallow_direct_encryption = true\n")
            .await;
    let by = |secret: &str| {
        let key = EncryptionKey::shared(SharedKey::from_digest(sha256(secret)));
        key.encrypt_jwt(ENC, &world.signed(), None, [3; 48]).unwrap()
    };
    world.is_good(&by(SECRET)).await;
    let words = world.refusal(&by("the secret of the other app, just as long ok")).await;
    assert!(words.contains("it cannot be decrypted"), "{words}");
    // "The RP MAY still use other supported encryption algorithms."
    world.is_good(&world.encrypted(KeyManagement::EcdhEs, &world.signed())).await;
    world.is_good(&world.signed()).await;
}

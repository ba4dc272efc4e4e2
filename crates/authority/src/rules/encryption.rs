//! Encryption between the server and a client: what a client may register (OpenID Connect Dynamic
//! Client Registration 1.0 section 2, JARM section 3), which key reads what goes to it, and how its
//! encrypted request objects are read (OpenID Connect Core 1.0 section 10.2).

use std::borrow::Cow;

use keystile_protocol::jose::JwkSet;
use keystile_protocol::jose::encryption::{
    ContentEncryption, DecryptionKey, EncryptedToken, Encryption, EncryptionKey, KeyManagement,
    Recipient, SharedKey,
};
use keystile_protocol::{ErrorCode, ProtocolError, Timestamp};

use crate::records::{Client, ClientEncryption, ClientKind, KeySource};
use crate::rules::registration::{ClientMetadata, MetadataError, wrong};

/// Keys of a set that are looked at; the rest is ignored.
const KEYS_AT_MOST: usize = 100;

/// A member of a client's metadata: its name and its value.
type Member<'a> = (&'static str, Option<&'a str>);

macro_rules! member {
    ($metadata:ident.$name:ident) => {
        (stringify!($name), $metadata.$name.as_deref())
    };
}

/// What a client has registered. Whatever goes to it needs a key of its own to be encrypted to.
pub(super) fn register(
    metadata: &ClientMetadata,
    kind: &ClientKind,
    keys: Option<&KeySource>,
) -> Result<ClientEncryption, MetadataError> {
    let read = |alg: Member<'_>, enc| {
        let encryption = pair(alg, enc)?;
        if encryption.is_some_and(|encryption| encryption.alg == KeyManagement::Dir) {
            may_be_direct(alg.0, metadata, kind)?;
        }
        Ok(encryption)
    };
    let to_client = |alg: Member<'_>, enc| {
        let encryption = read(alg, enc)?;
        if let Some(Encryption { alg: known, .. }) = encryption {
            can_be_read(known, alg.0, keys)?;
        }
        Ok(encryption)
    };
    Ok(ClientEncryption {
        id_token: to_client(
            member!(metadata.id_token_encrypted_response_alg),
            member!(metadata.id_token_encrypted_response_enc),
        )?,
        userinfo: to_client(
            member!(metadata.userinfo_encrypted_response_alg),
            member!(metadata.userinfo_encrypted_response_enc),
        )?,
        authorization_response: to_client(
            member!(metadata.authorization_encrypted_response_alg),
            member!(metadata.authorization_encrypted_response_enc),
        )?,
        request_object: read(
            member!(metadata.request_object_encryption_alg),
            member!(metadata.request_object_encryption_enc),
        )?,
    })
}

/// "The default enc value is A128CBC-HS256. When enc is included, alg MUST also be provided."
fn pair(alg: Member<'_>, enc: Member<'_>) -> Result<Option<Encryption>, MetadataError> {
    let Some(alg_name) = alg.1 else {
        return match enc.1 {
            None => Ok(None),
            Some(_) => wrong(enc.0, format!("it needs '{}' beside it", alg.0)),
        };
    };
    let Some(known) = KeyManagement::from_name(alg_name) else {
        let names = KeyManagement::ALL.map(KeyManagement::as_str).join(", ");
        return wrong(alg.0, format!("'{alg_name}' is not supported; use one of {names}"));
    };
    let enc_name = enc.1.unwrap_or(ContentEncryption::A128CbcHs256.as_str());
    let Some(enc_known) = ContentEncryption::from_name(enc_name) else {
        let names = ContentEncryption::ALL.map(ContentEncryption::as_str).join(", ");
        return wrong(enc.0, format!("'{enc_name}' is not supported; use one of {names}"));
    };
    Ok(Some(Encryption { alg: known, enc: enc_known }))
}

/// The key of `dir` is the digest of the client secret, which the store holds: whoever reads the
/// store could read what is encrypted so. That is for the operator to accept.
fn may_be_direct(
    member: &'static str,
    metadata: &ClientMetadata,
    kind: &ClientKind,
) -> Result<(), MetadataError> {
    if !matches!(kind, ClientKind::Confidential { .. }) {
        return wrong(member, "'dir' needs a client secret (OpenID Connect Core 1.0 section 10.2)");
    }
    if !metadata.allow_direct_encryption {
        return wrong(
            member,
            "with 'dir' whoever can read the database can read what is encrypted; use a public \
             key, or accept it with allow_direct_encryption = true",
        );
    }
    Ok(())
}

fn can_be_read(
    alg: KeyManagement,
    member: &'static str,
    keys: Option<&KeySource>,
) -> Result<(), MetadataError> {
    let keys = match keys {
        // What is there can change at any time: it is looked at when something is encrypted.
        Some(KeySource::Remote(_)) => return Ok(()),
        Some(KeySource::Inline(keys)) => Some(keys),
        None => None,
    };
    let needed = match alg {
        KeyManagement::Dir => return Ok(()),
        KeyManagement::RsaOaep256 => "RSA with 2,048 bits or more",
        _ => "EC with P-256",
    };
    if key_of(keys, alg).is_some() {
        return Ok(());
    }
    let problem = format!(
        "'{alg}' needs a key of the client in 'jwks' to encrypt to: {needed}, with \"use\": \
         \"enc\" or without a 'use'"
    );
    wrong(member, problem)
}

/// Whether one of the keys is good for encrypting something to its owner.
pub(super) fn has_key(keys: &JwkSet) -> bool {
    KeyManagement::TO_PUBLIC_KEYS.into_iter().any(|alg| key_of(Some(keys), alg).is_some())
}

/// The client's key for that algorithm: one that says what it is for goes first.
fn key_of(keys: Option<&JwkSet>, alg: KeyManagement) -> Option<EncryptionKey> {
    let keys = || keys.into_iter().flat_map(|set| &set.keys).take(KEYS_AT_MOST);
    let (for_encryption, for_anything): (Vec<_>, Vec<_>) =
        keys().partition(|key| key.public_key_use.as_deref() == Some("enc"));
    let usable = |key| EncryptionKey::from_jwk(key, alg).ok();
    for_encryption.into_iter().chain(for_anything).find_map(usable)
}

/// The key that only the client can read with. `keys` are its public keys, wherever they came from.
pub fn key(
    client: &Client,
    keys: &JwkSet,
    alg: KeyManagement,
    now: Timestamp,
) -> Result<EncryptionKey, ProtocolError> {
    let key = match alg {
        // While one secret follows another the client has the older one for sure.
        KeyManagement::Dir => shared_keys(client, now).pop().map(EncryptionKey::shared),
        _ => key_of(Some(keys), alg),
    };
    key.ok_or_else(|| {
        ProtocolError::new(
            ErrorCode::InvalidRequest,
            format!("the client has no key that fits its registered encryption algorithm '{alg}'"),
        )
    })
}

/// The keys that the client's secrets make (OpenID Connect Core 1.0 section 10.2), of the newest
/// secret first.
fn shared_keys(client: &Client, now: Timestamp) -> Vec<SharedKey> {
    let ClientKind::Confidential { secrets, .. } = &client.kind else { return Vec::new() };
    secrets.iter().filter_map(|secret| secret.shared_key(now)).collect()
}

/// A request object as its client signed it: decrypted, where it came encrypted (RFC 9101 section
/// 6.1). `random` stands in for a key that could not be had.
///
/// "The RP MAY still use other supported encryption algorithms or send unencrypted Request Objects"
/// than it has registered (OpenID Connect Dynamic Client Registration 1.0 section 2); `dir` alone
/// has to be registered.
pub fn signed_request_object<'a>(
    object: &'a str,
    client: &Client,
    keys: &[DecryptionKey],
    random: [u8; 32],
    now: Timestamp,
) -> Result<Cow<'a, str>, ProtocolError> {
    if !EncryptedToken::is_one(object) {
        return Ok(Cow::Borrowed(object));
    }
    let registered = client.encryption.request_object.map(|encryption| encryption.alg);
    let (allowed, shared) = if registered == Some(KeyManagement::Dir) {
        (&KeyManagement::ALL[..], shared_keys(client, now))
    } else {
        (&KeyManagement::TO_PUBLIC_KEYS[..], Vec::new())
    };
    let recipient = Recipient { keys, shared: &shared };
    let decrypted = EncryptedToken::parse(object)
        .and_then(|token| token.decrypt_jwt(recipient, allowed, random));
    decrypted.map(Cow::Owned).map_err(|problem| {
        let words =
            format!("the encrypted request object is refused: {problem} (RFC 9101 section 6.1)");
        ProtocolError::new(ErrorCode::InvalidRequestObject, words)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keystile_protocol::Secret;
    use keystile_protocol::jose::encryption::KeyType;
    use keystile_protocol::jose::{Algorithm, Jwk, SigningKey};
    use serde_json::json;

    use super::*;
    use crate::fixtures::{self, SECRET};
    use crate::records::{ClientSecret, SecretMethod};
    use crate::rules::registration;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ENC: ContentEncryption = ContentEncryption::A256Gcm;

    fn decryption_key(key_type: KeyType) -> DecryptionKey {
        DecryptionKey::generate(key_type).expect("generated").key
    }

    fn set(keys: &[&Jwk]) -> serde_json::Value {
        json!({ "keys": keys })
    }

    fn metadata(keys: &[&Jwk]) -> ClientMetadata {
        ClientMetadata {
            client_id: "app".into(),
            client_secret: Some(SECRET.into()),
            redirect_uris: vec!["https://app.example/cb".into()],
            jwks: (!keys.is_empty()).then(|| set(keys)),
            ..ClientMetadata::default()
        }
    }

    #[test]
    fn algorithms_are_registered_with_the_standards_default_oidc_registration_2() {
        let ec = decryption_key(KeyType::Ec);
        let mut metadata = metadata(&[ec.public()]);
        let registered = |metadata: &ClientMetadata| registration::register(metadata, false);
        let none = registered(&metadata).expect("good").encryption;
        assert_eq!(none, ClientEncryption::default());
        metadata.id_token_encrypted_response_alg = Some("ECDH-ES".into());
        metadata.userinfo_encrypted_response_alg = Some("ECDH-ES+A128KW".into());
        metadata.userinfo_encrypted_response_enc = Some("A256GCM".into());
        metadata.authorization_encrypted_response_alg = Some("ECDH-ES+A256KW".into());
        metadata.authorization_encrypted_response_enc = Some("A128GCM".into());
        metadata.request_object_encryption_alg = Some("RSA-OAEP-256".into());
        let all = registered(&metadata).expect("good").encryption;
        let of = |alg, enc| Some(Encryption { alg, enc });
        let default = ContentEncryption::A128CbcHs256;
        assert_eq!(all.id_token, of(KeyManagement::EcdhEs, default));
        assert_eq!(all.userinfo, of(KeyManagement::EcdhEsA128Kw, ENC));
        let a128 = ContentEncryption::A128Gcm;
        assert_eq!(all.authorization_response, of(KeyManagement::EcdhEsA256Kw, a128));
        assert_eq!(all.request_object, of(KeyManagement::RsaOaep256, default));
    }

    #[test]
    fn what_could_not_be_encrypted_is_not_registered() {
        let ec = decryption_key(KeyType::Ec);
        let signing = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let member = |keys: &[&Jwk], change: &dyn Fn(&mut ClientMetadata)| {
            let mut metadata = metadata(keys);
            change(&mut metadata);
            registration::register(&metadata, false).map_or_else(|error| error.member, |_| "good")
        };
        let alg = |alg: &'static str| {
            move |m: &mut ClientMetadata| m.id_token_encrypted_response_alg = Some(alg.into())
        };
        let refused = "id_token_encrypted_response_alg";
        assert_eq!(member(&[ec.public()], &alg("ECDH-ES")), "good");
        assert_eq!(member(&[ec.public(), signing.public()], &alg("ECDH-ES")), "good");
        assert_eq!(member(&[ec.public()], &alg("RSA-OAEP-256")), refused, "no RSA key");
        assert_eq!(member(&[signing.public()], &alg("ECDH-ES")), refused, "for signatures");
        assert_eq!(member(&[], &alg("ECDH-ES")), refused);
        for other in ["none", "RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW", "A128KW"] {
            assert_eq!(member(&[ec.public()], &alg(other)), refused, "{other}");
        }
        let enc =
            |m: &mut ClientMetadata| m.userinfo_encrypted_response_enc = Some("A128GCM".into());
        assert_eq!(member(&[ec.public()], &enc), "userinfo_encrypted_response_enc");
        let unknown = |m: &mut ClientMetadata| {
            m.request_object_encryption_alg = Some("ECDH-ES".into());
            m.request_object_encryption_enc = Some("A192GCM".into());
        };
        assert_eq!(member(&[], &unknown), "request_object_encryption_enc");
    }

    #[test]
    fn the_secrets_digest_is_a_key_by_the_operators_word_alone_oidc_core_10_2() {
        let member = |change: &dyn Fn(&mut ClientMetadata)| {
            let mut metadata = metadata(&[]);
            change(&mut metadata);
            registration::register(&metadata, false).map_or_else(|error| error.member, |_| "good")
        };
        let refused = "authorization_encrypted_response_alg";
        let direct = |m: &mut ClientMetadata| {
            m.authorization_encrypted_response_alg = Some("dir".into());
        };
        let allowed = |m: &mut ClientMetadata| {
            direct(m);
            m.allow_direct_encryption = true;
        };
        let public = |m: &mut ClientMetadata| {
            allowed(m);
            m.client_secret = None;
            m.token_endpoint_auth_method = Some("none".into());
        };
        assert_eq!(member(&direct), refused);
        assert_eq!(member(&allowed), "good");
        assert_eq!(member(&public), refused, "it has no secret");
        let object = |m: &mut ClientMetadata| m.request_object_encryption_alg = Some("dir".into());
        assert_eq!(member(&object), "request_object_encryption_alg");
    }

    #[test]
    fn a_key_that_says_what_it_is_for_is_chosen_first() {
        let (any, own) = (decryption_key(KeyType::Ec), decryption_key(KeyType::Ec));
        let signing = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let any_jwk = Jwk { public_key_use: None, ..any.public().clone() };
        let keys = vec![signing.public().clone(), any_jwk, own.public().clone()];
        let keys = JwkSet { keys };
        let client = fixtures::client();
        let key = key(&client, &keys, KeyManagement::EcdhEs, NOW).expect("a key");
        let token = key.encrypt_jwt(ENC, "a JWT", None, [1; 48]).expect("encrypted");
        let recipient = Recipient { keys: &[own], shared: &[] };
        let token = EncryptedToken::parse(&token).expect("one");
        assert!(token.decrypt_jwt(recipient, &KeyManagement::ALL, [0; 32]).is_ok());
        let alg = KeyManagement::RsaOaep256;
        assert!(super::key(&client, &keys, alg, NOW).is_err());
        assert!(super::key(&client, &JwkSet::default(), KeyManagement::EcdhEs, NOW).is_err());
    }

    fn with_secrets(secrets: Vec<ClientSecret>) -> Client {
        let method = SecretMethod::ClientSecretBasic;
        let kind = ClientKind::Confidential { method, secrets, require_pkce: true };
        let request_object = Some(Encryption { alg: KeyManagement::Dir, enc: ENC });
        let encryption = ClientEncryption { request_object, ..ClientEncryption::default() };
        Client { kind, encryption, ..fixtures::client() }
    }

    #[test]
    fn while_one_secret_follows_another_objects_come_by_both_and_answers_go_by_the_older() {
        let [old, new] = ["the old secret", "the new secret"].map(Secret::new);
        let ends = NOW.plus(Duration::from_secs(60));
        let secrets = vec![ClientSecret::of(&new, None), ClientSecret::of(&old, Some(ends))];
        let client = with_secrets(secrets);
        let shared = |secret: &Secret| SharedKey::from_digest(secret.digest());
        let object = |secret: &Secret| {
            let key = EncryptionKey::shared(shared(secret));
            key.encrypt_jwt(ENC, "a JWT", None, [1; 48]).expect("encrypted")
        };
        let reads = |secret: &Secret, now| {
            signed_request_object(&object(secret), &client, &[], [0; 32], now).is_ok()
        };
        assert!(reads(&new, NOW) && reads(&old, NOW));
        assert!(reads(&new, ends) && !reads(&old, ends));
        let written = |now| {
            let key = key(&client, &JwkSet::default(), KeyManagement::Dir, now).expect("a key");
            key.encrypt_jwt(ENC, "a JWT", None, [1; 48]).expect("encrypted")
        };
        let is_to = |token: &str, secret: &Secret| {
            let shared = [shared(secret)];
            let recipient = Recipient { keys: &[], shared: &shared };
            let token = EncryptedToken::parse(token).expect("one");
            token.decrypt_jwt(recipient, &KeyManagement::ALL, [0; 32]).is_ok()
        };
        assert!(is_to(&written(NOW), &old));
        assert!(is_to(&written(ends), &new));
        assert!(
            key(&fixtures::signing_client(&signing()), &JwkSet::default(), KeyManagement::Dir, NOW)
                .is_err()
        );
    }

    fn signing() -> SigningKey {
        SigningKey::generate(Algorithm::ES256).expect("generated").key
    }

    #[test]
    fn encrypted_request_objects_are_read_by_our_keys_alone_rfc_9101_6_1() {
        let (ours, other) = (decryption_key(KeyType::Ec), decryption_key(KeyType::Ec));
        let object = |key: &DecryptionKey, text: &str| {
            let key = EncryptionKey::from_jwk(key.public(), KeyManagement::EcdhEs).expect("a key");
            key.encrypt_jwt(ENC, text, None, [1; 48]).expect("encrypted")
        };
        let claims = EncryptionKey::from_jwk(ours.public(), KeyManagement::EcdhEs)
            .and_then(|key| key.encrypt_claims(ENC, &json!({"iss": "app"}), [1; 48]))
            .expect("encrypted");
        let direct = EncryptionKey::shared(SharedKey::from_digest(Secret::new(SECRET).digest()));
        let direct = direct.encrypt_jwt(ENC, "a.signed.jwt", None, [1; 48]).expect("encrypted");
        let client = fixtures::client();
        let good = object(&ours, "a.signed.jwt");
        let keys = [ours];
        let read = |object: &str| {
            signed_request_object(object, &client, &keys, [0; 32], NOW)
                .map(Cow::into_owned)
                .map_err(|error| error.error)
        };
        assert_eq!(read("a.signed.jwt").as_deref(), Ok("a.signed.jwt"));
        assert_eq!(read(&good).as_deref(), Ok("a.signed.jwt"));
        let huge = format!("{good}{}", "A".repeat(20_000));
        let bad = [object(&other, "a.signed.jwt"), claims, direct, "....".into(), huge];
        for object in bad {
            assert_eq!(read(&object), Err(ErrorCode::InvalidRequestObject), "{object}");
        }
    }
}

use serde_json::{Value, json};

use super::agreement::{Parties, agreed};
use super::*;
use crate::encoding::{base64url, sha256};
use crate::jose::{Algorithm, SigningKey};

mod examples;

const RANDOM_BYTES: [u8; RANDOM] = [7; RANDOM];
const UNGUESSABLE: [u8; 32] = [9; 32];

fn bytes(text: &str) -> Vec<u8> {
    from_base64url(text).expect("base64url")
}

fn key(key_type: KeyType) -> DecryptionKey {
    DecryptionKey::generate(key_type).expect("generated").key
}

fn shared() -> SharedKey {
    SharedKey::from_digest(sha256("a client secret"))
}

/// One who has a key of each type and a shared one.
struct Reader {
    keys: [DecryptionKey; 2],
    shared: [SharedKey; 1],
}

impl Reader {
    fn new() -> Self {
        Self { keys: KeyType::ALL.map(key), shared: [shared()] }
    }

    fn recipient(&self) -> Recipient<'_> {
        Recipient { keys: &self.keys, shared: &self.shared }
    }

    fn key_for(&self, alg: KeyManagement) -> EncryptionKey {
        if alg == KeyManagement::Dir {
            return EncryptionKey::shared(self.shared[0].clone());
        }
        let key = self.keys.iter().find(|key| key.can(alg)).expect("of each type");
        EncryptionKey::from_jwk(key.public(), alg).expect("its public half")
    }

    fn encrypt(&self, alg: KeyManagement, enc: ContentEncryption, text: &str) -> String {
        self.key_for(alg).encrypt_jwt(enc, text, None, RANDOM_BYTES).expect("encrypted")
    }

    fn read(&self, token: &str) -> Result<String, JoseError> {
        let token = EncryptedToken::parse(token)?;
        token.decrypt_jwt(self.recipient(), &KeyManagement::ALL, UNGUESSABLE)
    }
}

fn raw(token: &str, recipient: Recipient<'_>) -> Result<String, JoseError> {
    let token = EncryptedToken::parse(token)?;
    let plain = token.decrypt(recipient, &KeyManagement::ALL, UNGUESSABLE)?;
    Ok(String::from_utf8(plain).expect("text"))
}

#[test]
fn the_examples_of_rfc_7520_5_5_and_5_6_decrypt() {
    let name = "meriadoc.brandybuck@buckland.example";
    let keys = [DecryptionKey::of_p256(&bytes(examples::AGREED_D), name)];
    let recipient = Recipient { keys: &keys, shared: &[] };
    assert_eq!(raw(examples::AGREED, recipient).as_deref(), Ok(examples::PLAIN));
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(&bytes(examples::DIRECT_K));
    let shared = [SharedKey::from_digest(digest)];
    let recipient = Recipient { keys: &[], shared: &shared };
    assert_eq!(raw(examples::DIRECT, recipient).as_deref(), Ok(examples::PLAIN));
}

#[test]
fn the_example_of_rfc_7518_b_1_comes_out_bit_by_bit() {
    let key: Vec<u8> = (0..32).collect();
    let iv = bytes("GvOMLcK5b_3YZpQJI0G8BA");
    let plain = "A cipher system must not be required to be secret, and it must be able to fall \
                 into the hands of the enemy without inconvenience";
    let beside = b"The second principle of Auguste Kerckhoffs";
    let enc = ContentEncryption::A128CbcHs256;
    let (text, tag) = content::encrypt(enc, &key, &iv, beside, plain.as_bytes()).expect("it");
    assert_eq!([base64url(&text), base64url(&tag)], examples::CBC);
    let back = content::decrypt(enc, &key, &iv, beside, &text, &tag).expect("decrypted");
    assert_eq!(back, plain.as_bytes());
}

#[test]
fn the_example_of_rfc_7518_c_agrees_on_its_key_from_both_sides() {
    let encryption = Encryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm };
    let parties = Parties { producer: b"Alice", recipient: b"Bob" };
    let alice = DecryptionKey::of_p256(&bytes(examples::ALICE_D), "alice");
    let bob = DecryptionKey::of_p256(&bytes(examples::BOB_D), "bob");
    for (mine, theirs) in [(&alice, &bob), (&bob, &alice)] {
        let theirs = p256_point(theirs.public()).expect("a point");
        let mine = mine.agreeing().expect("of P-256");
        let key = agreed(mine, &theirs, encryption, parties).expect("agreed");
        assert_eq!(base64url(&*key), "VqqN6vgjbSBcIijNcacQGg");
    }
}

#[test]
fn what_another_program_encrypted_decrypts() {
    let keys = [
        DecryptionKey::of_p256(&bytes(examples::BOB_D), "bob"),
        DecryptionKey::from_pkcs8(KeyType::Rsa, &bytes(examples::RSA_KEY)).expect("a key"),
    ];
    let recipient = Recipient { keys: &keys, shared: &[] };
    for token in examples::WRAPPED.iter().chain([&examples::RSA]) {
        assert_eq!(raw(token, recipient).as_deref(), Ok(examples::MESSAGE));
    }
}

#[test]
fn what_is_encrypted_by_any_algorithm_decrypts() {
    let reader = Reader::new();
    for alg in KeyManagement::ALL {
        for enc in ContentEncryption::ALL {
            for length in [0, 1, 15, 16, 17, 4000] {
                let text = "x".repeat(length);
                let token = reader.encrypt(alg, enc, &text);
                assert_eq!(reader.read(&token), Ok(text), "{alg} {enc} {length}");
                let parsed = EncryptedToken::parse(&token).expect("one");
                assert_eq!(parsed.encryption(), Encryption { alg, enc });
            }
        }
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let reader = Reader::new();
    for alg in KeyManagement::ALL {
        for enc in ContentEncryption::ALL {
            let token = reader.encrypt(alg, enc, "a JWT");
            let parts: Vec<&str> = token.split('.').collect();
            for (at, part) in parts.iter().enumerate() {
                // A bit of each byte is enough where each try costs a millisecond.
                let rsa = alg == KeyManagement::RsaOaep256 && at == 1;
                let step = if rsa { 61 } else { 1 };
                let whole = bytes(part);
                for bit in (0..whole.len() * 8).step_by(step) {
                    let mut other = whole.clone();
                    other[bit / 8] ^= 1 << (bit % 8);
                    let mut others: Vec<String> =
                        parts.iter().map(|part| (*part).to_owned()).collect();
                    others[at] = base64url(other);
                    let error = reader.read(&others.join(".")).expect_err("altered");
                    if at > 0 {
                        assert_eq!(error, JoseError::Decryption, "{alg} {enc} {at} {bit}");
                    }
                }
            }
        }
    }
}

#[test]
fn parts_that_are_cut_short_missing_or_too_many_are_refused() {
    let reader = Reader::new();
    for enc in ContentEncryption::ALL {
        let token = reader.encrypt(KeyManagement::EcdhEsA128Kw, enc, "a JWT");
        let parts: Vec<&str> = token.split('.').collect();
        for at in 0..5 {
            for length in 0..parts[at].len() {
                let mut others = parts.clone();
                others[at] = &parts[at][..length];
                assert!(reader.read(&others.join(".")).is_err(), "{enc} {at} {length}");
            }
        }
        for other in [format!("{token}."), format!("{token}.x"), parts[..4].join(".")] {
            assert_eq!(reader.read(&other), Err(JoseError::NotEncrypted));
        }
    }
    let long = "a".repeat(20_000);
    assert_eq!(reader.read(&long), Err(JoseError::TooLong(20_000)));
    for text in ["", "....", "a.b.c.d.e", &format!("{}....", "a".repeat(5000))] {
        assert_eq!(reader.read(text), Err(JoseError::NotEncrypted), "{text}");
    }
    let direct = reader.encrypt(KeyManagement::Dir, ContentEncryption::A256Gcm, "a JWT");
    assert_eq!(reader.read(&direct.replacen("..", ".AAAA.", 1)), Err(JoseError::NotEncrypted));
}

#[test]
fn tricks_with_the_header_are_refused() {
    let reader = Reader::new();
    let token = reader.encrypt(KeyManagement::EcdhEs, ContentEncryption::A128Gcm, "a JWT");
    let (header, rest) = token.split_once('.').expect("parts");
    let header: Value = serde_json::from_slice(&bytes(header)).expect("JSON");
    let forged = |change: Value| {
        let mut header = header.clone();
        for (name, value) in change.as_object().expect("an object") {
            header[name] = value.clone();
        }
        reader.read(&format!("{}.{rest}", base64url(header.to_string())))
    };
    let algorithm = |name: &str| Err(JoseError::Algorithm(name.to_owned()));
    for alg in ["none", "RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW", "A128KW", "ECDH-ES+A192KW"] {
        assert_eq!(forged(json!({"alg": alg, "p2c": 1_000_000_000})), algorithm(alg));
    }
    for enc in ["none", "A192GCM", "A256CBC-HS512", "a128gcm"] {
        assert_eq!(forged(json!({"enc": enc})), algorithm(enc));
    }
    assert_eq!(forged(json!({"crit": ["exp"]})), Err(JoseError::Critical));
    assert_eq!(forged(json!({"zip": "DEF"})), Err(JoseError::Compressed));
    assert_eq!(forged(json!({"alg": "dir"})), Err(JoseError::Decryption));
    assert_eq!(forged(json!({"alg": "RSA-OAEP-256"})), Err(JoseError::NotEncrypted));
    assert_eq!(forged(json!({"kid": "x"})), Err(JoseError::UnknownRecipient("x".into())));
    assert_eq!(forged(json!({"cty": null})), Err(JoseError::NotNested));
    assert_eq!(forged(json!({"cty": "text"})), Err(JoseError::NotNested));
    for change in [
        json!({"apu": "QWxpY2U"}),
        json!({"apv": "!"}),
        json!({"epk": null}),
        json!({"epk": "x"}),
        json!({"epk": {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}}),
        json!({"epk": {"kty": "oct", "k": "AA"}}),
        json!({"epk": {"kty": "EC", "crv": "P-256", "x": header["epk"]["x"], "y": header["epk"]["x"]}}),
        json!({"alg": 7}),
        json!({"enc": null}),
        json!({"kid": 7}),
        json!({"unknown": "to us"}),
    ] {
        assert!(forged(change.clone()).is_err(), "{change}");
    }
    for header in
        ["[]", "7", "{}", "{\"alg\":\"dir\",\"alg\":\"dir\",\"enc\":\"A128GCM\"}", "\u{1f}"]
    {
        let token = format!("{}....", base64url(header));
        assert_eq!(reader.read(&token), Err(JoseError::NotEncrypted), "{header}");
    }
}

#[test]
fn every_failure_to_decrypt_is_the_same_rfc_7516_11_5() {
    let (reader, other) = (Reader::new(), Reader::new());
    for alg in KeyManagement::ALL {
        let token = reader.encrypt(alg, ContentEncryption::A128CbcHs256, "a JWT");
        let mut parts: Vec<&str> = token.split('.').collect();
        let zeros = base64url([0; 256]);
        if alg == KeyManagement::RsaOaep256 {
            parts[1] = &zeros;
            assert_eq!(reader.read(&parts.join(".")), Err(JoseError::Decryption));
            parts[1] = "AAAA";
            assert_eq!(reader.read(&parts.join(".")), Err(JoseError::Decryption));
        }
        parts[4] = "AAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(reader.read(&parts.join(".")), Err(JoseError::Decryption));
        if alg != KeyManagement::Dir {
            let elsewhere = other.read(&token).expect_err("of another reader");
            assert!(matches!(elsewhere, JoseError::UnknownRecipient(_)));
        }
    }
    let other = [SharedKey::from_digest([1; 32])];
    let token = reader.encrypt(KeyManagement::Dir, ContentEncryption::A256Gcm, "a JWT");
    let recipient = Recipient { keys: &reader.keys, shared: &other };
    assert_eq!(raw(&token, recipient), Err(JoseError::Decryption));
    let none = Recipient { keys: &reader.keys, shared: &[] };
    assert!(matches!(raw(&token, none), Err(JoseError::UnknownRecipient(_))));
}

#[test]
fn only_allowed_algorithms_decrypt() {
    let reader = Reader::new();
    let token = reader.encrypt(KeyManagement::Dir, ContentEncryption::A256Gcm, "a JWT");
    let token = EncryptedToken::parse(&token).expect("one");
    let error = token.decrypt(reader.recipient(), &KeyManagement::TO_PUBLIC_KEYS, UNGUESSABLE);
    assert_eq!(error, Err(JoseError::Algorithm("dir".into())));
}

#[test]
fn without_a_name_each_key_that_fits_is_tried() {
    let keys = [key(KeyType::Ec), key(KeyType::Ec)];
    let recipient = Recipient { keys: &keys, shared: &[] };
    for key in &keys {
        let jwk = Jwk { kid: None, ..key.public().clone() };
        let to = EncryptionKey::from_jwk(&jwk, KeyManagement::EcdhEs).expect("a key");
        let token = to.encrypt_jwt(ContentEncryption::A128Gcm, "a JWT", None, RANDOM_BYTES);
        assert_eq!(raw(&token.expect("encrypted"), recipient).as_deref(), Ok("a JWT"));
    }
}

#[test]
fn claims_that_nobody_signed_are_no_nested_jwt() {
    let reader = Reader::new();
    let key = reader.key_for(KeyManagement::EcdhEs);
    let token = key.encrypt_claims(ContentEncryption::A256Gcm, &json!({"sub": "a"}), RANDOM_BYTES);
    let token = token.expect("encrypted");
    assert_eq!(raw(&token, reader.recipient()).as_deref(), Ok(r#"{"sub":"a"}"#));
    assert_eq!(reader.read(&token), Err(JoseError::NotNested));
}

#[test]
fn a_key_is_used_for_what_it_is_for_alone() {
    let signing = SigningKey::generate(Algorithm::ES256).expect("generated").key;
    let (ec, rsa) = (key(KeyType::Ec), key(KeyType::Rsa));
    let ec = ec.public();
    let usable = |jwk: &Jwk, alg| EncryptionKey::from_jwk(jwk, alg).is_ok();
    for alg in KeyManagement::ALL {
        assert!(!usable(signing.public(), alg), "{alg}");
        let is_rsa = alg == KeyManagement::RsaOaep256;
        assert_eq!(usable(rsa.public(), alg), is_rsa, "{alg}");
        assert_eq!(usable(ec, alg), !is_rsa && alg != KeyManagement::Dir, "{alg}");
    }
    let direct = KeyManagement::EcdhEs;
    let with = |change: &dyn Fn(&mut Jwk)| {
        let mut jwk = ec.clone();
        change(&mut jwk);
        usable(&jwk, direct)
    };
    assert!(with(&|jwk| jwk.public_key_use = None));
    assert!(with(&|jwk| jwk.alg = Some("ECDH-ES".into())));
    assert!(with(&|jwk| jwk.key_ops = Some(vec!["deriveBits".into()])));
    assert!(with(&|jwk| jwk.key_ops = Some(Vec::new())));
    assert!(!with(&|jwk| jwk.key_ops = Some(vec!["verify".into()])));
    assert!(!with(&|jwk| jwk.alg = Some("ECDH-ES+A128KW".into())));
    assert!(!with(&|jwk| jwk.alg = Some("ES256".into())));
    assert!(!with(&|jwk| jwk.crv = Some("P-384".into())));
    assert!(!with(&|jwk| jwk.x = None));
    let short = Jwk { n: Some(base64url([0xff; 128])), ..rsa.public().clone() };
    assert!(!usable(&short, KeyManagement::RsaOaep256));
    let off_curve = Jwk { y: ec.x.clone(), ..ec.clone() };
    assert!(!usable(&off_curve, direct));
}

#[test]
fn keys_say_what_they_are_for_and_come_back_from_their_kept_form() {
    for key_type in KeyType::ALL {
        let made = DecryptionKey::generate(key_type).expect("generated");
        let again = DecryptionKey::from_pkcs8(key_type, &made.pkcs8).expect("its own form");
        assert_eq!((again.kid(), again.key_type()), (made.key.kid(), key_type));
        assert_eq!(again.public().public_key_use.as_deref(), Some("enc"));
        assert_eq!(again.public().kid.as_deref(), Some(again.kid()));
        assert_eq!(KeyType::from_name(key_type.as_str()), Some(key_type));
        for other in KeyType::ALL.into_iter().filter(|other| *other != key_type) {
            assert!(DecryptionKey::from_pkcs8(other, &made.pkcs8).is_err());
        }
    }
    for alg in KeyManagement::ALL {
        assert_eq!(json!(alg), json!(alg.as_str()));
    }
    for enc in ContentEncryption::ALL {
        assert_eq!(json!(enc), json!(enc.as_str()));
    }
}

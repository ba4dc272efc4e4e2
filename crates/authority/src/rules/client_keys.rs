//! A client that proves itself by a key: which keys and algorithms it may be registered with
//! (RFC 7591 section 2, OpenID Connect Core 1.0 section 9, FAPI 2.0 Security Profile section 5.4).

use std::time::Duration;

use keystile_protocol::jose::{
    Algorithm, JoseError, Jwk, JwkSet, KeySet, SignedToken, VerifyingKey,
};
use serde::de::IgnoredAny;

use crate::ports::{Fetched, Fetching, Keeping};
use crate::records::{Client, ClientKind, KeySource};
use crate::rules::registration::{ClientMetadata, MetadataError, called_uri, wrong};
use crate::rules::{encryption, fapi2, mutual_tls};

/// A client with more keys than this is refused.
const KEYS_AT_MOST: usize = 20;
/// How the keys at a `jwks_uri` are kept. A key that the client takes away there is accepted for
/// two hours more at the worst; one that it adds counts at once.
pub const KEEPING: Keeping = Keeping {
    member: "jwks_uri",
    kind: Fetching::Json,
    least: Duration::from_secs(60),
    greatest: Duration::from_secs(3600),
    stale: Duration::from_secs(3600),
    again_after: Duration::from_secs(1),
    check: |fetched| in_document(fetched).map(drop),
};

/// What the client may sign its assertions with.
pub fn algorithms(client: &Client) -> Vec<Algorithm> {
    let registered = match &client.kind {
        ClientKind::PrivateKeyJwt { algorithm, .. } => *algorithm,
        _ => return Vec::new(),
    };
    let allowed = |algorithm: &Algorithm| registered.is_none_or(|only| only == *algorithm);
    fapi2::algorithms(client.profile).iter().copied().filter(allowed).collect()
}

/// The kind of a client with `token_endpoint_auth_method` `private_key_jwt`.
pub(super) fn kind(metadata: &ClientMetadata) -> Result<ClientKind, MetadataError> {
    if metadata.client_secret.is_some() {
        return wrong("client_secret", "a client with private_key_jwt has none");
    }
    let algorithm = algorithm(metadata)?;
    match &metadata.jwks {
        None if metadata.jwks_uri.is_none() => {
            return wrong(
                "jwks",
                "private_key_jwt needs the client's public keys: jwks = { \"keys\": [ ... ] } \
                 (RFC 7517), or where they are: jwks_uri",
            );
        }
        Some(jwks) if !can_verify(&keys(jwks, false)?) => {
            return wrong("jwks", format!("none of the keys can verify a signature; {USABLE}"));
        }
        _ => {}
    }
    let require_pkce = metadata.require_pkce.unwrap_or(true);
    Ok(ClientKind::PrivateKeyJwt { algorithm, require_pkce })
}

/// The client's keys, where it has some: for assertions and for signed requests. "The jwks_uri and
/// jwks parameters MUST NOT both be present" (RFC 7591 section 2).
pub(super) fn registered(
    metadata: &ClientMetadata,
    development: bool,
) -> Result<Option<KeySource>, MetadataError> {
    let of_certificates =
        metadata.token_endpoint_auth_method.as_deref() == Some(mutual_tls::SELF_SIGNED);
    match (&metadata.jwks, &metadata.jwks_uri) {
        (None, None) => Ok(None),
        (Some(jwks), None) => Ok(Some(KeySource::Inline(keys(jwks, of_certificates)?))),
        (None, Some(uri)) => {
            called_uri("jwks_uri", uri, development)?;
            Ok(Some(KeySource::Remote(uri.clone())))
        }
        (Some(_), Some(_)) => {
            wrong("jwks_uri", "it came together with jwks; keep one of them (RFC 7591 section 2)")
        }
    }
}

/// The keys in a document that was fetched. Those that are not understood are left out (RFC 7517
/// section 5); a private one makes all of them suspect, since it was there for everybody.
pub fn in_document(fetched: &Fetched) -> Result<JwkSet, String> {
    let document = fetched.json()?;
    let members = members(&document).ok_or_else(|| {
        format!("it has no member 'keys' with at most {KEYS_AT_MOST} keys (RFC 7517 section 5)")
    })?;
    if members.iter().any(Jwk::is_private) {
        return Err("it has a private or a symmetric key, which is public now".to_owned());
    }
    Ok(JwkSet { keys: members.iter().filter_map(|key| Jwk::public_alone(key).ok()).collect() })
}

fn members(jwks: &serde_json::Value) -> Option<&Vec<serde_json::Value>> {
    jwks.get("keys")?.as_array().filter(|keys| keys.len() <= KEYS_AT_MOST)
}

/// Whether a JWT was signed by none of these keys: its signer may have others by now.
pub fn wants_other_keys(jwt: &str, keys: &KeySet) -> bool {
    let verified =
        SignedToken::parse(jwt).and_then(|token| token.verify::<IgnoredAny>(keys, &Algorithm::ALL));
    matches!(verified, Err(JoseError::UnknownKey(_) | JoseError::Signature))
}

/// A key or an algorithm that nothing would look at is a mistake worth a word.
pub(super) fn nothing_unused(
    metadata: &ClientMetadata,
    kind: &ClientKind,
) -> Result<(), MetadataError> {
    let used = matches!(kind, ClientKind::PrivateKeyJwt { .. });
    if !used && metadata.token_endpoint_auth_signing_alg.is_some() {
        return wrong(
            "token_endpoint_auth_signing_alg",
            "only a client with token_endpoint_auth_method private_key_jwt has one",
        );
    }
    Ok(())
}

fn algorithm(metadata: &ClientMetadata) -> Result<Option<Algorithm>, MetadataError> {
    let Some(name) = metadata.token_endpoint_auth_signing_alg.as_deref() else { return Ok(None) };
    let allowed = fapi2::algorithms(metadata.profile);
    let known = Algorithm::from_name(name).filter(|algorithm| allowed.contains(algorithm));
    if known.is_none() {
        let names: Vec<&str> = allowed.iter().map(|algorithm| algorithm.as_str()).collect();
        let problem = format!("'{name}' is not allowed; use one of {}", names.join(", "));
        return wrong("token_endpoint_auth_signing_alg", problem);
    }
    Ok(known)
}

const USABLE: &str = "use EC with P-256, OKP with Ed25519, or RSA with 2,048 bits or more";

fn can_verify(keys: &JwkSet) -> bool {
    keys.keys.iter().any(|key| VerifyingKey::from_jwk(key).is_ok())
}

/// `jwks`: public keys alone, one of which at least can be used. Those that a client's certificates
/// have need not verify anything (RFC 8705 section 2.2).
fn keys(jwks: &serde_json::Value, of_certificates: bool) -> Result<JwkSet, MetadataError> {
    let keys = public_keys(jwks).or_else(|problem| wrong("jwks", problem))?;
    let usable = of_certificates || can_verify(&keys) || encryption::has_key(&keys);
    if !usable {
        let problem = format!("none of the keys can verify a signature or encrypt; {USABLE}");
        return wrong("jwks", problem);
    }
    Ok(keys)
}

/// A set of public keys alone, one of which can verify a signature; otherwise what is wrong.
pub fn verifying_keys(jwks: &serde_json::Value) -> Result<JwkSet, String> {
    let keys = public_keys(jwks)?;
    if can_verify(&keys) {
        return Ok(keys);
    }
    Err(format!("none of the keys can verify a signature; {USABLE}"))
}

/// A set of public keys alone; otherwise what is wrong.
fn public_keys(jwks: &serde_json::Value) -> Result<JwkSet, String> {
    let Some(members) = members(jwks).filter(|keys| !keys.is_empty()) else {
        return Err(format!("it has a member 'keys' with 1 to {KEYS_AT_MOST} keys"));
    };
    let public = |(index, member): (usize, &serde_json::Value)| {
        Jwk::public_alone(member).map_err(|problem| format!("key {index}: {problem}"))
    };
    let keys = members.iter().enumerate().map(public).collect::<Result<_, _>>()?;
    Ok(JwkSet { keys })
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::SigningKey;
    use serde_json::json;

    use super::*;
    use crate::fixtures::SECRET;
    use crate::records::Profile;
    use crate::rules::registration::register;

    fn good() -> ClientMetadata {
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        ClientMetadata {
            client_id: "app".into(),
            token_endpoint_auth_method: Some("private_key_jwt".into()),
            jwks: Some(json!({ "keys": [key.public()] })),
            redirect_uris: vec!["https://app.example/cb".into()],
            ..ClientMetadata::default()
        }
    }

    fn member(change: impl FnOnce(&mut ClientMetadata)) -> &'static str {
        let mut metadata = good();
        change(&mut metadata);
        register(&metadata, false).map_or_else(|error| error.member, |_| "good")
    }

    #[test]
    fn a_client_with_keys_is_registered_by_its_public_ones_alone_rfc_7591_2() {
        let client = register(&good(), false).expect("good");
        assert_eq!(client.authentication_method(), "private_key_jwt");
        assert!(client.must_use_pkce() && !client.is_public());
        assert_eq!(member(|m| m.jwks = None), "jwks");
        assert_eq!(member(|m| m.jwks = Some(json!({ "keys": [] }))), "jwks");
        assert_eq!(member(|m| m.jwks = Some(json!("keys"))), "jwks");
        assert_eq!(member(|m| m.jwks = Some(json!({ "keys": [{ "kty": "oct" }] }))), "jwks");
        let private = |m: &mut ClientMetadata| {
            if let Some(jwks) = &mut m.jwks {
                jwks["keys"][0]["d"] = json!("secret");
            }
        };
        assert_eq!(member(private), "jwks");
        let only_for_encryption = |m: &mut ClientMetadata| {
            if let Some(jwks) = &mut m.jwks {
                for member in ["alg", "use"] {
                    jwks["keys"][0][member] =
                        json!(if member == "use" { "enc" } else { "ECDH-ES" });
                }
            }
        };
        assert_eq!(member(only_for_encryption), "jwks");
        assert_eq!(member(|m| m.client_secret = Some(SECRET.into())), "client_secret");
    }

    #[test]
    fn keys_are_here_or_there_and_not_both_rfc_7591_2() {
        let remote =
            |uri: &str| ClientMetadata { jwks: None, jwks_uri: Some(uri.to_owned()), ..good() };
        let uri = "https://app.example/keys?a=b";
        let client = register(&remote(uri), false).expect("good");
        assert_eq!(client.keys, Some(KeySource::Remote(uri.to_owned())));
        let refused = |metadata: ClientMetadata, development| {
            register(&metadata, development).expect_err("refused").member
        };
        let both = ClientMetadata { jwks_uri: Some(uri.to_owned()), ..good() };
        assert_eq!(refused(both, false), "jwks_uri");
        for bad in
            ["http://app.example/keys", "https://u@app.example/", "https://app.example/#x", "keys"]
        {
            assert_eq!(refused(remote(bad), true), "jwks_uri", "{bad}");
        }
        let here = "http://127.0.0.1:4001/keys";
        assert!(register(&remote(here), true).is_ok());
        assert_eq!(refused(remote(here), false), "jwks_uri");
    }

    #[test]
    fn a_record_of_before_there_were_addresses_is_read() {
        let client = register(&good(), false).expect("good");
        let mut record = json!(client);
        let keys = record["keys"].take();
        record["kind"]["private_key_jwt"]["keys"] = json!({ "inline": keys });
        let record = record.as_object_mut().expect("an object");
        record.remove("keys");
        record.insert("jwks".into(), keys);
        let read: Client = serde_json::from_value(json!(record)).expect("read");
        assert_eq!(read, client);
    }

    #[test]
    fn a_document_has_few_public_keys_and_odd_ones_are_left_out_rfc_7517_5() {
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let read = |document: serde_json::Value| {
            in_document(&Fetched {
                status: 200,
                content_type: Some("application/json".to_owned()),
                body: document.to_string().into_bytes(),
                fresh_for: Duration::ZERO,
            })
            .map(|set| set.keys.len())
        };
        let good = json!(key.public());
        let odd = json!({ "kty": "AKP", "alg": "ML-DSA-44" });
        assert_eq!(read(json!({ "keys": [good, odd, 7, "x", { "kid": "no type" }] })), Ok(2));
        assert_eq!(read(json!({ "keys": [], "more": 1 })), Ok(0));
        let mut private = good.clone();
        private["d"] = json!("secret");
        let symmetric = json!({ "kty": "oct", "k": "c2VjcmV0" });
        for bad in [
            json!({ "keys": [good, private] }),
            json!({ "keys": [good, symmetric] }),
            json!({ "keys": vec![good.clone(); KEYS_AT_MOST + 1] }),
            json!({ "keys": good }),
            json!({ "jwks": [good] }),
            json!([good]),
            json!("keys"),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn other_keys_are_wanted_for_what_none_of_these_signed() {
        let key = || SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let (one, other) = (key(), key());
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![one.public().clone()] });
        let mut renamed = other.public().clone();
        renamed.kid = one.public().kid.clone();
        let same_name = KeySet::from_jwks(&JwkSet { keys: vec![renamed] });
        let jwt = one.sign("JWT", &json!({})).expect("signed");
        assert!(!wants_other_keys(&jwt, &keys));
        assert!(wants_other_keys(&jwt, &same_name), "another key by the same name");
        assert!(wants_other_keys(&jwt, &KeySet::default()));
        assert!(wants_other_keys(&other.sign("JWT", &json!({})).expect("signed"), &keys));
        assert!(!wants_other_keys("e30.e30.", &keys), "no key would help");
    }

    #[test]
    fn algorithms_are_the_registered_one_or_those_of_the_profile_fapi_2_5_4() {
        let alg = |name: &str| Some(name.to_owned());
        let of = |change: &dyn Fn(&mut ClientMetadata)| {
            let mut metadata = good();
            change(&mut metadata);
            register(&metadata, false).map(|client| algorithms(&client))
        };
        assert_eq!(of(&|_| {}), Ok(Algorithm::ALL.to_vec()));
        assert_eq!(
            of(&|m| m.token_endpoint_auth_signing_alg = alg("PS256")),
            Ok(vec![Algorithm::PS256])
        );
        let fapi2 = of(&|m| m.profile = Some(Profile::Fapi2)).expect("good");
        assert!(!fapi2.contains(&Algorithm::RS256) && fapi2.len() == 3);
        let name = "token_endpoint_auth_signing_alg";
        let refused = of(&|m| {
            m.profile = Some(Profile::Fapi2);
            m.token_endpoint_auth_signing_alg = alg("RS256");
        });
        assert_eq!(refused.expect_err("too weak").member, name);
        assert_eq!(member(|m| m.token_endpoint_auth_signing_alg = alg("none")), name);
        assert_eq!(member(|m| m.token_endpoint_auth_signing_alg = alg("HS256")), name);
        let with_secret = |m: &mut ClientMetadata| {
            m.token_endpoint_auth_method = None;
            m.client_secret = Some(SECRET.into());
            m.token_endpoint_auth_signing_alg = alg("ES256");
        };
        assert_eq!(member(with_secret), name);
    }
}

//! A client that proves itself by a key: which keys and algorithms it may be registered with
//! (RFC 7591 section 2, OpenID Connect Core 1.0 section 9, FAPI 2.0 Security Profile section 5.4).

use keystile_protocol::jose::{Algorithm, Jwk, JwkSet, VerifyingKey};

use crate::records::{Client, ClientKind, KeySource, Profile};
use crate::rules::registration::{ClientMetadata, MetadataError, wrong};

/// A client with more keys than this is refused.
const KEYS_AT_MOST: usize = 20;
/// All that FAPI 2.0 allows: RSA with the old padding is not among them.
const FAPI2: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];

/// What the client may sign its assertions with.
pub fn algorithms(client: &Client) -> Vec<Algorithm> {
    let registered = match &client.kind {
        ClientKind::PrivateKeyJwt { algorithm, .. } => *algorithm,
        _ => return Vec::new(),
    };
    let allowed = |algorithm: &Algorithm| registered.is_none_or(|only| only == *algorithm);
    by_profile(client.profile).iter().copied().filter(allowed).collect()
}

fn by_profile(profile: Option<Profile>) -> &'static [Algorithm] {
    match profile {
        Some(Profile::Fapi2) => &FAPI2,
        None => &Algorithm::ALL,
    }
}

/// The kind of a client with `token_endpoint_auth_method` `private_key_jwt`.
pub(super) fn kind(metadata: &ClientMetadata) -> Result<ClientKind, MetadataError> {
    if metadata.client_secret.is_some() {
        return wrong("client_secret", "a client with private_key_jwt has none");
    }
    let algorithm = algorithm(metadata)?;
    let keys = KeySource::Inline(keys(metadata)?);
    let require_pkce = metadata.require_pkce.unwrap_or(true);
    Ok(ClientKind::PrivateKeyJwt { keys, algorithm, require_pkce })
}

/// The client's keys, where it has some: for assertions and for signed requests.
pub(super) fn registered(metadata: &ClientMetadata) -> Result<Option<JwkSet>, MetadataError> {
    metadata.jwks.is_some().then(|| keys(metadata)).transpose()
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
    let allowed = by_profile(metadata.profile);
    let known = Algorithm::from_name(name).filter(|algorithm| allowed.contains(algorithm));
    if known.is_none() {
        let names: Vec<&str> = allowed.iter().map(|algorithm| algorithm.as_str()).collect();
        let problem = format!("'{name}' is not allowed; use one of {}", names.join(", "));
        return wrong("token_endpoint_auth_signing_alg", problem);
    }
    Ok(known)
}

/// The client's keys, where there have to be some.
fn keys(metadata: &ClientMetadata) -> Result<JwkSet, MetadataError> {
    let Some(jwks) = &metadata.jwks else {
        return wrong(
            "jwks",
            "private_key_jwt needs the client's public keys: { \"keys\": [ ... ] } (RFC 7517)",
        );
    };
    public_keys(jwks).or_else(|problem| wrong("jwks", problem))
}

/// A set of public keys alone, one of which can verify a signature; otherwise what is wrong.
pub fn public_keys(jwks: &serde_json::Value) -> Result<JwkSet, String> {
    let members = jwks.get("keys").and_then(serde_json::Value::as_array);
    let Some(members) = members.filter(|keys| (1..=KEYS_AT_MOST).contains(&keys.len())) else {
        return Err(format!("it has a member 'keys' with 1 to {KEYS_AT_MOST} keys"));
    };
    let public = |(index, member): (usize, &serde_json::Value)| {
        Jwk::public_alone(member).map_err(|problem| format!("key {index}: {problem}"))
    };
    let keys = members.iter().enumerate().map(public).collect::<Result<Vec<_>, _>>()?;
    if !keys.iter().any(|key| VerifyingKey::from_jwk(key).is_ok()) {
        return Err(
            "none of the keys can verify a signature; use EC with P-256, OKP with Ed25519, \
                    or RSA with 2,048 bits or more"
                .to_owned(),
        );
    }
    Ok(JwkSet { keys })
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::SigningKey;
    use serde_json::json;

    use super::*;
    use crate::fixtures::SECRET;
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
        assert_eq!(member(|m| m.client_secret = Some(SECRET.into())), "client_secret");
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

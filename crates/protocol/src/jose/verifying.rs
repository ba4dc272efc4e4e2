use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{Algorithm, JoseError, Jwk, JwkSet, Thumbprint};
use crate::encoding::from_base64url;

/// A token longer than this is refused unread, in bytes.
const TOKEN_AT_MOST: usize = 16 * 1024;
/// Keys of a set that are read; the rest is ignored.
const KEYS_AT_MOST: usize = 100;

/// The protected header of a JWS, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Header {
    /// The algorithm, unchecked.
    pub alg: String,
    /// Media type of the whole token.
    #[serde(default)]
    pub typ: Option<String>,
    /// Which key signed.
    #[serde(default)]
    pub kid: Option<String>,
    #[serde(default)]
    jwk: Option<serde_json::Value>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
    #[serde(default)]
    b64: Option<IgnoredAny>,
}

/// A compact JWS that has been taken apart and not yet verified.
pub struct SignedToken<'a> {
    /// Its header, which its sender wrote.
    pub header: Header,
    algorithm: Algorithm,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> SignedToken<'a> {
    /// Takes a token apart. Refused here: other forms, unknown algorithms (`none` among them),
    /// critical extensions, unencoded payloads.
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        if token.len() > TOKEN_AT_MOST {
            return Err(JoseError::TooLong(token.len()));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JoseError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JoseError::Malformed)?;
        let header = from_base64url(header).ok_or(JoseError::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| JoseError::Malformed)?;
        if header.crit.is_some() || header.b64.is_some() {
            return Err(JoseError::Critical);
        }
        let algorithm = Algorithm::from_name(&header.alg)
            .ok_or_else(|| JoseError::Algorithm(shown(&header.alg)))?;
        let signature = from_base64url(signature).ok_or(JoseError::Malformed)?;
        Ok(Self { header, algorithm, signed, payload, signature })
    }

    /// Verifies with the one key of the set that the header names (or, without a name, with each
    /// that fits) and reads the claims.
    pub fn verify<C: DeserializeOwned>(
        &self,
        keys: &KeySet,
        allowed: &[Algorithm],
    ) -> Result<C, JoseError> {
        let mut candidates = self.candidates(keys, allowed)?;
        if !candidates.any(|key| key.verify(self.algorithm, self.signed, &self.signature)) {
            return Err(JoseError::Signature);
        }
        self.claims()
    }

    /// Reads the claims of a token that was verified with these keys before, or signed with one of
    /// them: the same but for the signature.
    pub fn verified_before<C: DeserializeOwned>(
        &self,
        keys: &KeySet,
        allowed: &[Algorithm],
    ) -> Result<C, JoseError> {
        self.candidates(keys, allowed).map(drop)?;
        self.claims()
    }

    /// The keys of the set that may have signed; one at least.
    fn candidates<'k>(
        &self,
        keys: &'k KeySet,
        allowed: &[Algorithm],
    ) -> Result<impl Iterator<Item = &'k VerifyingKey>, JoseError> {
        if !allowed.contains(&self.algorithm) {
            return Err(JoseError::Algorithm(self.algorithm.as_str().into()));
        }
        let fits = |key: &&VerifyingKey| {
            key.can(self.algorithm) && (self.header.kid.is_none() || key.kid == self.header.kid)
        };
        let mut candidates = keys.keys.iter().filter(fits).peekable();
        if candidates.peek().is_none() {
            let kid = self.header.kid.as_deref().unwrap_or("(none named)");
            return Err(JoseError::UnknownKey(shown(kid)));
        }
        Ok(candidates)
    }

    /// Verifies with one key and reads the claims.
    pub fn verify_with<C: DeserializeOwned>(&self, key: &VerifyingKey) -> Result<C, JoseError> {
        if !key.can(self.algorithm) {
            return Err(JoseError::Algorithm(self.algorithm.as_str().into()));
        }
        if !key.verify(self.algorithm, self.signed, &self.signature) {
            return Err(JoseError::Signature);
        }
        self.claims()
    }

    /// Verifies with the public key that the header itself carries (RFC 7515 section 4.1.3), and
    /// reads the claims. It proves that the sender holds that key, and nothing else.
    pub fn verify_embedded<C: DeserializeOwned>(
        &self,
        allowed: &[Algorithm],
    ) -> Result<(C, Thumbprint), JoseError> {
        if !allowed.contains(&self.algorithm) {
            return Err(JoseError::Algorithm(self.algorithm.as_str().into()));
        }
        let jwk = self.header.jwk.as_ref().ok_or(JoseError::Key("the header has no 'jwk'"))?;
        let jwk = Jwk::public_alone(jwk)?;
        let claims = self.verify_with(&VerifyingKey::from_jwk(&jwk)?)?;
        Ok((claims, Thumbprint::of(&jwk)))
    }

    /// Reads the claims of a token that nobody has verified: good for finding out whose keys are
    /// to verify it, and for nothing else.
    pub fn unverified_claims<C: DeserializeOwned>(&self) -> Result<C, JoseError> {
        self.claims()
    }

    fn claims<C: DeserializeOwned>(&self) -> Result<C, JoseError> {
        let payload = from_base64url(self.payload).ok_or(JoseError::Malformed)?;
        serde_json::from_slice(&payload).map_err(|e| JoseError::Claims(e.to_string()))
    }

    /// The algorithm that the header names.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Text of a stranger, cut short and without control characters, for an error message.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// A public key, parsed once.
pub struct VerifyingKey {
    kid: Option<String>,
    material: Material,
    only: Option<Algorithm>,
}

enum Material {
    Ecdsa(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl VerifyingKey {
    /// Takes a JWK. A key for encryption, of another curve, or too short is refused.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, JoseError> {
        if jwk.public_key_use.as_deref().is_some_and(|used_for| used_for != "sig") {
            return Err(JoseError::Key("it is not for signatures"));
        }
        let only = match &jwk.alg {
            None => None,
            Some(name) => Some(
                Algorithm::from_name(name)
                    .ok_or(JoseError::Key("it is for an algorithm that is not supported"))?,
            ),
        };
        let bytes = |part: &Option<String>| {
            part.as_deref().and_then(from_base64url).ok_or(JoseError::Key("a member is missing"))
        };
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(JoseError::Key("a coordinate does not have 32 bytes"));
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
                    .map_err(|_| JoseError::Key("it is not a point of P-256"))?;
                Material::Ecdsa(key)
            }
            ("OKP", Some("Ed25519")) => {
                let key = ParsedPublicKey::new(&ED25519, bytes(&jwk.x)?)
                    .map_err(|_| JoseError::Key("it is not an Ed25519 key"))?;
                Material::Ed25519(key)
            }
            ("RSA", _) => {
                let (n, e) = (bytes(&jwk.n)?, bytes(&jwk.e)?);
                if n.len() < 256 || n.len() > 1024 {
                    return Err(JoseError::Key("an RSA key has 2,048 to 8,192 bits here"));
                }
                Material::Rsa { n, e }
            }
            _ => return Err(JoseError::Key("its type or curve is not supported")),
        };
        Ok(Self { kid: jwk.kid.clone(), material, only })
    }

    /// The key's name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    fn can(&self, algorithm: Algorithm) -> bool {
        let of_type = match self.material {
            Material::Ecdsa(_) => algorithm == Algorithm::ES256,
            Material::Ed25519(_) => algorithm == Algorithm::EdDSA,
            Material::Rsa { .. } => algorithm.is_rsa(),
        };
        of_type && self.only.is_none_or(|only| only == algorithm)
    }

    fn verify(&self, algorithm: Algorithm, message: &str, signature: &[u8]) -> bool {
        let message = message.as_bytes();
        match &self.material {
            Material::Ecdsa(key) | Material::Ed25519(key) => {
                key.verify_sig(message, signature).is_ok()
            }
            Material::Rsa { n, e } => {
                let parameters = if algorithm == Algorithm::PS256 {
                    &RSA_PSS_2048_8192_SHA256
                } else {
                    &RSA_PKCS1_2048_8192_SHA256
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.kid)
    }
}

/// The keys of a [`JwkSet`] that can verify signatures; the others are left out, as RFC 7517
/// section 5 asks.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    /// Of all keys, also those that verify nothing here: a certificate may have one.
    thumbprints: Vec<Thumbprint>,
}

impl KeySet {
    /// Parses the keys.
    pub fn from_jwks(set: &JwkSet) -> Self {
        let keys = || set.keys.iter().take(KEYS_AT_MOST);
        Self {
            keys: keys().filter_map(|jwk| VerifyingKey::from_jwk(jwk).ok()).collect(),
            thumbprints: keys().map(Thumbprint::of).collect(),
        }
    }

    /// Whether there is a key of that name.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// Whether this key is in the set, whatever it is for.
    pub fn holds(&self, key: &Jwk) -> bool {
        self.thumbprints.contains(&Thumbprint::of(key))
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::encoding::base64url;
    use crate::jose::SigningKey;

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm).expect("generated").key
    }

    fn set(keys: &[&SigningKey]) -> KeySet {
        KeySet::from_jwks(&JwkSet { keys: keys.iter().map(|key| key.public().clone()).collect() })
    }

    fn verify(token: &str, keys: &KeySet, allowed: &[Algorithm]) -> Result<Value, JoseError> {
        SignedToken::parse(token)?.verify(keys, allowed)
    }

    #[test]
    fn what_each_algorithm_signs_verifies() {
        for algorithm in Algorithm::ALL {
            let key = key(algorithm);
            let token = key.sign("JWT", &json!({"a": 1})).expect("signed");
            assert_eq!(verify(&token, &set(&[&key]), &Algorithm::ALL), Ok(json!({"a": 1})));
            let kept = SigningKey::generate(algorithm).expect("generated");
            let again = SigningKey::from_pkcs8(algorithm, &kept.pkcs8).expect("its own form");
            assert_eq!(again.kid(), kept.key.kid());
        }
    }

    #[test]
    fn an_altered_token_does_not_verify() {
        let key = key(Algorithm::ES256);
        let keys = set(&[&key]);
        let token = key.sign("JWT", &json!({"a": 1})).expect("signed");
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            assert!(verify(&other, &keys, &Algorithm::ALL).is_err(), "at {at}");
        }
    }

    #[test]
    fn tricks_with_the_header_are_refused() {
        let key = key(Algorithm::ES256);
        let keys = set(&[&key]);
        let token = key.sign("JWT", &json!({"a": 1})).expect("signed");
        let (_, rest) = token.split_once('.').expect("three parts");
        let headers = [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": "HS256"}),
            json!({"alg": "ES256", "crit": ["exp"]}),
            json!({"alg": "ES256", "b64": false}),
            json!({"alg": "ES256", "kid": "../../etc/passwd"}),
            json!({"alg": "RS256", "kid": key.kid()}),
            json!({"kid": key.kid()}),
            json!([]),
        ];
        for header in headers {
            let forged = format!("{}.{rest}", base64url(header.to_string()));
            assert!(verify(&forged, &keys, &Algorithm::ALL).is_err(), "{header}");
        }
        for text in ["", ".", "..", "a.b", "a.b.c.d", &"a".repeat(20_000)] {
            assert!(verify(text, &keys, &Algorithm::ALL).is_err(), "{text}");
        }
    }

    #[test]
    fn only_allowed_algorithms_verify() {
        let key = key(Algorithm::RS256);
        let token = key.sign("JWT", &json!({})).expect("signed");
        let error = verify(&token, &set(&[&key]), &[Algorithm::ES256]).expect_err("not allowed");
        assert_eq!(error, JoseError::Algorithm("RS256".into()));
    }

    #[test]
    fn a_key_is_used_for_its_own_algorithm_alone() {
        let rsa = key(Algorithm::RS256);
        let mut jwk = rsa.public().clone();
        jwk.alg = Some("PS256".into());
        let token = rsa.sign("JWT", &json!({})).expect("signed");
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![jwk] });
        assert!(verify(&token, &keys, &Algorithm::ALL).is_err());
    }

    #[test]
    fn keys_that_cannot_verify_are_left_out() {
        let good = key(Algorithm::ES256).public().clone();
        let mut for_encryption = good.clone();
        for_encryption.public_key_use = Some("enc".into());
        let mut off_curve = good.clone();
        off_curve.y = off_curve.x.clone();
        let unknown = Jwk { kty: "oct".into(), ..Jwk::default() };
        let set = JwkSet { keys: vec![for_encryption, off_curve, unknown, good] };
        assert_eq!(KeySet::from_jwks(&set).keys.len(), 1);
    }
}

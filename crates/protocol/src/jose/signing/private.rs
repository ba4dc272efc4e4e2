//! Private keys as others keep them: JWKs (RFC 7517 appendix A.2) and PKCS #8 of unknown type.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::SigningKey;
use crate::encoding::from_base64url;
use crate::jose::{Algorithm, JoseError};

type Bytes = Zeroizing<Vec<u8>>;

impl SigningKey {
    /// Takes a private JWK. It keeps its `kid`; an RSA key signs with its `alg`, or PS256 where it
    /// names none.
    pub fn from_private_jwk(jwk: &Value) -> Result<Self, JoseError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let named = text("alg").map(|alg| {
            Algorithm::from_name(alg)
                .ok_or(JoseError::Key("it is for an algorithm that is not supported"))
        });
        let named = named.transpose()?;
        let (algorithm, pkcs8) = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => (Algorithm::ES256, p256(jwk)?),
            (Some("OKP"), Some("Ed25519")) => (Algorithm::EdDSA, ed25519(jwk)?),
            (Some("RSA"), _) => (named.unwrap_or(Algorithm::PS256), rsa(jwk)?),
            _ => return Err(JoseError::Key("its type or curve is not supported")),
        };
        if named.is_some_and(|named| named != algorithm) {
            return Err(JoseError::Key("its alg does not fit its type"));
        }
        let key = Self::from_pkcs8(algorithm, &pkcs8)?;
        Ok(match text("kid") {
            Some(kid) => key.named(kid),
            None => key,
        })
    }

    /// Takes a key in PKCS #8, DER, of whichever type it is; an RSA key signs with PS256.
    pub fn from_any_pkcs8(der: &[u8]) -> Result<Self, JoseError> {
        [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256]
            .into_iter()
            .find_map(|algorithm| Self::from_pkcs8(algorithm, der).ok())
            .ok_or(JoseError::Key("it is not a PKCS #8 key of P-256, Ed25519 or RSA"))
    }

    /// The same key under another name in headers and key sets.
    #[must_use]
    pub fn named(mut self, kid: &str) -> Self {
        kid.clone_into(&mut self.kid);
        self.public.kid = Some(kid.to_owned());
        self
    }
}

fn member(jwk: &Value, name: &str) -> Result<Bytes, JoseError> {
    let text = jwk.get(name).and_then(Value::as_str);
    let bytes = text.and_then(from_base64url).map(Zeroizing::new);
    bytes.ok_or(JoseError::Key("a member of the private JWK is missing or no base64url"))
}

fn inconsistent<E>(_: E) -> JoseError {
    JoseError::Key("the members of the private JWK do not belong together")
}

fn p256(jwk: &Value) -> Result<Bytes, JoseError> {
    let point = [&[4][..], &member(jwk, "x")?, &member(jwk, "y")?].concat();
    let d = member(jwk, "d")?;
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &d, &point);
    let der = pair.map_err(inconsistent)?.to_pkcs8v1().map_err(inconsistent)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

fn ed25519(jwk: &Value) -> Result<Bytes, JoseError> {
    let (seed, public) = (member(jwk, "d")?, member(jwk, "x")?);
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map_err(inconsistent)?;
    Ok(Zeroizing::new(pair.to_pkcs8().map_err(inconsistent)?.as_ref().to_vec()))
}

fn rsa(jwk: &Value) -> Result<Bytes, JoseError> {
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: member(jwk, "n")?, e: member(jwk, "e")? },
        d: member(jwk, "d")?,
        p: member(jwk, "p")?,
        q: member(jwk, "q")?,
        dP: member(jwk, "dp")?,
        dQ: member(jwk, "dq")?,
        qInv: member(jwk, "qi")?,
    };
    let pair = RsaKeyPair::from_components(&components).map_err(inconsistent)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(inconsistent)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::{SignedToken, VerifyingKey};

    /// RFC 7517 appendix A.2.
    fn p256_key() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        })
    }

    /// RFC 8037 appendix A.1.
    fn ed25519_key() -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        })
    }

    /// Made for this test.
    fn rsa_key() -> Value {
        json!({
            "kty": "RSA", "e": "AQAB",
            "n": "kzB7pZLFSQoLQj934vjwh3SRugiVcE4evAlyhFFAie8ZcN4KuLLOdpz938YQELUI4896KhahBUHOYbRbZJRkiURHbjsVeO1CsPZBpa4E7Y4jFuVo4iwhGVRmjF2Rst9VDOJCAojUouU6OLxpHvDrI2Rg52CB3BE-XZZAYIW9IFjaS2XVS3lz64BtWGjUivRPK3heoS0gSqtTWJYj8fcJcX4XYE_G2hd7f08K81rNKJp-O-iFcczhY1Frsot5DculDOWicBDmkF4IuyNsMOp70LSl-urt1Ows_8cLf2PGi8O4leOmXKCJj9xcb74KIqPIh4zMm_n5AvHKZO8XDAfM7w",
            "d": "R5g_rKwVto9iJplEsWyxYtH6yGjAd94n6QMXZvE22WEqGNKImIqxDtUSUDTBP78vUdBr9ekH7cyynKfkBKqBtJs3u5CVwzp1RCqkh_h7gSmwO8TfHZSljPKW5xPkeQNVFW1A-oagF5Q0m8BZyakaVx7OW_1_bRIeKduZ-NlUw1R39BDSDfnmlFQghOcm30lWHwGTV-Cc-KnQWUupSJfxVkUdnijxNNQo8yqqp2wmMINYdxCrVrG3H-mH0ny8q8LNaFPnYTjdmhWw01xYpmftanSMCkOynxM02IOpzg8IE36ONFT_P1NWXotMQWT9MX43BGaIbkpqVVMb6ehav_kwMQ",
            "p": "ySWIWjv4dzpIoAG4Fd_amFMa6ROFtgIFVTnNIFhaFBcBB8aRH239b2gMOYH7G4cFRRhr35YQtdkImoIvx2hBf5rtnvIcS3lmvQADYzlI1VWZCPanDwSsMwLLg6KxK8sV1V7KWUurNqOIv3UK7shYbz-5ramGzkY4DOzFm6aEMMU",
            "q": "u1QVSuLzSliy55cpsAyTC6lrp45s3XsTClFgxaI-hNfDM4Tw4e9oTKFby3eltTk8nx_IoV3GPe7rOwAKn6NT0VsF2D8CcakAGyteIK8HsFLHRZa-5G2_bExaYsNMU1L51_L9U2RLm3kCdyZHouv1WlHRghIE-1vRCPcPR-bOuiM",
            "dp": "wAQGUC1jmV2YKra5ZphVcogS7mDmicMQGDWfbbsp8nerUiLqMpirEIjA8rz0W2jfTQBtKfl1ZkMTBXw15CPQMuJQ6CSzghEYVGAI29W5g329I2NiQuHxCJkocjcC7o1mAFQG0ot7nCMszagLkbrLQRgSRofI2m0J4Ly-P0IMewk",
            "dq": "ndPJ3L45nHn-wYBqbxkpCrpDKXil4DTBZgAKOHjpk6L1o4JuMO00QtvwKw0zX-xJVwfAUbRgQe354ku2p6lEBS9bTUZJGNn6bOms9HyDTdtwaQEI9AxDK0tpG6zPsaRHO9pN9OSbjvH1Uc2-rVV_8gjdK2ljKSPCinsdNMcRhWE",
            "qi": "Lwfp8nvQ8A8KJH7eBRgIqcMppeKWXhAAOM3YXWivX2BjBtBtxZZN4Hmo1sx7c9dOsZxXm4TD7SU23wkaMuUK1X21OqmpB3-qtY6YR2JnyQIuZJzxehCyN7LQRR2I6dw2c3xBU4Fzdz61yTGQJ0wJH2E96M_jL_2eJJ6PXxuyKX4",
        })
    }

    fn signs(key: &SigningKey) -> bool {
        let token = key.sign("JWT", &json!({"a": 1})).expect("signed");
        let public = VerifyingKey::from_jwk(key.public()).expect("a key");
        let token = SignedToken::parse(&token).expect("a token");
        token.header.kid.as_deref() == Some(key.kid())
            && token.verify_with::<Value>(&public).is_ok()
    }

    #[test]
    fn private_jwks_of_the_standards_sign_under_their_own_names() {
        for (jwk, algorithm) in [
            (p256_key(), Algorithm::ES256),
            (ed25519_key(), Algorithm::EdDSA),
            (rsa_key(), Algorithm::PS256),
        ] {
            let key = SigningKey::from_private_jwk(&jwk).expect("a key");
            assert_eq!(key.algorithm(), algorithm);
            assert!(signs(&key), "{algorithm}");
            assert_eq!(key.public().x.as_deref(), jwk["x"].as_str());
            let public = serde_json::to_string(key.public()).expect("json");
            assert!(!public.contains(jwk["d"].as_str().expect("d")));
        }
        assert_eq!(SigningKey::from_private_jwk(&p256_key()).expect("a key").kid(), "1");
        let mut named = rsa_key();
        named["alg"] = json!("RS256");
        assert_eq!(
            SigningKey::from_private_jwk(&named).expect("a key").algorithm(),
            Algorithm::RS256
        );
    }

    #[test]
    fn what_is_no_private_jwk_is_refused() {
        let change = |mut jwk: Value, name: &str, value: Value| {
            jwk[name] = value;
            jwk
        };
        for jwk in [
            json!(7),
            json!({}),
            json!({"kty": "oct", "k": "AAAA"}),
            change(p256_key(), "d", Value::Null),
            change(p256_key(), "d", json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAA")),
            change(p256_key(), "crv", json!("P-384")),
            change(p256_key(), "alg", json!("PS256")),
            change(p256_key(), "alg", json!("HS256")),
            change(p256_key(), "x", ed25519_key()["x"].clone()),
            change(ed25519_key(), "x", p256_key()["x"].clone()),
            change(ed25519_key(), "d", json!("AAAA")),
            change(rsa_key(), "dp", Value::Null),
            change(rsa_key(), "e", json!("AQAC")),
            change(rsa_key(), "alg", json!("ES256")),
        ] {
            assert!(matches!(SigningKey::from_private_jwk(&jwk), Err(JoseError::Key(_))), "{jwk}");
        }
    }

    #[test]
    fn the_type_of_a_pkcs8_key_is_found() {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
            let made = SigningKey::generate(algorithm).expect("made");
            let key = SigningKey::from_any_pkcs8(&made.pkcs8).expect("read");
            assert_eq!((key.algorithm(), key.kid()), (algorithm, made.key.kid()));
        }
        assert!(SigningKey::from_any_pkcs8(b"no key").is_err());
    }
}

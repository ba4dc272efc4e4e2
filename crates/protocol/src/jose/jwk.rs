use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use serde::{Deserialize, Deserializer, Serialize};

use super::JoseError;
use crate::encoding::{base64url, sha256};

/// A public JSON Web Key (RFC 7517 section 4). Members that we do not know are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Jwk {
    /// Key type: `EC`, `OKP` or `RSA`.
    pub kty: String,
    /// The key's name within its set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// `sig` for keys that sign.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub public_key_use: Option<String>,
    /// What the key is used for, in single operations (RFC 7517 section 4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
    /// The one algorithm that the key is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// Curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// Coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Modulus, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Exponent, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

/// Members of private and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl Jwk {
    /// Takes a key that came from outside, if it is a public one: whoever sends a private or a
    /// symmetric key has given it away.
    pub fn public_alone(json: &serde_json::Value) -> Result<Self, JoseError> {
        if Self::is_private(json) {
            return Err(JoseError::Key("it has members of a private key; send the public half"));
        }
        serde_json::from_value(json.clone()).map_err(|_| JoseError::Key("it is not a JWK"))
    }

    /// Whether it has members of a private or a symmetric key.
    pub fn is_private(json: &serde_json::Value) -> bool {
        PRIVATE.iter().any(|member| json.get(member).is_some())
    }

    /// The key's thumbprint (RFC 7638): a name that follows from the key.
    pub fn thumbprint(&self) -> String {
        base64url(self.thumbprint_digest())
    }

    pub(super) fn thumbprint_digest(&self) -> [u8; 32] {
        let part = |value: &Option<String>| value.clone().unwrap_or_default();
        // The members that the key type requires, in the order of their names, without spaces.
        let canonical = match self.kty.as_str() {
            "RSA" => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, part(&self.e), part(&self.n)),
            "EC" => format!(
                r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                part(&self.crv),
                part(&self.x),
                part(&self.y)
            ),
            _ => format!(
                r#"{{"crv":"{}","kty":"{}","x":"{}"}}"#,
                part(&self.crv),
                self.kty,
                part(&self.x)
            ),
        };
        sha256(canonical)
    }
}

/// The public half of a P-256 key, from its uncompressed point.
pub(super) fn p256_jwk(point: &[u8]) -> Result<Jwk, JoseError> {
    let [4, coordinates @ ..] = point else {
        return Err(JoseError::Key("it is not an uncompressed point"));
    };
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    Ok(Jwk {
        kty: "EC".into(),
        crv: Some("P-256".into()),
        x: Some(base64url(x)),
        y: Some(base64url(y)),
        ..Jwk::default()
    })
}

/// The public half of an RSA key.
pub(super) fn rsa_jwk(pair: &RsaKeyPair) -> Jwk {
    let public = pair.public_key();
    let n = base64url(public.modulus().big_endian_without_leading_zero());
    let e = base64url(public.exponent().big_endian_without_leading_zero());
    Jwk { kty: "RSA".into(), n: Some(n), e: Some(e), ..Jwk::default() }
}

/// A set of keys (RFC 7517 section 5). Members that are no keys as we know them are left out when
/// it is read, as that section asks: another server's odd key spoils none of its others.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys.
    #[serde(deserialize_with = "readable")]
    pub keys: Vec<Jwk>,
}

fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Jwk>, D::Error> {
    let all: Vec<serde_json::Value> = Vec::deserialize(deserializer)?;
    Ok(all.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_read_spoils_no_other_rfc_7517_5() {
        let text = r#"{"keys":[{"kid":"no type"},{"kty":"OKP","kid":"good"},{"kty":7},"x"]}"#;
        let set: JwkSet = serde_json::from_str(text).expect("a set");
        let names: Vec<_> = set.keys.iter().map(|key| key.kid.as_deref()).collect();
        assert_eq!(names, [Some("good")]);
        assert!(serde_json::from_str::<JwkSet>("{}").is_err());
    }

    #[test]
    fn thumbprint_of_rfc_8037_appendix_a_3() {
        let jwk = Jwk {
            kty: "OKP".into(),
            crv: Some("Ed25519".into()),
            x: Some("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into()),
            ..Jwk::default()
        };
        assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}

//! DPoP proofs (RFC 9449): a signed note beside a request that says "the holder of this key makes
//! this request now". The authorization server and the resource crate believe them by these rules.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::encoding::{base64url, equal_in_constant_time, sha256};
use crate::jose::{Algorithm, JoseError, SignedToken, Thumbprint};
use crate::time::{Timestamp, numeric_date};

/// The `typ` of a proof (section 4.2).
pub const TYPE: &str = "dpop+jwt";
/// What proofs may be signed with: RSA with the old padding is left out (FAPI 2.0 section 5.4).
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];
/// How old a proof may be.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How far ahead its sender's clock may be.
pub const AHEAD: Duration = Duration::from_secs(10);
/// Longest `jti`, in bytes.
const JTI_AT_MOST: usize = 256;

/// The claims of a proof (section 4.2). What must be there and is not is a fact for the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DpopClaims {
    /// The proof's own name, used once.
    #[serde(default)]
    pub jti: Option<String>,
    /// The request's method.
    #[serde(default)]
    pub htm: Option<String>,
    /// The request's URL without query and fragment.
    #[serde(default)]
    pub htu: Option<String>,
    /// Seconds since 1970, when it was made.
    #[serde(default, deserialize_with = "numeric_date")]
    pub iat: Option<i64>,
    /// SHA-256 of the access token beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ath: Option<String>,
    /// What the recipient asked for with its last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// What a proof has to be about.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The URL that was called, in each of the forms in which its owner publishes it.
    pub urls: &'a [String],
    /// The access token beside the proof; none at the token endpoint.
    pub access_token: Option<&'a str>,
}

/// A proof that was believed. Whether it was used before is for its recipient to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Whose key.
    pub key: Thumbprint,
    /// The proof's own name.
    pub jti: String,
    /// From when on it is refused for its age.
    pub expires_at: Timestamp,
    /// What its recipient gave out before, where it did.
    pub nonce: Option<String>,
}

/// Why a proof is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// Not a JWT with a public key in its header, or a wrong signature.
    #[error("the DPoP proof is refused: {0} (RFC 9449 section 4.3)")]
    Jose(#[from] JoseError),
    /// More than one header.
    #[error("more than one DPoP header came (RFC 9449 section 4.3)")]
    Several,
    /// A header that is no text.
    #[error("the DPoP header is not a JWT (RFC 9449 section 4.1)")]
    NotText,
    /// Another kind of JWT.
    #[error("the DPoP proof's typ is not 'dpop+jwt' (RFC 9449 section 4.2)")]
    Type,
    /// A claim that is missing or empty.
    #[error("the DPoP proof has no '{0}' (RFC 9449 section 4.2)")]
    Missing(&'static str),
    /// For another method.
    #[error("the DPoP proof's htm is not '{expected}', the method of this request")]
    Method {
        /// What was used.
        expected: String,
    },
    /// For another URL.
    #[error("the DPoP proof's htu is not '{expected}' (RFC 9449 section 4.3)")]
    Url {
        /// What was called.
        expected: String,
    },
    /// Too old, or from the future.
    #[error(
        "the DPoP proof's iat is {0} s from now; make a new proof for each request, and look at \
         the clock (RFC 9449 section 11.1)"
    )]
    Time(i64),
    /// For another access token.
    #[error("the DPoP proof's ath is not the hash of the access token (RFC 9449 section 4.3)")]
    Token,
    /// A `jti` that is too long.
    #[error("the DPoP proof's jti has more than {JTI_AT_MOST} bytes")]
    Jti,
}

/// Believes the proof of a request's `DPoP` headers, if there is one; two are refused (section
/// 4.3).
pub fn verify_headers(
    headers: &[&[u8]],
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Option<Proved>, DpopError> {
    match headers {
        [] => Ok(None),
        [header] => {
            let proof = std::str::from_utf8(header).map_err(|_| DpopError::NotText)?;
            verify(proof, expected, now).map(Some)
        }
        _ => Err(DpopError::Several),
    }
}

/// Believes a proof, or says why not, in the order of section 4.3.
pub fn verify(proof: &str, expected: &Expected<'_>, now: Timestamp) -> Result<Proved, DpopError> {
    let token = SignedToken::parse(proof)?;
    let typ = token.header.typ.as_deref().unwrap_or_default();
    if !typ.strip_prefix("application/").unwrap_or(typ).eq_ignore_ascii_case(TYPE) {
        return Err(DpopError::Type);
    }
    let (claims, key) = token.verify_embedded::<DpopClaims>(&ALGORITHMS)?;
    let jti = present(claims.jti, "jti")?;
    if jti.len() > JTI_AT_MOST {
        return Err(DpopError::Jti);
    }
    if present(claims.htm, "htm")? != expected.method {
        return Err(DpopError::Method { expected: expected.method.to_owned() });
    }
    let htu = present(claims.htu, "htu")?;
    if !expected.urls.iter().any(|url| same_endpoint(&htu, url)) {
        return Err(DpopError::Url { expected: expected.urls.join("' or '") });
    }
    let made_at = claims.iat.ok_or(DpopError::Missing("iat"))?;
    let made_at = in_time(made_at, now)?;
    if let Some(access_token) = expected.access_token {
        let ath = present(claims.ath, "ath")?;
        if !equal_in_constant_time(ath.as_bytes(), token_hash(access_token).as_bytes()) {
            return Err(DpopError::Token);
        }
    }
    Ok(Proved { key, jti, expires_at: made_at.plus(WINDOW), nonce: claims.nonce })
}

/// `ath`: the hash of the access token that a proof goes with.
pub fn token_hash(access_token: &str) -> String {
    base64url(sha256(access_token))
}

fn present(claim: Option<String>, name: &'static str) -> Result<String, DpopError> {
    claim.filter(|text| !text.is_empty()).ok_or(DpopError::Missing(name))
}

fn in_time(seconds: i64, now: Timestamp) -> Result<Timestamp, DpopError> {
    let made_at = Timestamp::from_seconds(seconds);
    if made_at > now.plus(AHEAD) || made_at.plus(WINDOW) <= now {
        return Err(DpopError::Time(seconds.saturating_sub(now.seconds())));
    }
    Ok(made_at)
}

/// Whether two URLs are the same but for query and fragment, the case of scheme and host, and a
/// port that is the scheme's own (section 4.3, RFC 3986 section 6.2).
fn same_endpoint(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        let mut url = url::Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    one.len() <= 2048 && plain(one).is_some_and(|one| plain(other).is_some_and(|o| o == one))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::{Jwk, SigningKey};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const URL: &str = "https://login.example/userinfo";
    const ALIAS: &str = "https://mtls.login.example/userinfo";

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm).expect("generated").key
    }

    fn claims() -> Value {
        json!({
            "jti": "once", "htm": "POST", "htu": URL, "iat": NOW.seconds(),
            "ath": token_hash("token"), "unknown": true,
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().expect("an object").remove(name);
        claims
    }

    fn believed(proof: &str) -> Result<Proved, DpopError> {
        let urls = [URL.to_owned(), ALIAS.to_owned()];
        let expected = Expected { method: "POST", urls: &urls, access_token: Some("token") };
        verify(proof, &expected, NOW)
    }

    fn of(claims: &Value) -> Result<Proved, DpopError> {
        let key = key(Algorithm::ES256);
        believed(&key.sign_with_jwk(TYPE, claims).expect("signed"))
    }

    #[test]
    fn a_proof_names_its_key_and_its_end_rfc_9449_4_2() {
        for algorithm in ALGORITHMS {
            let key = key(algorithm);
            let proof = key.sign_with_jwk(TYPE, &claims()).expect("signed");
            let proved = believed(&proof).expect("good");
            assert_eq!(proved.key, Thumbprint::of(key.public()), "{algorithm}");
            assert_eq!(proved.expires_at, NOW.plus(WINDOW));
            assert_eq!(proved.jti, "once");
        }
    }

    #[test]
    fn each_claim_is_needed_and_checked_rfc_9449_4_3() {
        for name in ["jti", "htm", "htu", "iat", "ath"] {
            assert_eq!(of(&without(name)), Err(DpopError::Missing(name)));
        }
        let bad = [
            with("jti", json!("x".repeat(257))),
            with("jti", json!("")),
            with("jti", json!(7)),
            with("htm", json!("GET")),
            with("htm", json!("post")),
            with("htu", json!("https://login.example/token")),
            with("htu", json!("https://other.example/userinfo")),
            with("htu", json!("http://login.example/userinfo")),
            with("htu", json!("https://login.example:8443/userinfo")),
            with("htu", json!("/userinfo")),
            with("iat", json!("now")),
            with("iat", json!(1e300)),
            with("ath", json!(token_hash("another"))),
        ];
        for claims in bad {
            assert!(of(&claims).is_err(), "{claims}");
        }
    }

    #[test]
    fn htu_is_compared_without_query_fragment_case_of_host_and_default_port_rfc_9449_4_3() {
        for htu in [
            "https://login.example/userinfo?a=b#c",
            "HTTPS://LOGIN.example/userinfo",
            "https://login.example:443/userinfo",
            ALIAS,
        ] {
            assert!(of(&with("htu", json!(htu))).is_ok(), "{htu}");
        }
    }

    #[test]
    fn iat_is_taken_ten_seconds_off_and_refused_an_hour_off_rfc_9449_11_1() {
        for (off, good) in
            [(-10, true), (10, true), (-59, true), (-60, false), (11, false), (3600, false)]
        {
            assert_eq!(of(&with("iat", json!(NOW.seconds() + off))).is_ok(), good, "{off}");
        }
        assert!(of(&with("iat", json!(1_800_000_000.5))).is_ok(), "a fraction is allowed");
    }

    #[test]
    fn typ_alg_and_key_are_checked_rfc_9449_4_3() {
        let sign = |key: &SigningKey, typ| key.sign_with_jwk(typ, &claims()).expect("signed");
        assert_eq!(believed(&sign(&key(Algorithm::ES256), "JWT")), Err(DpopError::Type));
        let rsa = believed(&sign(&key(Algorithm::RS256), TYPE));
        assert_eq!(rsa, Err(DpopError::Jose(JoseError::Algorithm("RS256".into()))));
        let no_jwk = key(Algorithm::ES256).sign(TYPE, &claims()).expect("signed");
        assert!(matches!(believed(&no_jwk), Err(DpopError::Jose(JoseError::Key(_)))));
        for garbage in ["", "a.b.c", "e30.e30.", &"a".repeat(20_000)] {
            assert!(matches!(believed(garbage), Err(DpopError::Jose(_))));
        }
    }

    #[test]
    fn a_key_that_is_private_symmetric_or_anothers_is_refused_rfc_9449_4_3() {
        let key = key(Algorithm::ES256);
        let signed = |change: &dyn Fn(&mut Value)| {
            let good = key.sign_with_jwk(TYPE, &claims()).expect("signed");
            let (header, rest) = good.split_once('.').expect("three parts");
            let header = crate::encoding::from_base64url(header).expect("base64url");
            let mut header: Value = serde_json::from_slice(&header).expect("json");
            change(&mut header);
            format!("{}.{rest}", base64url(header.to_string()))
        };
        let private = believed(&signed(&|header| header["jwk"]["d"] = json!("secret")));
        assert!(matches!(private, Err(DpopError::Jose(JoseError::Key(_)))), "{private:?}");
        let symmetric = believed(&signed(&|header| header["jwk"] = json!({"kty": "oct"})));
        assert!(matches!(symmetric, Err(DpopError::Jose(JoseError::Key(_)))));
        let other = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let other: &Jwk = other.public();
        let swapped = believed(&signed(&|header| header["jwk"] = json!(other)));
        assert_eq!(swapped, Err(DpopError::Jose(JoseError::Signature)));
        assert!(believed(&signed(&|header| header["alg"] = json!("none"))).is_err());
        assert!(believed(&signed(&|header| header["crit"] = json!(["b64"]))).is_err());
    }
}

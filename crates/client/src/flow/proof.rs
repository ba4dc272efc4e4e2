use std::fmt;
use std::sync::Arc;

use keystile_protocol::encoding::{base64url, from_base64url};
use keystile_protocol::jose::{Algorithm, JoseError, SigningKey, Thumbprint};
use keystile_protocol::{Secret, Timestamp, dpop};

/// A session's own key for DPoP (RFC 9449): tokens that are bound to it are of no use to whoever
/// steals them. One per session, so that nobody can tell by it that two users have the same app.
#[derive(Clone)]
pub struct ProofKey {
    key: Arc<SigningKey>,
    kept: Secret,
}

/// A request that a proof goes with.
#[derive(Clone, Copy, Debug)]
pub struct Proven<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its URL; query and fragment are left out (section 4.2).
    pub url: &'a str,
    /// The access token beside it; none at the token endpoint.
    pub access_token: Option<&'a str>,
    /// What that server gave out last (section 8).
    pub nonce: Option<&'a str>,
}

impl ProofKey {
    /// Makes a new one, for ES256.
    pub fn generate() -> Result<Self, JoseError> {
        let made = SigningKey::generate(Algorithm::ES256)?;
        Ok(Self { kept: Secret::new(base64url(&made.pkcs8)), key: Arc::new(made.key) })
    }

    /// Takes one that was kept as [`Self::as_secret`] gave it.
    pub fn from_secret(kept: &Secret) -> Result<Self, JoseError> {
        let der = from_base64url(kept.expose()).ok_or(JoseError::Key("it is no base64url"))?;
        let key = SigningKey::from_pkcs8(Algorithm::ES256, &der)?;
        Ok(Self { key: Arc::new(key), kept: kept.clone() })
    }

    /// The private key, to be kept encrypted.
    pub fn as_secret(&self) -> &Secret {
        &self.kept
    }

    /// `dpop_jkt` of an authorization request: the code is bound to the key too (section 10).
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(self.key.public())
    }

    /// The `DPoP` header of one request. `random` becomes the proof's name.
    pub fn proof(
        &self,
        about: &Proven<'_>,
        now: Timestamp,
        random: [u8; 16],
    ) -> Result<String, JoseError> {
        let claims = dpop::DpopClaims {
            jti: Some(base64url(random)),
            htm: Some(about.method.to_owned()),
            htu: about.url.split(['?', '#']).next().map(str::to_owned),
            iat: Some(now.seconds()),
            ath: about.access_token.map(dpop::token_hash),
            nonce: about.nonce.map(str::to_owned),
        };
        self.key.sign_with_jwk(dpop::TYPE, &claims)
    }
}

impl PartialEq for ProofKey {
    fn eq(&self, other: &Self) -> bool {
        self.kept == other.kept
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofKey({})", self.thumbprint())
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::dpop::{Expected, verify};

    use super::*;
    use crate::flow::test_values::NOW;

    #[test]
    fn a_proof_is_one_that_our_servers_believe_rfc_9449_4() {
        let key = ProofKey::generate().expect("a key");
        let url = "https://api.example/photos?page=2#top";
        for (access_token, nonce) in [(None, None), (Some("token"), Some("n")), (Some("t"), None)] {
            let about = Proven { method: "GET", url, access_token, nonce };
            let proof = key.proof(&about, NOW, [1; 16]).expect("signed");
            let urls = ["https://api.example/photos".to_owned()];
            let expected = Expected { method: "GET", urls: &urls, access_token };
            let proved = verify(&proof, &expected, NOW).expect("good");
            assert_eq!((proved.key, proved.nonce.as_deref()), (key.thumbprint(), nonce));
        }
    }

    #[test]
    fn a_kept_key_is_the_same_and_shows_itself_nowhere() {
        let key = ProofKey::generate().expect("a key");
        let again = ProofKey::from_secret(key.as_secret()).expect("read");
        assert_eq!((&again, again.thumbprint()), (&key, key.thumbprint()));
        assert!(!format!("{key:?}").contains(&key.as_secret().expose()[50..60]));
        assert!(ProofKey::from_secret(&Secret::new("AAAA")).is_err());
    }
}

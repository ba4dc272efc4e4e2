//! A client's own key: assertions and proofs, good ones and others.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use keystile_protocol::jose::{Algorithm, Jwk, SigningKey};
use keystile_protocol::{client_assertion, dpop};
use serde_json::{Value, json};

/// A key of a client under test.
pub(crate) struct ClientKey(pub(crate) SigningKey);

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A name that no other assertion or proof of this run has.
fn jti() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("jti {}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Public keys as `jwks` of the configuration file.
pub(crate) fn jwks(keys: &[&Jwk]) -> String {
    let member = |(name, value): (&String, &Value)| format!("{name} = {value}");
    let key = |key: &&Jwk| {
        let key = json!(key);
        let members: Vec<_> = key.as_object().unwrap().iter().map(member).collect();
        format!("{{ {} }}", members.join(", "))
    };
    format!("{{ keys = [{}] }}", keys.iter().map(key).collect::<Vec<_>>().join(", "))
}

impl ClientKey {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self(SigningKey::generate(algorithm).unwrap().key)
    }

    /// `jwks` for the configuration file.
    pub(crate) fn jwks(&self) -> String {
        jwks(&[self.0.public()])
    }

    /// A good assertion for this audience.
    pub(crate) fn assertion(&self, client_id: &str, audience: &str) -> String {
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": audience, "jti": jti(),
            "iat": now(), "exp": now() + 60,
        });
        self.0.sign("JWT", &claims).unwrap()
    }

    /// The parameters that an assertion comes in.
    pub(crate) fn authentication(&self, client_id: &str, audience: &str) -> Vec<(&str, String)> {
        vec![
            ("client_assertion_type", client_assertion::TYPE.to_owned()),
            ("client_assertion", self.assertion(client_id, audience)),
        ]
    }

    /// A good proof for a request, with the access token beside it if there is one.
    pub(crate) fn proof(&self, method: &str, url: &str, access_token: Option<&str>) -> String {
        self.proof_with(method, url, access_token, json!({}))
    }

    /// The same with the recipient's nonce.
    pub(crate) fn proof_with_nonce(
        &self,
        method: &str,
        url: &str,
        access_token: Option<&str>,
        nonce: &str,
    ) -> String {
        self.proof_with(method, url, access_token, json!({ "nonce": nonce }))
    }

    fn proof_with(
        &self,
        method: &str,
        url: &str,
        access_token: Option<&str>,
        mut claims: Value,
    ) -> String {
        let own = [("jti", json!(jti())), ("htm", json!(method)), ("htu", json!(url))];
        for (name, value) in own {
            claims[name] = value;
        }
        claims["iat"] = json!(now());
        if let Some(access_token) = access_token {
            claims["ath"] = json!(dpop::token_hash(access_token));
        }
        self.0.sign_with_jwk(dpop::TYPE, &claims).unwrap()
    }

    /// The thumbprint of its public half.
    pub(crate) fn thumbprint(&self) -> String {
        self.0.public().thumbprint()
    }
}

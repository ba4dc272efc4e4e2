//! What must not leave is told to whoever watches for that: the leak proof, in tests. Mostly
//! nobody does.

use std::sync::Arc;

use keystile_protocol::Secret;
use keystile_protocol::encoding::from_base64url;
use serde_json::Value;

use crate::call::members;
use crate::flow::{Credential, TokenRequest};
use crate::observe::{Shown, is_secret};
use crate::session::Tokens;

/// Watches for secrets that leave.
pub(crate) trait Taint: Send + Sync {
    /// A secret, and what it is called.
    fn secret(&self, name: &str, secret: &[u8]);

    /// A secret that the browser gets in a cookie, and nowhere else.
    fn cookie(&self, name: &str, secret: &str);

    /// What everybody may see.
    fn public(&self, text: &str);
}

/// What of a private key must not leave. It is kept where somebody could watch for it.
#[derive(Clone, Default)]
pub(crate) struct Private {
    #[cfg(feature = "leak-proof")]
    parts: Arc<Vec<Vec<u8>>>,
}

#[cfg(feature = "leak-proof")]
impl Private {
    /// That of a key in PKCS #8, DER.
    pub(crate) fn of(pkcs8: &[u8]) -> Self {
        let parts = crate::leak_proof::private_parts(pkcs8);
        Self { parts: Arc::new(parts.into_iter().map(<[u8]>::to_vec).collect()) }
    }

    /// That of a private JWK (RFC 7518 section 6).
    pub(crate) fn of_jwk(jwk: &Value) -> Self {
        let members =
            ["d", "p", "q", "dp", "dq", "qi"].iter().filter_map(|name| jwk[name].as_str());
        Self { parts: Arc::new(members.filter_map(from_base64url).collect()) }
    }

    fn parts(&self) -> &[Vec<u8>] {
        &self.parts
    }
}

#[cfg(not(feature = "leak-proof"))]
impl Private {
    pub(crate) fn of(_: &[u8]) -> Self {
        Self {}
    }

    pub(crate) fn of_jwk(_: &Value) -> Self {
        Self {}
    }

    fn parts(&self) -> &[Vec<u8>] {
        let Self {} = self;
        &[]
    }
}

/// Whoever watches.
#[derive(Clone, Default)]
pub(crate) struct Taints(pub(crate) Option<Arc<dyn Taint>>);

impl Taints {
    fn tell(&self, tell: impl FnOnce(&dyn Taint)) {
        if let Some(taint) = &self.0 {
            tell(taint.as_ref());
        }
    }

    pub(crate) fn secret(&self, name: &str, secret: &Secret) {
        self.tell(|taint| taint.secret(name, secret.expose().as_bytes()));
    }

    /// The key under which sessions and logins are sealed.
    pub(crate) fn sealing_key(&self, key: &[u8; 32]) {
        self.tell(|taint| taint.secret("the key of sessions", key));
    }

    pub(crate) fn credential(&self, credential: &Credential) {
        if let Credential::Basic(secret) | Credential::Post(secret) = credential {
            self.secret("client_secret", secret);
        }
    }

    /// A key as [`crate::flow::ProofKey::as_secret`] gives it.
    pub(crate) fn proof_key(&self, kept: Option<&Secret>) {
        let pkcs8 = || from_base64url(kept?.expose());
        self.tell(|_| self.private("a DPoP key", &Private::of(&pkcs8().unwrap_or_default())));
    }

    pub(crate) fn private(&self, name: &str, private: &Private) {
        self.tell(|taint| private.parts().iter().for_each(|part| taint.secret(name, part)));
    }

    pub(crate) fn tokens(&self, tokens: &Tokens, proof_key: Option<&Secret>) {
        self.secret("access_token", &tokens.access);
        if let Some(refresh) = &tokens.refresh {
            self.secret("refresh_token", refresh);
        }
        self.proof_key(proof_key);
    }

    /// The handle of a session that begins.
    pub(crate) fn handle(&self, handle: &str) {
        self.tell(|taint| taint.cookie("the handle of a session", handle));
    }

    /// What is sent to the authorization server, a code among it.
    pub(crate) fn request(&self, request: &TokenRequest) {
        for (name, value) in request.parameters.iter().filter(|(name, _)| is_secret(name)) {
            self.secret(name, value);
        }
    }

    /// What it answers, JSON.
    pub(crate) fn answer(&self, body: &[u8]) {
        self.tell(|taint| {
            for (name, value) in members(body) {
                if let Shown::Secret(secret) = value {
                    taint.secret(&name, secret.expose().as_bytes());
                }
            }
        });
    }

    pub(crate) fn public(&self, text: &str) {
        self.tell(|taint| taint.public(text));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;
    use crate::flow::{ClientKey, ProofKey};

    #[derive(Default)]
    struct Told(Mutex<Vec<(String, Vec<u8>)>>);

    impl Taint for Told {
        fn secret(&self, name: &str, secret: &[u8]) {
            self.0.lock().expect("not poisoned").push((name.to_owned(), secret.to_vec()));
        }

        fn cookie(&self, name: &str, secret: &str) {
            self.secret(&format!("{name} in a cookie"), secret.as_bytes());
        }

        fn public(&self, text: &str) {
            self.secret("public", text.as_bytes());
        }
    }

    fn told(tell: impl FnOnce(&Taints)) -> Vec<(String, String)> {
        let told = Arc::new(Told::default());
        tell(&Taints(Some(Arc::clone(&told) as _)));
        let told = told.0.lock().expect("not poisoned");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        told.iter().map(|(name, secret)| (name.clone(), text(secret))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).to_owned())).collect()
    }

    #[test]
    fn of_a_request_and_its_answer_the_secrets_are_told_and_nothing_else() {
        let secret = [("code", "c"), ("code_verifier", "v"), ("client_secret", "s")];
        let open = [("grant_type", "authorization_code"), ("client_id", "a")];
        let parameters = secret.iter().chain(&open);
        let parameters =
            parameters.map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect();
        let request = TokenRequest { authorization: None, parameters };
        assert_eq!(told(|taints| taints.request(&request)), pairs(&secret));
        let answer = json!({
            "access_token": "a", "refresh_token": "r", "id_token": "i", "expires_in": 300,
            "scope": "openid", "token_type": "Bearer",
        });
        let expected = [("access_token", "a"), ("id_token", "i"), ("refresh_token", "r")];
        let answer = answer.to_string();
        assert_eq!(told(|taints| taints.answer(answer.as_bytes())), pairs(&expected));
        assert_eq!(told(|taints| taints.answer(b"<html>")), []);
    }

    #[test]
    fn a_credential_is_told_where_it_is_a_text() {
        let expected = pairs(&[("client_secret", "the secret")]);
        for credential in
            [Credential::Basic("the secret".into()), Credential::Post("the secret".into())]
        {
            assert_eq!(told(|taints| taints.credential(&credential)), expected);
        }
        assert_eq!(told(|taints| taints.credential(&Credential::Public)), []);
    }

    #[test]
    fn of_a_key_the_private_half_is_told() {
        let key = ProofKey::generate().expect("made");
        let kept = Some(key.as_secret());
        let names = |told: Vec<(String, String)>| told.into_iter().map(|(name, _)| name);
        assert_eq!(
            names(told(|taints| taints.proof_key(kept))).collect::<Vec<_>>(),
            ["a DPoP key"]
        );
        assert_eq!(told(|taints| taints.proof_key(None)), []);
        let jwk = json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        });
        let key = ClientKey::from_jwk(&jwk).expect("RFC 8037 appendix A.1");
        assert_eq!(names(told(|taints| taints.private("its key", key.private()))).count(), 1);
    }
}

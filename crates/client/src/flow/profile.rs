use keystile_protocol::jose::Algorithm;
use keystile_protocol::messages::Metadata;

use super::{Credential, allowed_algorithms, response_algorithms};

/// A set of rules for where more is at stake, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// FAPI 2.0 Security Profile: requests are pushed, the app proves itself with a key or a
    /// certificate, tokens are bound to a key (DPoP) or the certificate, `iss` is there.
    Fapi2,
    /// FAPI 2.0 Message Signing beside that: authorization requests and responses are signed.
    Fapi2MessageSigning,
}

impl Profile {
    /// All that it allows to sign with (FAPI 2.0 Security Profile section 5.4.1).
    pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];
}

/// What a login makes use of, beside what every login does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Who asks for what follows, if a profile does.
    pub profile: Option<Profile>,
    /// Requests are sent ahead, past the browser (RFC 9126).
    pub pushed: bool,
    /// Requests are signed (RFC 9101).
    pub signed_requests: bool,
    /// Requests are fetched by the server from the app (RFC 9101 section 5.2).
    pub by_reference: bool,
    /// Responses are signed (JARM).
    pub signed_responses: bool,
    /// Responses are posted by the browser, and stand in no address (OAuth 2.0 Form Post Response
    /// Mode).
    pub form_post: bool,
    /// Tokens are bound to a key of the session (RFC 9449).
    pub dpop: bool,
    /// Tokens are bound to the app's certificate (RFC 8705 section 3).
    pub certificate_bound: bool,
}

/// Why these cannot go together, in words that say what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

fn unfit(words: impl Into<String>) -> Result<(), Unfit> {
    Err(Unfit(words.into()))
}

impl Features {
    /// Turns on what the profile needs. Tokens are bound to the certificate where that was asked
    /// for, to a key otherwise.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self.pushed = true;
        self.dpop = self.dpop || !self.certificate_bound;
        if profile == Profile::Fapi2MessageSigning {
            self.signed_requests = true;
            self.signed_responses = true;
        }
        self
    }

    /// What may be signed for and by the app.
    pub const fn algorithms(&self) -> &'static [Algorithm] {
        match self.profile {
            None => &Algorithm::ALL,
            Some(_) => &Profile::ALGORITHMS,
        }
    }

    /// `response_mode` of a request; nothing where the default will do.
    pub const fn response_mode(&self) -> Option<&'static str> {
        match (self.signed_responses, self.form_post) {
            (false, false) => None,
            (false, true) => Some("form_post"),
            (true, false) => Some("jwt"),
            (true, true) => Some("form_post.jwt"),
        }
    }

    /// Whether the app's own settings fit together. `signing` is the algorithm of its own key,
    /// `id_token` those that it names for ID tokens, if any.
    pub fn check(
        &self,
        credential: &Credential,
        signing: Option<Algorithm>,
        id_token: &[Algorithm],
    ) -> Result<(), Unfit> {
        if self.signed_requests && signing.is_none() {
            return unfit("requests cannot be signed without a key: call .signing_key(..)");
        }
        if self.by_reference && self.pushed {
            return unfit("requests are pushed or fetched: choose one");
        }
        if self.profile.is_none() {
            return Ok(());
        }
        if !matches!(credential, Credential::PrivateKeyJwt(_) | Credential::Certificate { .. }) {
            return unfit(format!(
                "a FAPI 2.0 client does not prove itself by {}: call .private_key_jwt(..) or \
                 .tls_client_auth() (FAPI 2.0 Security Profile section 5.3.3.1)",
                credential.method()
            ));
        }
        match signing.into_iter().chain(id_token.iter().copied()).find(|it| !self.allows(*it)) {
            Some(algorithm) => unfit(format!(
                "FAPI 2.0 allows ES256, EdDSA and PS256, and not {algorithm} (FAPI 2.0 Security \
                 Profile section 5.4.1)"
            )),
            None => Ok(()),
        }
    }

    fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms().contains(&algorithm)
    }

    /// Whether the server does what is made use of, by what it says of itself. Metadata that are
    /// silent are taken for a yes, unless a profile asks.
    pub fn check_metadata(
        &self,
        credential: &Credential,
        signing: Option<Algorithm>,
        id_token: &[Algorithm],
        metadata: &Metadata,
    ) -> Result<(), Unfit> {
        let signing = signing.map(Algorithm::as_str);
        if self.pushed && metadata.pushed_authorization_request_endpoint.is_none() {
            return unfit("it takes no pushed requests (pushed_authorization_request_endpoint)");
        }
        self.check_authentication(credential, signing, metadata)?;
        let offers = |list: &[String], wanted| self.offers(list, wanted);
        if self.dpop && !offers(&metadata.dpop_signing_alg_values_supported, "ES256") {
            return unfit("it takes no DPoP proofs with ES256 (dpop_signing_alg_values_supported)");
        }
        if self.certificate_bound && !metadata.tls_client_certificate_bound_access_tokens {
            return unfit(
                "it binds no tokens to certificates (tls_client_certificate_bound_access_tokens)",
            );
        }
        let requests = &metadata.request_object_signing_alg_values_supported;
        if self.signed_requests && signing.is_some_and(|alg| !offers(requests, alg)) {
            return unfit(
                "it takes no signed requests by the app's key \
                 (request_object_signing_alg_values_supported)",
            );
        }
        if self.by_reference {
            self.check_reference(metadata)?;
        }
        if let Some(mode) = self.response_mode()
            && !offers(&metadata.response_modes_supported, mode)
        {
            return unfit(format!("it has no response_mode={mode} (response_modes_supported)"));
        }
        if self.signed_responses && response_algorithms(self.algorithms(), metadata).is_empty() {
            return unfit(
                "it signs responses with nothing that is allowed here \
                 (authorization_signing_alg_values_supported)",
            );
        }
        if !offers(&metadata.code_challenge_methods_supported, "S256") {
            return unfit("it has no PKCE with S256 (code_challenge_methods_supported)");
        }
        self.check_profile(id_token, metadata)
    }

    /// Each login's request has an address of its own.
    fn check_reference(&self, metadata: &Metadata) -> Result<(), Unfit> {
        if !metadata.request_uri_parameter_supported {
            return unfit("it fetches no requests (request_uri_parameter_supported)");
        }
        if metadata.require_request_uri_registration {
            return unfit(
                "it fetches requests from registered addresses alone, and theirs are new for each \
                 login: push them instead (require_request_uri_registration)",
            );
        }
        if metadata.require_pushed_authorization_requests {
            return unfit("it takes pushed requests alone (require_pushed_authorization_requests)");
        }
        let algorithms = &metadata.request_object_signing_alg_values_supported;
        if !self.signed_requests && !self.offers(algorithms, "none") {
            return unfit(
                "it takes signed requests alone: call .signed_requests() \
                 (request_object_signing_alg_values_supported)",
            );
        }
        Ok(())
    }

    fn check_authentication(
        &self,
        credential: &Credential,
        signing: Option<&str>,
        metadata: &Metadata,
    ) -> Result<(), Unfit> {
        let method = credential.method();
        // Secrets are what every server can do, and some do not say so.
        let by_secret =
            matches!(credential, Credential::Basic(_) | Credential::Post(_) | Credential::Public);
        if !by_secret && !self.offers(&metadata.token_endpoint_auth_methods_supported, method) {
            return unfit(format!("it has no {method} (token_endpoint_auth_methods_supported)"));
        }
        let algorithms = &metadata.token_endpoint_auth_signing_alg_values_supported;
        match (credential, signing) {
            (Credential::PrivateKeyJwt(_), Some(alg)) if !self.offers(algorithms, alg) => {
                unfit(format!(
                    "it takes no assertions with {alg} \
                     (token_endpoint_auth_signing_alg_values_supported)"
                ))
            }
            _ => Ok(()),
        }
    }

    /// What a profile asks of a server beside its features (FAPI 2.0 Security Profile section
    /// 5.3.2.2).
    fn check_profile(&self, id_token: &[Algorithm], metadata: &Metadata) -> Result<(), Unfit> {
        if self.profile.is_none() {
            return Ok(());
        }
        if !metadata.authorization_response_iss_parameter_supported {
            return unfit(
                "it does not promise iss in its responses \
                 (authorization_response_iss_parameter_supported, RFC 9207)",
            );
        }
        let offered = allowed_algorithms(id_token, metadata);
        if !offered.into_iter().any(|algorithm| self.allows(algorithm)) {
            return unfit(
                "it signs ID tokens with nothing that FAPI 2.0 allows \
                 (id_token_signing_alg_values_supported)",
            );
        }
        Ok(())
    }

    fn offers(&self, list: &[String], wanted: &str) -> bool {
        list.iter().any(|it| it == wanted) || list.is_empty() && self.profile.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::flow::ClientKey;

    fn key(algorithm: Algorithm) -> Credential {
        Credential::PrivateKeyJwt(ClientKey::generate(algorithm).expect("a key"))
    }

    /// All that FAPI 2.0 Message Signing needs.
    fn good() -> Value {
        json!({
            "issuer": "https://login.example",
            "authorization_endpoint": "https://login.example/authorize",
            "token_endpoint": "https://login.example/token",
            "pushed_authorization_request_endpoint": "https://login.example/par",
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "tls_client_auth"],
            "token_endpoint_auth_signing_alg_values_supported": ["ES256", "PS256"],
            "dpop_signing_alg_values_supported": ["ES256"],
            "tls_client_certificate_bound_access_tokens": true,
            "request_object_signing_alg_values_supported": ["ES256"],
            "response_modes_supported": ["query", "jwt"],
            "authorization_signing_alg_values_supported": ["PS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        })
    }

    fn fits(features: &Features, metadata: &Value) -> Result<(), Unfit> {
        let metadata = serde_json::from_value(metadata.clone()).expect("metadata");
        features.check_metadata(&key(Algorithm::ES256), Some(Algorithm::ES256), &[], &metadata)
    }

    #[test]
    fn one_word_turns_on_what_fapi_2_needs() {
        let plain = Features::default().with_profile(Profile::Fapi2);
        assert!(plain.pushed && plain.dpop && !plain.signed_requests && !plain.signed_responses);
        let by_certificate = Features { certificate_bound: true, ..Features::default() };
        assert!(!by_certificate.with_profile(Profile::Fapi2).dpop);
        let signing = Features::default().with_profile(Profile::Fapi2MessageSigning);
        assert!(signing.signed_requests && signing.signed_responses && signing.dpop);
        assert_eq!(signing.response_mode(), Some("jwt"));
        assert_eq!(plain.response_mode(), None);
    }

    #[test]
    fn settings_that_fapi_2_does_not_allow_are_refused_in_words() {
        let fapi = Features::default().with_profile(Profile::Fapi2);
        for credential in
            [Credential::Basic("s".into()), Credential::Post("s".into()), Credential::Public]
        {
            let refused = fapi.check(&credential, None, &[]).expect_err("refused").to_string();
            assert!(refused.contains("private_key_jwt"), "{refused}");
        }
        let certificate = Credential::Certificate { self_signed: false };
        assert_eq!(fapi.check(&certificate, None, &[]), Ok(()));
        let es256 = Some(Algorithm::ES256);
        assert_eq!(fapi.check(&key(Algorithm::ES256), es256, &[Algorithm::PS256]), Ok(()));
        assert!(fapi.check(&key(Algorithm::ES256), es256, &[Algorithm::RS256]).is_err());
        assert!(fapi.check(&certificate, Some(Algorithm::RS256), &[]).is_err());
        let signing = Features::default().with_profile(Profile::Fapi2MessageSigning);
        assert!(signing.check(&certificate, None, &[]).is_err(), "nothing to sign with");
        assert!(Features::default().check(&Credential::Public, None, &[]).is_ok());
    }

    #[test]
    fn metadata_that_do_not_fit_are_refused_by_the_member_that_says_so() {
        let signing = Features::default().with_profile(Profile::Fapi2MessageSigning);
        assert_eq!(fits(&signing, &good()), Ok(()));
        let members = [
            "pushed_authorization_request_endpoint",
            "token_endpoint_auth_methods_supported",
            "token_endpoint_auth_signing_alg_values_supported",
            "dpop_signing_alg_values_supported",
            "request_object_signing_alg_values_supported",
            "response_modes_supported",
            "authorization_signing_alg_values_supported",
            "code_challenge_methods_supported",
            "authorization_response_iss_parameter_supported",
            "id_token_signing_alg_values_supported",
        ];
        for member in members {
            let mut silent = good();
            silent.as_object_mut().expect("an object").remove(member);
            let refused = fits(&signing, &silent).expect_err(member).to_string();
            assert!(refused.contains(member), "{member}: {refused}");
            if good()[member].is_array() {
                let mut other = good();
                other[member] = json!(["RS256"]);
                let refused = fits(&signing, &other).expect_err(member).to_string();
                assert!(refused.contains(member), "{member}: {refused}");
            }
        }
        let bound = Features { certificate_bound: true, ..Features::default() };
        let mut unbound = good();
        unbound["tls_client_certificate_bound_access_tokens"] = json!(false);
        assert!(fits(&bound, &unbound).is_err() && fits(&bound, &good()).is_ok());
    }

    #[test]
    fn requests_are_fetched_by_servers_that_take_any_address_openid_core_6_2() {
        let fetched = Features { by_reference: true, ..Features::default() };
        let pushed = Features { pushed: true, ..fetched.clone() };
        assert!(pushed.check(&Credential::Public, None, &[]).is_err());
        assert!(fetched.check(&Credential::Public, None, &[]).is_ok());
        let takes = |algorithms: Value| {
            let mut metadata = good();
            metadata["request_object_signing_alg_values_supported"] = algorithms;
            metadata
        };
        assert_eq!(fits(&fetched, &takes(json!(["none"]))), Ok(()));
        assert_eq!(fits(&fetched, &takes(json!([]))), Ok(()));
        assert!(fits(&fetched, &takes(json!(["ES256"]))).is_err(), "it is not signed");
        let signed = Features { signed_requests: true, ..fetched.clone() };
        assert_eq!(fits(&signed, &takes(json!(["ES256"]))), Ok(()));
        for (member, value) in [
            ("request_uri_parameter_supported", false),
            ("require_request_uri_registration", true),
            ("require_pushed_authorization_requests", true),
        ] {
            let mut metadata = takes(json!(["none"]));
            metadata[member] = json!(value);
            let refused = fits(&fetched, &metadata).expect_err(member).to_string();
            assert!(refused.contains(member), "{refused}");
        }
    }

    #[test]
    fn without_a_profile_a_server_that_is_silent_is_asked_all_the_same() {
        let silent = json!({
            "issuer": "https://login.example",
            "authorization_endpoint": "https://login.example/authorize",
            "token_endpoint": "https://login.example/token",
        });
        let dpop = Features { dpop: true, form_post: true, ..Features::default() };
        assert_eq!(fits(&dpop, &silent), Ok(()));
        assert!(fits(&Features { pushed: true, ..dpop }, &silent).is_err());
    }
}

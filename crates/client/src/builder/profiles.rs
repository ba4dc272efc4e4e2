//! Settings beyond the plain code grant: keys, certificates, signed and pushed requests.

use super::ClientBuilder;
use crate::flow::{ClientKey, Credential, EncryptionKey, Profile};

impl ClientBuilder {
    /// A profile: turns on all that it needs, and refuses settings and servers that do not fit.
    ///
    /// ```
    /// # use keystile_client::{Client, ClientKey, Profile};
    /// # use keystile_client::protocol::jose::Algorithm;
    /// # let key = ClientKey::generate(Algorithm::ES256)?;
    /// let client = Client::builder("https://bank.example", "photo-printer")
    ///     .private_key_jwt(key) // ClientKey::from_file("client-key.pem")?
    ///     .jwks_path("/jwks.json")
    ///     .profile(Profile::Fapi2)
    ///     .app_url("https://prints.example")
    ///     .build()?;
    /// assert_eq!(client.jwks_uri().as_deref(), Some("https://prints.example/jwks.json"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// The app proves itself with a key of its own (`private_key_jwt`, RFC 7523), which signs its
    /// requests too where they are signed.
    pub fn private_key_jwt(mut self, key: ClientKey) -> Self {
        self.credential = Some(Credential::PrivateKeyJwt(key.clone()));
        self.signing_key = Some(key);
        self
    }

    /// The app's own certificate with its private key, in PEM: shown to every server that asks for
    /// one, the APIs among them. See [`Self::tls_client_auth`] and
    /// [`Self::certificate_bound_tokens`] for what it does.
    pub fn certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificate = Some(pem.into());
        self
    }

    /// The app proves itself with its certificate, which somebody issued whom the server believes
    /// (`tls_client_auth`, RFC 8705 section 2.1). Needs [`Self::certificate`].
    pub fn tls_client_auth(mut self) -> Self {
        self.credential = Some(Credential::Certificate { self_signed: false });
        self
    }

    /// The app proves itself with its certificate, which the server knows by its key
    /// (`self_signed_tls_client_auth`, RFC 8705 section 2.2). Needs [`Self::certificate`].
    pub fn self_signed_tls_client_auth(mut self) -> Self {
        self.credential = Some(Credential::Certificate { self_signed: true });
        self
    }

    /// Tokens are bound to the app's certificate (RFC 8705 section 3), as the client is registered
    /// (`tls_client_certificate_bound_access_tokens`). Needs [`Self::certificate`].
    pub fn certificate_bound_tokens(mut self) -> Self {
        self.features.certificate_bound = true;
        self
    }

    /// Tokens are bound to a key that each session makes for itself (DPoP, RFC 9449): stolen, they
    /// are of no use. API calls carry a proof by themselves.
    pub fn dpop(mut self) -> Self {
        self.features.dpop = true;
        self
    }

    /// Requests are sent ahead, past the browser (RFC 9126). By itself where the server demands it.
    pub fn pushed_requests(mut self) -> Self {
        self.features.pushed = true;
        self
    }

    /// Requests are signed (RFC 9101), by the key of [`Self::private_key_jwt`] or
    /// [`Self::signing_key`].
    pub fn signed_requests(mut self) -> Self {
        self.features.signed_requests = true;
        self
    }

    /// Requests are fetched by the server from below this path of the app, such as `/requests`
    /// (`request_uri`, RFC 9101 section 5.2), at an address of its own for each login: so the server
    /// must not ask for these to be registered. Signed where [`Self::signed_requests`] says so; not
    /// otherwise, and then https is what protects them (OpenID Connect Core 1.0 section 6.2).
    pub fn requests_by_reference(mut self, path: impl Into<String>) -> Self {
        self.features.by_reference = true;
        self.requests_path = Some(path.into());
        self
    }

    /// The key that signs requests, for an app that proves itself in another way.
    pub fn signing_key(mut self, key: ClientKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// ID tokens are encrypted to this key, as the client is registered
    /// (`id_token_encrypted_response_alg`); others are refused then.
    pub fn encrypted_id_tokens(mut self, key: EncryptionKey) -> Self {
        self.decryption = Some(key);
        self
    }

    /// Responses are signed by the server (JARM); plain ones are refused.
    pub fn signed_responses(mut self) -> Self {
        self.features.signed_responses = true;
        self
    }

    /// Responses are posted by the browser, so that the code stands in no address (OAuth 2.0 Form
    /// Post Response Mode).
    pub fn form_post(mut self) -> Self {
        self.features.form_post = true;
        self
    }

    /// Where the app publishes the public halves of its keys (`jwks_uri`), such as `/jwks.json`;
    /// nowhere by default.
    pub fn jwks_path(mut self, path: impl Into<String>) -> Self {
        self.jwks_path = Some(path.into());
        self
    }

    /// How the user should be authenticated, the best first (`acr_values`). The server may do less:
    /// what it did is the claim `acr`. See [`Self::required_acr`].
    pub fn acr_values<V: Into<String>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// As [`Self::acr_values`], and a login whose `acr` is none of these is refused.
    pub fn required_acr<V: Into<String>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.acr_required = true;
        self.acr_values(values)
    }

    /// Single claims that are asked for (`claims`, OpenID Connect Core 1.0 section 5.5).
    pub fn claims(mut self, claims: serde_json::Value) -> Self {
        self.claims = Some(claims);
        self
    }

    /// What each login asks for in more words than a scope has (RFC 9396): an array of objects with
    /// a `type`. For one login alone see [`crate::LoginRequest::authorization_details`]; what was
    /// granted is [`crate::Session::authorization_details`].
    pub fn authorization_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }
}

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystile_protocol::encoding::percent_encode;
use keystile_protocol::{ClientId, Secret};

use super::ClientKey;

/// How the app proves to the token endpoint who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// The secret in the `Authorization` header: `client_secret_basic`, which every server must
    /// support (RFC 6749 section 2.3.1).
    Basic(Secret),
    /// The secret in the body: `client_secret_post`, for servers that cannot do the other.
    Post(Secret),
    /// An assertion, signed by the app's own key for each request: `private_key_jwt` (RFC 7523).
    /// See [`super::client_assertion`].
    PrivateKeyJwt(ClientKey),
    /// The certificate of the connection: `tls_client_auth` or, where nobody issued it,
    /// `self_signed_tls_client_auth` (RFC 8705 section 2).
    Certificate {
        /// Whether the server knows the certificate itself rather than its issuer.
        self_signed: bool,
    },
    /// No secret: a public client, protected by PKCE alone (row 5.1 of the mission).
    Public,
}

impl Credential {
    /// The `Authorization` header, if this credential has one. Identifier and secret are form
    /// encoded first (RFC 6749 section 2.3.1), which many clients forget.
    pub(super) fn header(&self, client_id: &ClientId) -> Option<Secret> {
        let Self::Basic(secret) = self else { return None };
        let mut pair = String::new();
        percent_encode(client_id.as_str(), &mut pair);
        pair.push(':');
        percent_encode(secret.expose(), &mut pair);
        let pair = Secret::new(pair);
        Some(Secret::new(format!("Basic {}", STANDARD.encode(pair.expose()))))
    }

    /// The name of the method in metadata and registrations (`token_endpoint_auth_method`).
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
            Self::Certificate { self_signed: false } => "tls_client_auth",
            Self::Certificate { self_signed: true } => "self_signed_tls_client_auth",
            Self::Public => "none",
        }
    }

    /// Whether it adds `client_id` to the body.
    pub(super) const fn names_client(&self) -> bool {
        !matches!(self, Self::Basic(_))
    }

    /// What it adds to the body.
    pub(super) fn parameters(&self, client_id: &ClientId) -> Vec<(&'static str, Secret)> {
        let client_id = || ("client_id", Secret::new(client_id.as_str()));
        match self {
            Self::Basic(_) => Vec::new(),
            Self::Post(secret) => vec![client_id(), ("client_secret", secret.clone())],
            Self::PrivateKeyJwt(_) | Self::Certificate { .. } | Self::Public => vec![client_id()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_form_encoded_first_rfc_6749_2_3_1() {
        let id = ClientId::new("a:b c").expect("valid");
        let header = Credential::Basic("p%:+\u{e9}".into()).header(&id).expect("a header");
        let encoded = header.expose().strip_prefix("Basic ").expect("the scheme");
        let pair = STANDARD.decode(encoded).expect("base64");
        assert_eq!(String::from_utf8_lossy(&pair), "a%3Ab%20c:p%25%3A%2B%C3%A9");
    }

    #[test]
    fn a_client_uses_one_method_a_request_rfc_6749_2_3() {
        let id = ClientId::new("a").expect("valid");
        assert!(Credential::Basic("s".into()).parameters(&id).is_empty());
        for credential in [Credential::Post("s".into()), Credential::Public] {
            assert_eq!(credential.header(&id), None);
        }
        assert_eq!(Credential::Public.parameters(&id).len(), 1);
    }
}

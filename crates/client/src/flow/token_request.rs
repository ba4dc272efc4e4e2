use keystile_protocol::encoding::percent_encode;
use keystile_protocol::{ClientId, Secret};

use super::{Credential, PendingLogin};

/// A request to the token endpoint (or the revocation endpoint): a form to be posted.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The `Authorization` header.
    pub authorization: Option<Secret>,
    /// The form, in order. What a key adds is not there yet: see [`super::client_assertion`].
    pub parameters: Vec<(String, Secret)>,
}

impl TokenRequest {
    pub(super) fn new(
        client_id: &ClientId,
        credential: &Credential,
        parameters: Vec<(&'static str, Secret)>,
    ) -> Self {
        let named = parameters.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self::with_parameters(client_id, credential, named.collect())
    }

    pub(super) fn with_parameters(
        client_id: &ClientId,
        credential: &Credential,
        mut parameters: Vec<(String, Secret)>,
    ) -> Self {
        let own = credential.parameters(client_id).into_iter();
        parameters.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Self { authorization: credential.header(client_id), parameters }
    }

    /// The same request with what proves the client for this one time.
    #[must_use]
    pub fn with_assertion(mut self, assertion: [(&'static str, Secret); 2]) -> Self {
        let added = assertion.into_iter().map(|(name, value)| (name.to_owned(), value));
        self.parameters.extend(added);
        self
    }

    /// The form as `application/x-www-form-urlencoded` text.
    pub fn body(&self) -> Secret {
        let mut out = String::with_capacity(512);
        for (name, value) in &self.parameters {
            if !out.is_empty() {
                out.push('&');
            }
            percent_encode(name, &mut out);
            out.push('=');
            percent_encode(value.expose(), &mut out);
        }
        Secret::new(out)
    }
}

/// The request that turns a code into tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
pub fn code_request(
    client_id: &ClientId,
    credential: &Credential,
    redirect_uri: &str,
    resources: &[String],
    code: &Secret,
    pending: &PendingLogin,
) -> TokenRequest {
    let mut parameters = vec![
        ("grant_type", Secret::new("authorization_code")),
        ("code", code.clone()),
        ("redirect_uri", Secret::new(redirect_uri)),
        ("code_verifier", Secret::new(pending.verifier.expose())),
    ];
    parameters.extend(resources.iter().map(|resource| ("resource", Secret::new(resource))));
    TokenRequest::new(client_id, credential, parameters)
}

/// The request that turns a refresh token into new tokens (RFC 6749 section 6).
pub fn refresh_request(
    client_id: &ClientId,
    credential: &Credential,
    resources: &[String],
    refresh_token: &Secret,
) -> TokenRequest {
    let mut parameters = vec![
        ("grant_type", Secret::new("refresh_token")),
        ("refresh_token", refresh_token.clone()),
    ];
    parameters.extend(resources.iter().map(|resource| ("resource", Secret::new(resource))));
    TokenRequest::new(client_id, credential, parameters)
}

/// The request that ends a refresh token (RFC 7009 section 2.1).
pub fn revocation_request(
    client_id: &ClientId,
    credential: &Credential,
    refresh_token: &Secret,
) -> TokenRequest {
    let parameters =
        vec![("token", refresh_token.clone()), ("token_type_hint", Secret::new("refresh_token"))];
    TokenRequest::new(client_id, credential, parameters)
}

#[cfg(test)]
mod tests {
    use keystile_protocol::Params;

    use super::*;
    use crate::flow::test_values::pending;

    #[test]
    fn seed_1_4_a_code_request_has_every_parameter_of_rfc_6749_4_1_3() {
        let id = ClientId::new("a").expect("valid");
        let resources = ["https://one/".to_owned(), "https://two/".to_owned()];
        let request = code_request(
            &id,
            &Credential::Post("s&t".into()),
            "https://app.example/callback",
            &resources,
            &"the code".into(),
            &pending(),
        );
        let body = Params::parse(request.body().expose().as_bytes()).expect("a form");
        for (name, value) in [
            ("grant_type", "authorization_code"),
            ("code", "the code"),
            ("redirect_uri", "https://app.example/callback"),
            ("code_verifier", pending().verifier.expose()),
            ("client_id", "a"),
            ("client_secret", "s&t"),
        ] {
            assert_eq!(body.required(name), Ok(value), "{name}");
        }
        assert_eq!(body.all("resource").expect("text"), ["https://one/", "https://two/"]);
        assert_eq!(request.authorization, None);
    }

    #[test]
    fn debug_shows_no_secret() {
        let id = ClientId::new("a").expect("valid");
        let credential = Credential::Basic("the secret".into());
        let request = refresh_request(&id, &credential, &[], &"the token".into());
        let shown = format!("{request:?} {credential:?} {:?}", pending());
        for secret in ["the secret", "the token", pending().verifier.expose()] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

//! Token requests of clients that have no browser of a user before them.

use keystile_protocol::token_exchange::{GRANT_TYPE, TokenType};
use keystile_protocol::{ClientId, Scope, Secret};

use super::{Credential, TokenRequest};

/// `grant_type` of a device that polls (RFC 8628 section 3.4).
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The request for a token of the client's own (RFC 6749 section 4.4.2).
pub fn client_credentials_request(
    client_id: &ClientId,
    credential: &Credential,
    scope: &Scope,
    resources: &[String],
) -> TokenRequest {
    let mut parameters = vec![("grant_type", Secret::new("client_credentials"))];
    add_target(&mut parameters, scope, resources);
    TokenRequest::new(client_id, credential, parameters)
}

/// The request for the codes of a device (RFC 8628 section 3.1), to be posted to the
/// `device_authorization_endpoint`.
pub fn device_authorization_request(
    client_id: &ClientId,
    credential: &Credential,
    scope: &Scope,
    resources: &[String],
) -> TokenRequest {
    let mut parameters = Vec::new();
    // Required of a client that does not authenticate, and harmless beside HTTP Basic.
    if matches!(credential, Credential::Basic(_)) {
        parameters.push(("client_id", Secret::new(client_id.as_str())));
    }
    add_target(&mut parameters, scope, resources);
    TokenRequest::new(client_id, credential, parameters)
}

/// The request that asks whether the person has answered (RFC 8628 section 3.4).
pub fn device_token_request(
    client_id: &ClientId,
    credential: &Credential,
    device_code: &Secret,
) -> TokenRequest {
    let parameters =
        vec![("grant_type", Secret::new(DEVICE_CODE)), ("device_code", device_code.clone())];
    TokenRequest::new(client_id, credential, parameters)
}

/// One token for another (RFC 8693 section 2.1): what [`exchange_request`] asks for.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before it is sent"]
pub struct Exchange {
    subject: (Secret, TokenType),
    actor: Option<(Secret, TokenType)>,
    requested: Option<TokenType>,
    audiences: Vec<String>,
    resources: Vec<String>,
    scope: Option<Scope>,
}

impl Exchange {
    /// Begins with the token of the one in whose name is asked.
    pub fn of(subject_token: Secret, kind: TokenType) -> Self {
        let none = (Vec::new(), Vec::new());
        let subject = (subject_token, kind);
        Self {
            subject,
            actor: None,
            requested: None,
            audiences: none.0,
            resources: none.1,
            scope: None,
        }
    }

    /// The same for an access token, which is what an API has.
    pub fn of_access_token(subject_token: Secret) -> Self {
        Self::of(subject_token, TokenType::AccessToken)
    }

    /// Who acts for the subject, by a token of theirs.
    pub fn actor(mut self, token: Secret, kind: TokenType) -> Self {
        self.actor = Some((token, kind));
        self
    }

    /// What kind of token is wanted; the server decides by default.
    pub fn requested(mut self, kind: TokenType) -> Self {
        self.requested = Some(kind);
        self
    }

    /// Whom the new token is for, by the name that the server knows. May be called several times.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Whom the new token is for, by its address (RFC 8707). May be called several times.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// What the new token may do; the server decides by default.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }
}

/// The request that exchanges a token (RFC 8693 section 2.1).
pub fn exchange_request(
    client_id: &ClientId,
    credential: &Credential,
    exchange: &Exchange,
) -> TokenRequest {
    let kind = |kind: TokenType| Secret::new(kind.as_str());
    let mut parameters = vec![
        ("grant_type", Secret::new(GRANT_TYPE)),
        ("subject_token", exchange.subject.0.clone()),
        ("subject_token_type", kind(exchange.subject.1)),
    ];
    if let Some((token, of)) = &exchange.actor {
        parameters.extend([("actor_token", token.clone()), ("actor_token_type", kind(*of))]);
    }
    parameters.extend(exchange.requested.map(|of| ("requested_token_type", kind(of))));
    parameters.extend(exchange.audiences.iter().map(|name| ("audience", Secret::new(name))));
    let none = Scope::default();
    add_target(&mut parameters, exchange.scope.as_ref().unwrap_or(&none), &exchange.resources);
    TokenRequest::new(client_id, credential, parameters)
}

fn add_target(to: &mut Vec<(&'static str, Secret)>, scope: &Scope, resources: &[String]) {
    if !scope.is_empty() {
        to.push(("scope", Secret::new(scope.as_str())));
    }
    to.extend(resources.iter().map(|resource| ("resource", Secret::new(resource))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ClientId {
        ClientId::new("tool").expect("valid")
    }

    fn body(request: &TokenRequest) -> String {
        request.body().expose().to_owned()
    }

    #[test]
    fn client_credentials_rfc_6749_4_4_2() {
        let scope = Scope::try_from("photos:read").expect("valid");
        let resources = ["https://photos/".to_owned()];
        let credential = Credential::Basic("s".into());
        let request = client_credentials_request(&id(), &credential, &scope, &resources);
        let expected =
            "grant_type=client_credentials&scope=photos%3Aread&resource=https%3A%2F%2Fphotos%2F";
        assert_eq!(body(&request), expected);
        assert!(request.authorization.is_some());
        let request = client_credentials_request(&id(), &credential, &Scope::default(), &[]);
        assert_eq!(body(&request), "grant_type=client_credentials", "no empty scope");
    }

    #[test]
    fn a_device_names_its_client_once_rfc_8628_3_1_and_3_4() {
        let scope = Scope::try_from("openid").expect("valid");
        for credential in
            [Credential::Public, Credential::Basic("s".into()), Credential::Post("s".into())]
        {
            let request = device_authorization_request(&id(), &credential, &scope, &[]);
            assert_eq!(body(&request).matches("client_id=tool").count(), 1, "{credential:?}");
            assert!(body(&request).contains("scope=openid"));
        }
        let request = device_token_request(&id(), &Credential::Public, &"c".into());
        let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&\
                        device_code=c&client_id=tool";
        assert_eq!(body(&request), expected);
    }

    #[test]
    fn an_exchange_says_what_it_is_told_and_nothing_more_rfc_8693_2_1() {
        let plain = Exchange::of_access_token("t".into());
        let request = body(&exchange_request(&id(), &Credential::Public, &plain));
        for absent in ["actor", "requested", "audience", "resource", "scope"] {
            assert!(!request.contains(absent), "{request}");
        }
        let full = Exchange::of("t".into(), TokenType::IdToken)
            .actor("a".into(), TokenType::AccessToken)
            .requested(TokenType::Jwt)
            .audience("one")
            .audience("two")
            .resource("https://r/")
            .scope(Scope::try_from("x y").expect("valid"));
        let request = body(&exchange_request(&id(), &Credential::Public, &full));
        for part in [
            "subject_token=t&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token",
            "actor_token=a&actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
            "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
            "audience=one&audience=two&scope=x%20y&resource=https%3A%2F%2Fr%2F",
        ] {
            assert!(request.contains(part), "{part} in {request}");
        }
        assert!(
            !format!("{:?}", Exchange::of_access_token("the token".into())).contains("the token")
        );
    }
}

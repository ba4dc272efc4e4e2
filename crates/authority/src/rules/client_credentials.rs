//! A client's own token (RFC 6749 section 4.4).

use keystile_protocol::{AuthorizationDetails, ErrorCode, ProtocolError, Scope};

use crate::policy::Policy;
use crate::records::{Client, GrantType};
use crate::rules::scope;

/// The scope of a client's own token. The scopes that are about a user are not for it. Whoever says
/// in detail what it wants (RFC 9396) has no other scope than it asks for.
pub fn grant(
    asked: Option<Scope>,
    details: &AuthorizationDetails,
    client: &Client,
    policy: &Policy,
) -> Result<Scope, ProtocolError> {
    if !client.may_use(GrantType::ClientCredentials) || client.is_public() {
        return Err(ProtocolError::new(
            ErrorCode::UnauthorizedClient,
            "the client is not registered for the grant type 'client_credentials'",
        ));
    }
    let about_a_user =
        |token: &str| token == "offline_access" || policy.scope(token).is_some_and(|s| s.identity);
    match asked.filter(|asked| !asked.is_empty()) {
        None if !details.is_empty() => Ok(Scope::empty()),
        None => {
            Ok(client.scope.filter(|token| policy.scope(token).is_some() && !about_a_user(token)))
        }
        Some(asked) => {
            let asked = scope::requested(Some(asked), client, policy)?;
            if let Some(token) = asked.iter().find(|token| about_a_user(token)) {
                return Err(ProtocolError::new(
                    ErrorCode::InvalidScope,
                    format!("the scope '{token}' needs a user; this grant has none"),
                ));
            }
            Ok(asked)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::records::ClientKind;

    #[test]
    fn a_clients_own_token_is_about_no_user_rfc_6749_4_4() {
        let (policy, none) = (fixtures::policy(), AuthorizationDetails::default());
        let text = |t: &str| Scope::try_from(t).expect("tokens");
        let client =
            Client { grant_types: vec![GrantType::ClientCredentials], ..fixtures::client() };
        assert_eq!(grant(None, &none, &client, &policy), Ok(text("photos:read photos:order")));
        assert_eq!(
            grant(Some(text("photos:read")), &none, &client, &policy),
            Ok(text("photos:read"))
        );
        let some = AuthorizationDetails::parse(r#"[{"type":"mailbox"}]"#).expect("details");
        assert_eq!(grant(None, &some, &client, &policy), Ok(Scope::empty()));
        let code = |scope: &str, client: &Client| {
            grant(Some(text(scope)), &none, client, &policy).expect_err("refused").error
        };
        assert_eq!(code("openid", &client), ErrorCode::InvalidScope);
        assert_eq!(code("offline_access", &client), ErrorCode::InvalidScope);
        assert_eq!(code("mail:read", &client), ErrorCode::InvalidScope);
        assert_eq!(code("photos:read", &fixtures::client()), ErrorCode::UnauthorizedClient);
        let public = Client { kind: ClientKind::Public { native: false }, ..client };
        assert_eq!(code("photos:read", &public), ErrorCode::UnauthorizedClient);
    }
}

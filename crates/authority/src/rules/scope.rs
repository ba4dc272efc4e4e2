//! Which scopes a client may have, and for which APIs a token is.

use keystile_protocol::{AuthorizationDetails, ErrorCode, ProtocolError, Scope};

use crate::policy::Policy;
use crate::records::Client;

/// What a client asks for, checked: every scope exists and is one that it is registered for
/// (RFC 6749 section 3.3; row 3.7). Without a `scope` it is all that it is registered for.
pub fn requested(
    asked: Option<Scope>,
    client: &Client,
    policy: &Policy,
) -> Result<Scope, ProtocolError> {
    let invalid = |words: String| Err(ProtocolError::new(ErrorCode::InvalidScope, words));
    let Some(asked) = asked else {
        let registered = client.scope.filter(|scope| policy.scope(scope).is_some());
        if registered.is_empty() {
            return invalid("'scope' is missing and the client is registered for none".into());
        }
        return Ok(registered);
    };
    if let Some(unknown) = asked.iter().find(|scope| policy.scope(scope).is_none()) {
        return invalid(format!(
            "the scope '{unknown}' does not exist here (RFC 6749 section 3.3)"
        ));
    }
    if let Some(foreign) = asked.first_missing_in(&client.scope) {
        return invalid(format!("the client is not registered for the scope '{foreign}'"));
    }
    Ok(asked)
}

/// The same beside authorization details (RFC 9396 section 3): whoever says in detail what it wants
/// does not want all that it could have beside it.
pub fn requested_beside(
    details: &AuthorizationDetails,
    asked: Option<Scope>,
    client: &Client,
    policy: &Policy,
) -> Result<Scope, ProtocolError> {
    match asked {
        None if !details.is_empty() => Ok(Scope::empty()),
        asked => requested(asked, client, policy),
    }
}

/// Checks `resource` parameters (RFC 8707 section 2): each is an API that exists.
pub fn resources(asked: &[&str], policy: &Policy) -> Result<Vec<String>, ProtocolError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in asked {
        if policy.api(resource).is_none() {
            return Err(ProtocolError::new(
                ErrorCode::InvalidTarget,
                format!("the resource '{resource}' is not an API of this server (RFC 8707)"),
            ));
        }
        if !resources.iter().any(|known| known == resource) {
            resources.push((*resource).to_owned());
        }
    }
    Ok(resources)
}

/// Whom an access token is for (RFC 9068 section 3): the resources that were asked for; without
/// them the API whose scopes were granted; none of both: the issuer itself. Several only for a
/// client whose registration says so.
pub fn audience(
    scope: &Scope,
    resources: &[String],
    client: &Client,
    policy: &Policy,
) -> Result<Vec<String>, ProtocolError> {
    audience_with(scope, resources, &[], client, policy)
}

/// The same where authorization details name APIs too (RFC 9396 section 2.2): the token is for
/// those as well.
pub fn audience_with(
    scope: &Scope,
    resources: &[String],
    locations: &[String],
    client: &Client,
    policy: &Policy,
) -> Result<Vec<String>, ProtocolError> {
    let mut audience: Vec<String> = if resources.is_empty() {
        let granted = policy.apis.iter().filter(|api| api.scopes.iter().any(|s| scope.contains(s)));
        granted.map(|api| api.audience.clone()).collect()
    } else {
        resources.to_vec()
    };
    for location in locations {
        if !audience.contains(location) {
            audience.push(location.clone());
        }
    }
    if audience.len() > 1 && !client.several_audiences {
        return Err(ProtocolError::new(
            ErrorCode::InvalidTarget,
            format!(
                "the token would be for several APIs ({}): name one with 'resource' (RFC 8707)",
                audience.join(", ")
            ),
        ));
    }
    if audience.is_empty() {
        audience.push(policy.issuer.to_string());
    }
    Ok(audience)
}

/// What of `scope` goes into a token for these audiences: the scopes of other APIs stay out.
pub fn for_audience(scope: &Scope, audience: &[String], policy: &Policy) -> Scope {
    scope.filter(|token| {
        let mut owners = policy.apis.iter().filter(|api| api.scopes.contains(token)).peekable();
        owners.peek().is_none() || owners.any(|api| audience.contains(&api.audience))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn scope(text: &str) -> Scope {
        Scope::try_from(text).expect("tokens")
    }

    #[test]
    fn row_3_7_scopes_must_exist_and_be_registered_rfc_6749_3_3() {
        let (client, policy) = (fixtures::client(), fixtures::policy());
        let ask = |text: &str| requested(Some(scope(text)), &client, &policy);
        assert_eq!(ask("openid photos:read"), Ok(scope("openid photos:read")));
        assert_eq!(ask("openid nonsense").expect_err("unknown").error, ErrorCode::InvalidScope);
        assert_eq!(ask("mail:read").expect_err("foreign").error, ErrorCode::InvalidScope);
        assert_eq!(requested(None, &client, &policy), Ok(client.scope.clone()));
        let none = Client { scope: Scope::empty(), ..client };
        assert!(requested(None, &none, &policy).is_err());
    }

    #[test]
    fn the_audience_follows_from_resource_and_scope_rfc_8707() {
        let (client, policy) = (fixtures::client(), fixtures::policy());
        let photos = "https://photos.example".to_owned();
        let mail = "https://mail.example".to_owned();
        let of = |s: &str, r: &[String], c: &Client| audience(&scope(s), r, c, &policy);
        assert_eq!(of("openid photos:read", &[], &client), Ok(vec![photos.clone()]));
        assert_eq!(of("openid", &[], &client), Ok(vec!["https://login.example".to_owned()]));
        assert_eq!(of("openid", std::slice::from_ref(&mail), &client), Ok(vec![mail.clone()]));
        let several = of("photos:read mail:read", &[], &client).expect_err("ambiguous");
        assert_eq!(several.error, ErrorCode::InvalidTarget);
        let allowed = Client { several_audiences: true, ..client };
        assert_eq!(of("photos:read mail:read", &[], &allowed), Ok(vec![photos, mail]));
        assert!(resources(&["https://nowhere.example"], &policy).is_err());
    }

    #[test]
    fn locations_count_beside_resource_and_scope_rfc_9396_2_2() {
        let (client, policy) = (fixtures::client(), fixtures::policy());
        let allowed = Client { several_audiences: true, ..client.clone() };
        let names = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let of = |s: &str, r: &[&str], l: &[&str], c: &Client| {
            audience_with(&scope(s), &names(r), &names(l), c, &policy)
        };
        let (pay, photos) = ("https://pay.example", "https://photos.example");
        assert_eq!(of("", &[], &[pay], &client), Ok(names(&[pay])));
        assert_eq!(of("openid", &[pay], &[pay], &client), Ok(names(&[pay])));
        assert!(of("photos:read", &[], &[pay], &client).is_err(), "ambiguous");
        assert!(of("openid", &[photos], &[pay], &client).is_err(), "ambiguous");
        assert_eq!(of("photos:read", &[], &[pay], &allowed), Ok(names(&[photos, pay])));
    }

    #[test]
    fn a_token_for_one_api_has_no_scope_of_another() {
        let policy = fixtures::policy();
        let all = scope("openid photos:read mail:read");
        let cut = for_audience(&all, &["https://mail.example".to_owned()], &policy);
        assert_eq!(cut, scope("openid mail:read"));
    }
}

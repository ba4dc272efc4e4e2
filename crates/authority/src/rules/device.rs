//! What a device may ask for (RFC 8628 section 3.1).

use keystile_protocol::{AuthorizationDetails, Params, ProtocolError, Scope, Timestamp};

use crate::pending::{Pace, Pending, PendingOpened, PresentedCode};
use crate::policy::Policy;
use crate::records::{Client, GrantType};
use crate::rules::{authorization_details, pending, scope, signing};
use crate::user_code::UserCode;

/// What a device asks for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// What the user is asked.
    pub scope: Scope,
    /// For which APIs, where the client says so.
    pub resources: Vec<String>,
    /// What the user is asked beside the scope (RFC 9396).
    pub details: AuthorizationDetails,
}

/// The rules, in the order in which they apply.
pub fn check(
    asked: Option<Scope>,
    resources: &[&str],
    params: &Params,
    client: &Client,
    policy: &Policy,
) -> Result<DeviceRequest, ProtocolError> {
    pending::may_use(client, GrantType::DeviceCode)?;
    signing::is_on_still(client, policy)?;
    let details = authorization_details::requested(params, client, policy)?;
    let asked = asked.filter(|asked| !asked.is_empty());
    let scope = scope::requested_beside(&details, asked, client, policy)?;
    let resources = scope::resources(resources, policy)?;
    let locations = authorization_details::locations(&details, policy);
    scope::audience_with(&scope, &resources, &locations, client, policy)?;
    Ok(DeviceRequest { scope, resources, details })
}

/// Lets a request wait under these codes.
pub fn wait(
    request: DeviceRequest,
    client: &Client,
    codes: (&PresentedCode, UserCode),
    network: &str,
    policy: &Policy,
    now: Timestamp,
) -> PendingOpened {
    let pending = Pending {
        grant: codes.0.grant,
        secret_digest: codes.0.secret_digest(),
        user_code: Some(codes.1),
        asked_of: None,
        client: client.id.clone(),
        scope: request.scope,
        resources: request.resources,
        details: request.details,
        expires_at: now.plus(policy.lifetimes.device_code),
        pace: Pace::first(),
        answer: None,
        redeemed: false,
    };
    PendingOpened::new(pending, network, policy.waiting, now)
}

#[cfg(test)]
mod tests {
    use keystile_protocol::ErrorCode;

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_device_asks_for_what_its_client_is_registered_for_rfc_8628_3_1() {
        let client = Client { grant_types: vec![GrantType::DeviceCode], ..fixtures::client() };
        let policy = fixtures::policy();
        let ask = |scope: Option<&str>, resources: &[&str], client: &Client| {
            let scope = scope.map(|text| Scope::try_from(text).expect("tokens"));
            let params = Params::default();
            check(scope, resources, &params, client, &policy).map_err(|error| error.error)
        };
        let all = ask(None, &[], &client).expect("good");
        assert_eq!(all.scope, client.scope, "RFC 6749 section 3.3");
        assert_eq!(ask(Some(""), &[], &client), Ok(all), "empty counts as left out");
        let photos = "https://photos.example";
        let one = ask(Some("photos:read"), &[photos, photos], &client).expect("good");
        assert_eq!((one.scope.as_str(), one.resources.len()), ("photos:read", 1));
        let cases = [
            (ask(Some("nonsense"), &[], &client), ErrorCode::InvalidScope),
            (ask(Some("mail:read"), &[], &client), ErrorCode::InvalidScope),
            (ask(None, &["https://nowhere.example"], &client), ErrorCode::InvalidTarget),
            (ask(None, &[photos, "https://mail.example"], &client), ErrorCode::InvalidTarget),
            (ask(None, &[], &fixtures::client()), ErrorCode::UnauthorizedClient),
        ];
        for (got, expected) in cases {
            assert_eq!(got, Err(expected));
        }
    }

    #[test]
    fn a_device_may_say_in_detail_what_it_wants_rfc_9396_3() {
        let client = Client {
            grant_types: vec![GrantType::DeviceCode],
            authorization_details_types: vec!["payment_initiation".to_owned()],
            ..fixtures::client()
        };
        let params = |details: &str| [("authorization_details", details)].into_iter().collect();
        let ask = |params: &Params, client: &Client| {
            check(None, &[], params, client, &fixtures::policy()).map_err(|error| error.error)
        };
        let payments = params(&fixtures::payments().to_json());
        let asked = ask(&payments, &client).expect("good");
        assert_eq!((asked.scope, asked.details), (Scope::empty(), fixtures::payments()));
        let invalid = Err(ErrorCode::InvalidAuthorizationDetails);
        assert_eq!(ask(&params("[]"), &client), invalid);
        let other = Client { authorization_details_types: Vec::new(), ..client };
        assert_eq!(ask(&payments, &other), invalid);
    }
}

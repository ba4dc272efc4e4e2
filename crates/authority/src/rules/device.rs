//! What a device may ask for (RFC 8628 section 3.1).

use std::time::Duration;

use keystile_protocol::{ErrorCode, ProtocolError, Scope, Timestamp};

use crate::pending::{Pace, Pending, PendingOpened, PresentedCode};
use crate::policy::Policy;
use crate::records::{Client, GrantType};
use crate::rules::scope;
use crate::user_code::UserCode;

/// What a device asks for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// What the user is asked.
    pub scope: Scope,
    /// For which APIs, where the client says so.
    pub resources: Vec<String>,
}

/// Whether the client may start a device grant at all (section 3.1; RFC 6749 section 5.2).
pub fn may_use(client: &Client) -> Result<(), ProtocolError> {
    if client.may_use(GrantType::DeviceCode) {
        return Ok(());
    }
    let words = format!(
        "the client is not registered for the grant type '{}'",
        GrantType::DeviceCode.as_str()
    );
    Err(ProtocolError::new(ErrorCode::UnauthorizedClient, words))
}

/// The rules, in the order in which they apply.
pub fn check(
    asked: Option<Scope>,
    resources: &[&str],
    client: &Client,
    policy: &Policy,
) -> Result<DeviceRequest, ProtocolError> {
    may_use(client)?;
    let scope = scope::requested(asked.filter(|asked| !asked.is_empty()), client, policy)?;
    let resources = scope::resources(resources, policy)?;
    scope::audience(&scope, &resources, client, policy)?;
    Ok(DeviceRequest { scope, resources })
}

/// A client that names no interval polls every five seconds (section 3.2).
pub const INTERVAL: Duration = Duration::from_secs(5);

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
        client: client.id.clone(),
        scope: request.scope,
        resources: request.resources,
        expires_at: now.plus(policy.lifetimes.device_code),
        pace: Pace { interval: INTERVAL, last_poll: None },
        answer: None,
        redeemed: false,
    };
    PendingOpened::new(pending, network, policy.waiting, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_device_asks_for_what_its_client_is_registered_for_rfc_8628_3_1() {
        let client = Client { grant_types: vec![GrantType::DeviceCode], ..fixtures::client() };
        let policy = fixtures::policy();
        let ask = |scope: Option<&str>, resources: &[&str], client: &Client| {
            let scope = scope.map(|text| Scope::try_from(text).expect("tokens"));
            check(scope, resources, client, &policy).map_err(|error| error.error)
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
}

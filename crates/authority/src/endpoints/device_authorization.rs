//! `/device_authorization` (RFC 8628 section 3.1).

use keystile_protocol::messages::DeviceAuthorizationResponse;
use keystile_protocol::params::with_query;
use keystile_protocol::{ErrorCode, Secret};

use super::Authority;
use super::answer::{EndpointError, Fault};
use super::client::ClientRequest;
use super::metadata::paths;
use crate::ids::GrantId;
use crate::pending::{Opened, Pace, PresentedCode};
use crate::rules::device;
use crate::user_code::UserCode;

/// Of 25.6 thousand million user codes few are taken: another try finds a free one.
const TRIES: usize = 3;

impl Authority {
    /// Lets a device wait for its user.
    pub async fn device_authorization(
        &self,
        request: &ClientRequest<'_>,
    ) -> Result<DeviceAuthorizationResponse, EndpointError> {
        let now = self.clock.now();
        let caller = self.authenticated(request, now).await?;
        let client = caller.client();
        let resources = request.params.all("resource")?;
        let asked =
            device::check(request.scope()?, &resources, request.params, client, &self.policy)?;
        for _ in 0..TRIES {
            let grant = GrantId::new(now, self.entropy.bytes());
            let (device_code, presented) = PresentedCode::new(grant, self.entropy.bytes());
            let user_code = UserCode::from_random(self.entropy.bytes());
            let codes = (&presented, user_code);
            let opened =
                device::wait(asked.clone(), client, codes, request.network, &self.policy, now);
            match self.store.open_pending(opened).await? {
                Opened::Done => return Ok(self.device_codes(device_code, user_code)),
                Opened::CodeTaken => {}
                Opened::TooMany => {
                    return Err(EndpointError::protocol(
                        ErrorCode::SlowDown,
                        "too many devices of this network wait for their users; try again in a \
                         minute",
                    ));
                }
                Opened::Full => {
                    let words = "too many authorizations wait for their users";
                    return Err(Fault::Unavailable(words.to_owned()).into());
                }
            }
        }
        Err(Fault::Unavailable("no free user code was found".to_owned()).into())
    }

    fn device_codes(
        &self,
        device_code: Secret,
        user_code: UserCode,
    ) -> DeviceAuthorizationResponse {
        let user_code = user_code.to_string();
        let page = self.policy.issuer.endpoint(paths::DEVICE);
        DeviceAuthorizationResponse {
            device_code,
            verification_uri_complete: Some(self.verification_uri_complete(&user_code)),
            verification_uri_qr: Some(format!("{page}/qr/{user_code}.svg")),
            user_code,
            verification_uri: page,
            expires_in: self.policy.lifetimes.device_code.as_secs(),
            interval: Some(Pace::INTERVAL.as_secs()),
        }
    }

    /// The page that asks for a user code, with this one filled in (section 3.3.1).
    pub fn verification_uri_complete(&self, user_code: &str) -> String {
        with_query(&self.policy.issuer.endpoint(paths::DEVICE), &[("user_code", user_code)])
    }
}

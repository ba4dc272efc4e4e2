//! `/backchannel-authentication` (OpenID Connect CIBA Core 1.0 section 7).

use keystile_protocol::jose::KeySet;
use keystile_protocol::messages::BackchannelAuthenticationResponse;
use keystile_protocol::{ErrorCode, Params, Secret, Timestamp};

use super::Authority;
use super::answer::{EndpointError, Fault};
use super::client::ClientRequest;
use crate::ids::{AccountId, GrantId};
use crate::pending::{Opened, Pace, PresentedCode};
use crate::ping::PingCall;
use crate::records::{Account, Client, normalized_username};
use crate::rules::ciba::Hint;
use crate::rules::{ciba, ciba_request};
use crate::sealed::FORMAT;

impl Authority {
    /// Lets a request wait for the user that the client names.
    pub async fn backchannel_authentication(
        &self,
        request: &ClientRequest<'_>,
    ) -> Result<BackchannelAuthenticationResponse, EndpointError> {
        let now = self.clock.now();
        let caller = self.authenticated(request, now).await?;
        let client = caller.client();
        ciba::may_use(client)?;
        let signed = self.signed_request(request.params, client, now).await?;
        let asked = ciba::check(signed.as_ref().unwrap_or(request.params), client, &self.policy)?;
        let account = self.user_asked_for(&asked.hint, client, now).await?;
        let grant = GrantId::new(now, self.entropy.bytes());
        let (auth_req_id, code) = PresentedCode::new(grant, self.entropy.bytes());
        let expires_in = asked.lifetime.as_secs();
        let call = asked.notification_token.clone().map(|token| PingCall {
            format: FORMAT,
            auth_req_id: Secret::new(auth_req_id.expose()),
            token,
        });
        let (network, policy) = (request.network, &self.policy);
        let mut opened = ciba::wait(asked, account, client, &code, network, policy, now);
        opened.ping = call.map(|call| self.seal(&call, now));
        match self.store.open_pending(opened).await? {
            Opened::Done => Ok(BackchannelAuthenticationResponse {
                auth_req_id,
                expires_in,
                interval: Some(Pace::INTERVAL.as_secs()),
            }),
            Opened::TooMany => Err(EndpointError::protocol(
                ErrorCode::SlowDown,
                "too many requests of this client, or to this user, wait for an answer; try again \
                 when some of them have ended",
            )),
            Opened::Full | Opened::CodeTaken => {
                Err(Fault::Unavailable("too many authorizations wait for their users".into())
                    .into())
            }
        }
    }

    /// The parameters of a signed request, which is used up; nothing where they came plain.
    async fn signed_request(
        &self,
        params: &Params,
        client: &Client,
        now: Timestamp,
    ) -> Result<Option<Params>, EndpointError> {
        if !params.has("request") {
            ciba_request::not_required(client)?;
            return Ok(None);
        }
        let (object, issuer) = (params.required("request")?, &self.policy.issuer);
        let open = |keys: &KeySet| ciba_request::open(object, params, client, keys, issuer, now);
        let (keys, code) = (client.keys.as_ref(), ErrorCode::InvalidRequest);
        let signed = self.verified(keys, object, code, open).await?;
        self.use_up(vec![signed.once], self.entropy.bytes()).await?;
        Ok(Some(signed.params))
    }

    /// The account behind a hint. A client that tries names is slowed: it is told which there are.
    async fn user_asked_for(
        &self,
        hint: &Hint,
        client: &Client,
        now: Timestamp,
    ) -> Result<AccountId, EndpointError> {
        if let Some(throttle) = &self.throttle {
            let counted = throttle.user_asked_for(&client.id, now);
            counted.map_err(EndpointError::Throttled)?;
        }
        let account = self.account_of_hint(hint, client).await?;
        let account = account.filter(|account| account.enabled).ok_or_else(ciba::unknown_user)?;
        if let Some(throttle) = &self.throttle {
            throttle.user_is_known(&client.id);
        }
        Ok(account.id)
    }

    async fn account_of_hint(
        &self,
        hint: &Hint,
        client: &Client,
    ) -> Result<Option<Account>, EndpointError> {
        match hint {
            Hint::Username(typed) => {
                let Some(username) = normalized_username(typed) else { return Ok(None) };
                let found = self.store.credentials(&username).await?;
                Ok(found.map(|credentials| credentials.account))
            }
            Hint::IdToken(token) => {
                let subject = self.subject_of_hint(token, client)?;
                let Some(id) = AccountId::from_text(&subject) else { return Ok(None) };
                Ok(self.store.account(&id).await?)
            }
        }
    }
}

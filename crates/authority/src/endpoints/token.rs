//! `/token` (RFC 6749 section 3.2): which grant it is, and whose. Each grant has a file below.

mod client_credentials;
mod code;
mod exchange;
mod jwt_bearer;
mod pending;
mod refresh;
mod tokens;

use keystile_protocol::access_token::SenderConstraint;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{ErrorCode, Timestamp};

use super::Authority;
use super::answer::EndpointError;
use super::client::ClientRequest;
use crate::decisions::UsedOnce;
use crate::records::{Client, GrantType};
use crate::rules::client_auth::AuthenticatedClient;
use crate::rules::{authorization_details, scope, sender_constraint, signing};

/// Who asks for tokens, and what they are to be bound to.
struct Caller<'a> {
    client: &'a Client,
    bound_to: Option<SenderConstraint>,
    /// What this request was proved with, to be used up.
    once: Vec<UsedOnce>,
    /// 128 random bits of this request: whoever reads them back wrote it.
    by: [u8; 16],
}

fn invalid_grant(words: &str) -> EndpointError {
    EndpointError::protocol(ErrorCode::InvalidGrant, words)
}

impl Authority {
    /// A token request of any grant.
    pub async fn token(&self, request: &ClientRequest<'_>) -> Result<TokenResponse, EndpointError> {
        let now = self.clock.now();
        let grant_type = request.required("grant_type")?;
        let Some(grant_type) = self.policy.grant_types().find(|one| one.as_str() == grant_type)
        else {
            let names: Vec<_> = self.policy.grant_types().map(GrantType::as_str).collect();
            return Err(EndpointError::protocol(
                ErrorCode::UnsupportedGrantType,
                format!("grant_type is none of {}", names.join(", ")),
            ));
        };
        let client = self.proved(request, now).await?;
        signing::is_on_still(client.client(), &self.policy)?;
        let caller = self.caller(request, &client, now)?;
        let redeemed = match grant_type {
            GrantType::AuthorizationCode => Some(self.redeem(request, &caller, now).await),
            GrantType::DeviceCode | GrantType::Ciba => {
                Some(self.poll(grant_type, request, &caller, now).await)
            }
            _ => None,
        };
        if let Some(answer) = redeemed {
            // A redemption uses up what it was proved with; a refused one may not have come so far.
            if let Err(EndpointError::Protocol(_)) = answer {
                self.use_up(caller.once, caller.by).await?;
            }
            return answer;
        }
        self.use_up(caller.once.clone(), caller.by).await?;
        match grant_type {
            GrantType::AuthorizationCode
            | GrantType::DeviceCode
            | GrantType::Ciba
            | GrantType::RefreshToken => self.refresh(request, &caller, now).await,
            GrantType::ClientCredentials => self.for_client(request, &caller, now),
            GrantType::JwtBearer | GrantType::TokenExchange
                if request.params.has(authorization_details::PARAMETER) =>
            {
                Err(authorization_details::not_by_this_grant().into())
            }
            GrantType::JwtBearer => self.for_assertion(request, &caller, now).await,
            GrantType::TokenExchange => self.exchange(request, &caller, now).await,
        }
    }

    /// Who calls, with what the request proves.
    fn caller<'a>(
        &self,
        request: &ClientRequest<'_>,
        client: &'a AuthenticatedClient,
        now: Timestamp,
    ) -> Result<Caller<'a>, EndpointError> {
        let proved = self.proved_key(&request.dpop, ("POST", request.path), None, now)?;
        let once = client.once().into_iter().chain(proved.map(|proved| proved.once)).collect();
        let client = client.client();
        let bound_to = sender_constraint::of(client, proved.as_ref(), request.certificate)?;
        Ok(Caller { client, bound_to, once, by: self.entropy.bytes() })
    }

    fn resources(&self, request: &ClientRequest<'_>) -> Result<Vec<String>, EndpointError> {
        let asked = request.params.all("resource")?;
        Ok(scope::resources(&asked, &self.policy)?)
    }
}

//! `/register` (RFC 7591) and what is below it (RFC 7592).

use std::sync::Arc;

use keystile_protocol::encoding::base64url;
use keystile_protocol::{ClientId, ErrorCode, ProtocolError, Secret, Timestamp};

use super::Authority;
use super::LogoError;
use super::answer::{EndpointError, Fault};
use super::metadata::paths;
use crate::policy::RegistrationMode;
use crate::records::Client;
use crate::registered::{ChangedRegistration, Members, NewRegistration, Registered, Registration};
use crate::rules::dynamic_registration::{self as rules, Answer};
use crate::rules::registration::ClientMetadata;
use crate::rules::{mutual_tls, signing};
use crate::throttle::Throttled;

/// A request to one of these endpoints.
#[derive(Debug)]
pub struct RegistrationRequest<'a> {
    /// Its `Authorization` headers.
    pub authorization: Vec<&'a [u8]>,
    /// Its body.
    pub body: &'a [u8],
    /// Its network: /24 or /56 of its address.
    pub network: &'a str,
}

/// What a client is told of its registration.
#[derive(Debug)]
pub struct RegistrationAnswer {
    /// The members.
    pub members: Members,
    /// Why its logo will not be shown, for the log.
    pub no_logo: Option<LogoError>,
}

/// A registration with what it is managed by.
struct Managed {
    registration: Registration,
    client: Arc<Client>,
    token: Secret,
}

impl Authority {
    /// Whether clients may register themselves.
    pub fn registers(&self) -> bool {
        self.policy.registration.mode != RegistrationMode::Off
    }

    /// Registers a client (RFC 7591 section 3).
    pub async fn register_client(
        &self,
        request: &RegistrationRequest<'_>,
    ) -> Result<RegistrationAnswer, EndpointError> {
        let now = self.clock.now();
        let policy = &self.policy.registration;
        let token = rules::bearer(&request.authorization)?;
        let admission = rules::admission(policy, token.as_ref(), request.network, now)?;
        admitted(self.store.may_register(&admission).await?)?;

        let said = rules::members(request.body)?;
        let metadata = rules::completed(rules::metadata(&said)?, policy)?;
        let id = rules::client_id(self.entropy.bytes()).ok_or_else(no_identifier)?;
        let secret = self.new_secret();
        let mut client = self.registered(&metadata, &id, &secret)?;
        self.sector_of(&client, request.network, now).await?;
        client.origin = admission.origin();

        let (logo, no_logo) = self.logo_for(&mut client, request.network, now).await?;

        let token = self.new_secret();
        let registration = Registration {
            client: id,
            token_digest: token.digest(),
            metadata: rules::told(&metadata),
            created_at: now,
        };
        let secret = client.has_secret().then_some(&secret);
        let members = self.answer_of(&registration, secret, &token);
        let new = NewRegistration::new(client, registration, admission, logo);
        admitted(self.store.register(new).await?)?;
        Ok(RegistrationAnswer { members, no_logo })
    }

    /// Tells a client what it is registered as (RFC 7592 section 2.1).
    pub async fn read_registration(
        &self,
        client_id: &str,
        request: &RegistrationRequest<'_>,
    ) -> Result<Members, EndpointError> {
        let managed = self.managed(client_id, request).await?;
        Ok(self.answer_of(&managed.registration, None, &managed.token))
    }

    /// Replaces what a client is registered as (RFC 7592 section 2.2). Its registration access
    /// token stays: a new one in an answer that is lost would lock the client out.
    pub async fn change_registration(
        &self,
        client_id: &str,
        request: &RegistrationRequest<'_>,
    ) -> Result<RegistrationAnswer, EndpointError> {
        let now = self.clock.now();
        let Managed { mut registration, client: current, token } =
            self.managed(client_id, request).await?;
        let said = rules::members(request.body)?;
        rules::is_about(&said, &current, now)?;
        let metadata = rules::completed(rules::metadata(&said)?, &self.policy.registration)?;
        let secret = self.new_secret();
        let client = self.registered(&metadata, &current.id, &secret)?;
        self.sector_of(&client, request.network, now).await?;
        let (mut client, secret_is_new) = rules::replaced(client, &current);
        let (logo, no_logo) = self.logo_for(&mut client, request.network, now).await?;

        registration.metadata = rules::told(&metadata);
        let members = self.answer_of(&registration, secret_is_new.then_some(&secret), &token);
        let Registration { token_digest, metadata, .. } = registration;
        let changed = ChangedRegistration::new(client, token_digest, metadata, logo);
        if self.store.change_registration(changed).await? {
            Ok(RegistrationAnswer { members, no_logo })
        } else {
            Ok(rules::gone()?)
        }
    }

    /// Removes a client; its grants are dead (RFC 7592 section 2.3).
    pub async fn remove_registration(
        &self,
        client_id: &str,
        request: &RegistrationRequest<'_>,
    ) -> Result<(), EndpointError> {
        let Managed { registration, .. } = self.managed(client_id, request).await?;
        let Registration { client, token_digest, .. } = registration;
        let removed = self.store.remove_registration(&client, token_digest).await?;
        if removed { Ok(()) } else { Ok(rules::gone()?) }
    }

    async fn managed(
        &self,
        client_id: &str,
        request: &RegistrationRequest<'_>,
    ) -> Result<Managed, EndpointError> {
        let Some(token) = rules::bearer(&request.authorization)? else { return Ok(rules::gone()?) };
        let registration = match ClientId::new(client_id) {
            Ok(id) => self.store.registration(&id).await?,
            Err(_) => None,
        };
        let registration = rules::managed(registration, &token)?;
        let Some(client) = self.store.client(&registration.client, true).await? else {
            return Ok(rules::gone()?);
        };
        rules::may_manage(&client)?;
        Ok(Managed { registration, client, token })
    }

    fn registered(
        &self,
        metadata: &ClientMetadata,
        id: &ClientId,
        secret: &Secret,
    ) -> Result<Client, EndpointError> {
        let development = self.policy.issuer.is_development();
        let client =
            rules::client(metadata, id.as_str(), secret, &self.policy.registration, development)?;
        mutual_tls::is_offered(&client, &self.policy).map_err(ProtocolError::from)?;
        signing::is_on(&client, &self.policy).map_err(ProtocolError::from)?;
        Ok(client)
    }

    /// Whether a client may say that it is of its sector: what stands there is fetched now.
    async fn sector_of(
        &self,
        client: &Client,
        network: &str,
        now: Timestamp,
    ) -> Result<(), EndpointError> {
        if client.openid.sector_identifier_uri.is_none() {
            return Ok(());
        }
        self.may_fetch(network, now)?;
        match self.check_sector(client).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let code = ErrorCode::InvalidClientMetadata;
                Err(EndpointError::protocol(code, error.to_string()))
            }
        }
    }

    fn answer_of(
        &self,
        registration: &Registration,
        secret: Option<&Secret>,
        token: &Secret,
    ) -> Members {
        let path = format!("{}/{}", paths::REGISTER, registration.client);
        let uri = self.policy.issuer.endpoint(&path);
        Answer { registration, secret, token, uri }.members()
    }

    /// 256 bits.
    fn new_secret(&self) -> Secret {
        Secret::new(base64url(self.entropy.bytes::<32>()))
    }
}

/// Whose network registered too many waits; whose did not is told that there is no room.
fn admitted(outcome: Registered) -> Result<(), EndpointError> {
    if outcome == Registered::NetworkFull {
        let retry_after = rules::NETWORK_TRIES_AGAIN;
        return Err(EndpointError::Throttled(Throttled { retry_after }));
    }
    Ok(rules::admitted(outcome)?)
}

fn no_identifier() -> Fault {
    Fault::Broken("no client identifier can be made".to_owned())
}

//! Who calls: client authentication, shared by the endpoints that clients call.

use std::sync::Arc;

use keystile_protocol::dpop::Expected;
use keystile_protocol::jose::KeySet;
use keystile_protocol::{
    ClientCertificate, ErrorCode, ParamError, Params, ProtocolError, Timestamp,
};

use super::Authority;
use super::answer::EndpointError;
use super::metadata::paths;
use crate::certificate::Authorities;
use crate::decisions::UsedOnce;
use crate::records::{Client, ClientKind, ExpectedCertificate};
use crate::rules::client_assertion::Recipient;
use crate::rules::client_auth::{self, AuthenticatedClient, Facts, Presented, Proof};
use crate::rules::dpop::{self, IsFresh, ProvedKey};
use crate::sealed::{DpopNonce, FORMAT};

/// A request of a client to one of its endpoints.
#[derive(Debug)]
pub struct ClientRequest<'a> {
    /// Its form.
    pub params: &'a Params,
    /// Its `Authorization` headers.
    pub authorization: Vec<&'a [u8]>,
    /// Its `DPoP` headers.
    pub dpop: Vec<&'a [u8]>,
    /// The client certificate of its connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// Which endpoint it calls, below the issuer.
    pub path: &'static str,
    /// Its network: /24 or /56 of its address.
    pub network: &'a str,
}

impl Authority {
    /// Who calls. An assertion is used up here.
    pub(super) async fn authenticated(
        &self,
        request: &ClientRequest<'_>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, EndpointError> {
        let client = self.proved(request, now).await?;
        if let Some(once) = client.once() {
            self.use_up(vec![once], self.entropy.bytes()).await?;
        }
        Ok(client)
    }

    /// Who calls, for an endpoint that uses the assertion up with what it writes.
    pub(super) async fn proved(
        &self,
        request: &ClientRequest<'_>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, EndpointError> {
        let presented = client_auth::presented(&request.authorization, request.params)?;
        let remembered = self.store.client(&presented.client_id, false).await?;
        if let Ok(client) = self.prove(remembered, &presented, request, now).await {
            return Ok(client);
        }
        // Another node, or the command line, may have changed the client a moment ago.
        self.may_meet(&presented.client_id, request.network, now).await?;
        let read_again = self.known_client(&presented.client_id, true).await?;
        self.prove(read_again, &presented, request, now)
            .await
            .map_err(|error| self.not_proved(error, request.network, now))
    }

    /// Failures of a network are slowed. Whoever proves itself is not held up by its neighbours.
    fn not_proved(&self, error: ProtocolError, network: &str, now: Timestamp) -> EndpointError {
        let Some(throttle) = &self.throttle else { return error.into() };
        if error.error == ErrorCode::TemporarilyUnavailable {
            return error.into();
        }
        if let Err(throttled) = throttle.client_attempt(network, now) {
            return EndpointError::Throttled(throttled);
        }
        throttle.client_failed(network, now);
        error.into()
    }

    async fn prove(
        &self,
        client: Option<Arc<Client>>,
        presented: &Presented,
        request: &ClientRequest<'_>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, ProtocolError> {
        let policy = &self.policy;
        let endpoints = match presented.proof {
            Proof::Assertion(_) => [policy.urls(paths::TOKEN), policy.urls(request.path)].concat(),
            Proof::Secret(..) | Proof::None => Vec::new(),
        };
        let recipient = Recipient { issuer: &policy.issuer, endpoints: &endpoints };
        let nobody = Authorities::default();
        let authorities = policy.mutual_tls.as_ref().map_or(&nobody, |it| &it.authorities);
        let certificate = request.certificate;
        let prove = |keys: &KeySet| {
            let facts = Facts { keys, recipient, certificate, authorities, now };
            client_auth::prove(client.clone(), presented, &facts)
        };
        let code = ErrorCode::InvalidClient;
        let Some(known) = client.as_deref().filter(|client| client.enabled) else {
            return prove(&KeySet::default());
        };
        match (&known.kind, &presented.proof) {
            (ClientKind::PrivateKeyJwt { .. }, Proof::Assertion(assertion)) => {
                self.verified(known.keys.as_ref(), assertion.expose(), code, prove).await
            }
            (ClientKind::MutualTls { certificate, .. }, Proof::None)
                if *certificate == ExpectedCertificate::SelfSigned =>
            {
                self.with_keys(known.keys.as_ref(), code, prove, |_| true).await
            }
            _ => prove(&KeySet::default()),
        }
    }

    /// The key that a request to the endpoint at `path` proves, with a nonce of ours where the
    /// operator wants those.
    pub(super) fn proved_key(
        &self,
        headers: &[&[u8]],
        (method, path): (&str, &str),
        access_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<ProvedKey>, ProtocolError> {
        if headers.is_empty() {
            return Ok(None);
        }
        let expected = Expected { method, urls: &self.policy.urls(path), access_token };
        let is_fresh = |nonce: &str| {
            let opened: Option<DpopNonce> = self.open(nonce);
            opened.is_some_and(|nonce| now.since(nonce.made_at) < dpop::NONCE_LIFETIME)
        };
        let is_fresh: Option<IsFresh<'_>> =
            if self.policy.dpop_nonces { Some(&is_fresh) } else { None };
        dpop::proved(headers, &expected, is_fresh, now)
    }

    /// A nonce for the next proof: a sealed moment. Nothing is stored.
    pub fn dpop_nonce(&self) -> String {
        let now = self.clock.now();
        self.seal(&DpopNonce { format: FORMAT, made_at: now }, now).into_string()
    }

    /// Uses up assertions and proofs, or says that one came before. `by` is this request's own: it
    /// may use up its own again.
    pub(super) async fn use_up(
        &self,
        once: Vec<UsedOnce>,
        by: [u8; 16],
    ) -> Result<(), EndpointError> {
        if once.is_empty() {
            return Ok(());
        }
        match self.store.use_once(once, by).await? {
            None => Ok(()),
            Some(kind) => Err(dpop::used_before(kind).into()),
        }
    }
}

/// The parameters of a form, or `invalid_request`.
impl ClientRequest<'_> {
    pub(super) fn required(&self, name: &'static str) -> Result<&str, EndpointError> {
        Ok(self.params.required(name)?)
    }

    pub(super) fn scope(&self) -> Result<Option<keystile_protocol::Scope>, EndpointError> {
        self.params.optional_as("scope").map_err(|problem| match problem {
            ParamError::Malformed { .. } => {
                EndpointError::protocol(ErrorCode::InvalidScope, problem.to_string())
            }
            problem => problem.into(),
        })
    }
}

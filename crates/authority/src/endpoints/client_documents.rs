//! Clients, wherever they are known from: the store, or the document that their identifier is the
//! address of (draft-ietf-oauth-client-id-metadata-document-00).
//!
//! Nothing is stored for a stranger. The document is fetched and kept in memory; the client's row
//! is written when a person has let the client in.

use std::sync::Arc;

use keystile_protocol::{ClientId, ErrorCode, Params, Timestamp};

use super::Authority;
use super::answer::{EndpointError, Fault};
use super::authorize::Stop;
use crate::ports::StoreError;
use crate::records::{Client, ClientOrigin};
use crate::registered::ApprovedClient;
use crate::rules::redirect::{self, PageError};
use crate::rules::{client_document, mutual_tls, signing};

/// Why a client is not known.
pub(super) enum NoClient {
    Store(StoreError),
    /// What is wrong with its document, or why there is none.
    Document(String),
}

impl From<NoClient> for EndpointError {
    fn from(problem: NoClient) -> Self {
        match problem {
            NoClient::Store(error) => error.into(),
            NoClient::Document(problem) => {
                let words = format!("the document at this client_id is no client's: {problem}");
                Self::protocol(ErrorCode::InvalidClient, words)
            }
        }
    }
}

impl From<StoreError> for NoClient {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Authority {
    fn is_document(&self, client_id: &ClientId) -> bool {
        self.policy.registration.client_id_metadata_documents
            && client_document::is_address(client_id, self.policy.issuer.is_development())
    }

    /// The client as its document says; as the store says where that is somebody else's word.
    pub(super) async fn known_client(
        &self,
        client_id: &ClientId,
        fresh: bool,
    ) -> Result<Option<Arc<Client>>, NoClient> {
        let stored = self.store.client(client_id, fresh).await?;
        let is_registered =
            stored.as_ref().is_some_and(|client| client.origin != ClientOrigin::Document);
        if is_registered || !self.is_document(client_id) {
            return Ok(stored);
        }
        let document = self.documents.document(client_id.as_str(), &client_document::KEEPING).await;
        let document = document.map_err(|error| NoClient::Document(error.told()))?;
        let development = self.policy.issuer.is_development();
        let policy = &self.policy.registration;
        let mut client = client_document::client(client_id, &document, policy, development)
            .map_err(NoClient::Document)?;
        mutual_tls::is_offered(&client, &self.policy)
            .and_then(|()| signing::is_on(&client, &self.policy))
            .map_err(|error| NoClient::Document(error.to_string()))?;
        client.enabled = stored.is_none_or(|stored| stored.enabled);
        Ok(Some(Arc::new(client)))
    }

    /// The same for an authorization request.
    pub(super) async fn asking_client(
        &self,
        client_id: &ClientId,
    ) -> Result<Option<Arc<Client>>, Stop> {
        self.known_client(client_id, false).await.map_err(|problem| match problem {
            NoClient::Store(error) => Stop::Fault(error.into(), None),
            NoClient::Document(problem) => {
                let client_id = client_id.clone();
                Stop::Page(PageError::UnusableDocument { client_id, problem })
            }
        })
    }

    /// Before a document may be fetched for an authorization request: strangers name any address.
    pub(super) async fn may_ask(
        &self,
        params: &Params,
        network: &str,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let Ok(client_id) = redirect::client_id(params) else { return Ok(()) };
        self.may_meet(&client_id, network, now).await.map_err(|error| {
            let fault = match error {
                EndpointError::Fault(fault) => fault,
                _ => Fault::Unavailable(
                    "too many client metadata documents were named from one network".to_owned(),
                ),
            };
            Stop::Fault(fault, None)
        })
    }

    /// A client that somebody let in before is no stranger, however many of its users share a
    /// network.
    pub(super) async fn may_meet(
        &self,
        client_id: &ClientId,
        network: &str,
        now: Timestamp,
    ) -> Result<(), EndpointError> {
        if !self.is_document(client_id) || self.store.client(client_id, false).await?.is_some() {
            return Ok(());
        }
        self.may_fetch(network, now)
    }

    /// Keeps a client that a person has just let in, so that there is one for its grants.
    pub(super) async fn keep_approved(
        &self,
        client: &Arc<Client>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if client.origin != ClientOrigin::Document {
            return Ok(());
        }
        self.store.keep_approved_client(ApprovedClient::new((**client).clone(), now)).await
    }
}

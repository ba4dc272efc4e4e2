//! A client's public keys, wherever they are: registered with it, or at its `jwks_uri`.

use std::borrow::Cow;

use keystile_protocol::jose::{JwkSet, KeySet};
use keystile_protocol::{ErrorCode, ProtocolError};

use super::Authority;
use crate::ports::{DocumentError, Fetched};
use crate::records::{Client, KeySource};
use crate::rules::client_keys;

impl Authority {
    /// The client's keys, for whatever they are needed. Kept ones serve while they may: nobody
    /// waits for a client's server then.
    pub async fn client_keys<'a>(
        &self,
        client: &'a Client,
    ) -> Result<Cow<'a, JwkSet>, DocumentError> {
        match &client.keys {
            None => Ok(Cow::Owned(JwkSet::default())),
            Some(KeySource::Inline(set)) => Ok(Cow::Borrowed(set)),
            Some(KeySource::Remote(url)) => {
                let document = self.documents.document(url, &client_keys::KEEPING).await?;
                read(&document)
            }
        }
    }

    /// Verifies what a client signed. If none of its keys did sign it, they are fetched anew, not
    /// too often, since the client may have others by now. Errors about the keys get `code`.
    pub(super) async fn verified<T: Send>(
        &self,
        client: &Client,
        jwt: &str,
        code: ErrorCode,
        verify: impl Fn(&KeySet) -> Result<T, ProtocolError> + Send + Sync,
    ) -> Result<T, ProtocolError> {
        let others = |keys: &KeySet| client_keys::wants_other_keys(jwt, keys);
        self.with_keys(client, code, verify, others).await
    }

    /// Verifies what a client's keys have to do with, and once more with newer ones where it
    /// failed and `wants_others` says that these might be others by now.
    pub(super) async fn with_keys<T: Send>(
        &self,
        client: &Client,
        code: ErrorCode,
        verify: impl Fn(&KeySet) -> Result<T, ProtocolError> + Send + Sync,
        wants_others: impl Fn(&KeySet) -> bool + Send + Sync,
    ) -> Result<T, ProtocolError> {
        let told = |error| not_to_be_had(&error, code);
        let keys = KeySet::from_jwks(&*self.client_keys(client).await.map_err(told)?);
        let result = verify(&keys);
        match &client.keys {
            Some(KeySource::Remote(url)) if result.is_err() && wants_others(&keys) => {
                let newer = self.documents.newer(url, &client_keys::KEEPING).await;
                match newer.and_then(|document| read(&document)) {
                    Ok(keys) => verify(&KeySet::from_jwks(&keys)),
                    // That these keys did not verify it says more.
                    Err(_) => result,
                }
            }
            _ => result,
        }
    }
}

fn read(document: &Fetched) -> Result<Cow<'static, JwkSet>, DocumentError> {
    client_keys::in_document(document).map(Cow::Owned).map_err(DocumentError::Unusable)
}

pub(super) fn not_to_be_had(error: &DocumentError, code: ErrorCode) -> ProtocolError {
    let code = if *error == DocumentError::Busy { ErrorCode::TemporarilyUnavailable } else { code };
    let words = format!("the client's keys cannot be had from its jwks_uri: {}", error.told());
    ProtocolError::new(code, words)
}

//! The public keys of a client or of a trusted issuer, wherever they are: registered with it, or at its
//! `jwks_uri`.

use std::borrow::Cow;

use keystile_protocol::jose::{JwkSet, KeySet};
use keystile_protocol::{ErrorCode, ProtocolError};

use super::Authority;
use crate::ports::{DocumentError, Fetched};
use crate::records::KeySource;
use crate::rules::client_keys;

impl Authority {
    /// Somebody's keys, for whatever they are needed. Kept ones serve while they may: nobody waits
    /// for another's server then.
    pub(super) async fn keys_of<'a>(
        &self,
        source: Option<&'a KeySource>,
    ) -> Result<Cow<'a, JwkSet>, DocumentError> {
        match source {
            None => Ok(Cow::Owned(JwkSet::default())),
            Some(KeySource::Inline(set)) => Ok(Cow::Borrowed(set)),
            Some(KeySource::Remote(url)) => {
                let document = self.documents.document(url, &client_keys::KEEPING).await?;
                read(&document)
            }
        }
    }

    /// Verifies what the owner of these keys signed. If none of them did sign it, they are fetched
    /// anew, not too often, since the owner may have others by now. Errors about the keys get `code`.
    pub(super) async fn verified<T: Send>(
        &self,
        source: Option<&KeySource>,
        jwt: &str,
        code: ErrorCode,
        verify: impl Fn(&KeySet) -> Result<T, ProtocolError> + Send + Sync,
    ) -> Result<T, ProtocolError> {
        let others = |keys: &KeySet| client_keys::wants_other_keys(jwt, keys);
        self.with_keys(source, code, verify, others).await
    }

    /// Verifies what somebody's keys have to do with, and once more with newer ones where it
    /// failed and `wants_others` says that these might be others by now.
    pub(super) async fn with_keys<T: Send>(
        &self,
        source: Option<&KeySource>,
        code: ErrorCode,
        verify: impl Fn(&KeySet) -> Result<T, ProtocolError> + Send + Sync,
        wants_others: impl Fn(&KeySet) -> bool + Send + Sync,
    ) -> Result<T, ProtocolError> {
        let told = |error| not_to_be_had(&error, code);
        let keys = KeySet::from_jwks(&*self.keys_of(source).await.map_err(told)?);
        let result = verify(&keys);
        match source {
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
    let words = format!("the keys cannot be had from their jwks_uri: {}", error.told());
    ProtocolError::new(code, words)
}

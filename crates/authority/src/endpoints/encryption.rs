//! What is encrypted to a client, and what clients encrypt to us.

use std::borrow::Cow;

use keystile_protocol::jose::JoseError;
use keystile_protocol::jose::encryption::{
    EncryptedToken, Encryption, EncryptionKey, KeyManagement, Recipient,
};
use keystile_protocol::{ErrorCode, Issuer, ProtocolError, Timestamp};

use super::Authority;
use super::client_keys::not_to_be_had;
use crate::records::{Client, UserClaims};
use crate::rules::encryption;

impl Authority {
    /// A signed JWT as the client wants it: encrypted, where it has registered that.
    pub(super) async fn nested(
        &self,
        jwt: String,
        encryption: Option<Encryption>,
        issuer: Option<&Issuer>,
        client: &Client,
        now: Timestamp,
    ) -> Result<String, ProtocolError> {
        let Some(encryption) = encryption else { return Ok(jwt) };
        let key = self.encryption_key(client, encryption, now).await?;
        key.encrypt_jwt(encryption.enc, &jwt, issuer, self.entropy.bytes()).map_err(cannot)
    }

    /// Claims that are encrypted and not signed (OpenID Connect Core 1.0 section 5.3.2).
    pub(super) async fn encrypted_claims(
        &self,
        claims: &UserClaims,
        encryption: Encryption,
        client: &Client,
        now: Timestamp,
    ) -> Result<String, ProtocolError> {
        let key = self.encryption_key(client, encryption, now).await?;
        key.encrypt_claims(encryption.enc, claims, self.entropy.bytes()).map_err(cannot)
    }

    /// The one place where a client's key is looked for.
    async fn encryption_key(
        &self,
        client: &Client,
        encryption: Encryption,
        now: Timestamp,
    ) -> Result<EncryptionKey, ProtocolError> {
        let keys = self.keys_of(client.keys.as_ref()).await;
        let keys = keys.map_err(|error| not_to_be_had(&error, ErrorCode::InvalidRequest))?;
        encryption::key(client, &keys, encryption.alg, now)
    }

    /// A request object as its client signed it.
    pub(super) fn signed_request_object<'a>(
        &self,
        object: &'a str,
        client: &Client,
        now: Timestamp,
    ) -> Result<Cow<'a, str>, ProtocolError> {
        let (keys, random) = (self.keys(), self.entropy.bytes());
        encryption::signed_request_object(object, client, keys.decrypting(), random, now)
    }

    /// An ID token that comes back as a hint: "the Client MAY re-encrypt the signed ID token … using
    /// a key that enables the server to decrypt" it (OpenID Connect Core 1.0 section 3.1.2.1).
    pub(super) fn signed_hint<'a>(&self, token: &'a str) -> Result<Cow<'a, str>, JoseError> {
        if !EncryptedToken::is_one(token) {
            return Ok(Cow::Borrowed(token));
        }
        let keys = self.keys();
        let recipient = Recipient { keys: keys.decrypting(), shared: &[] };
        let allowed = &KeyManagement::TO_PUBLIC_KEYS;
        let token = EncryptedToken::parse(token)?;
        token.decrypt_jwt(recipient, allowed, self.entropy.bytes()).map(Cow::Owned)
    }
}

fn cannot(problem: JoseError) -> ProtocolError {
    let words = format!("nothing can be encrypted to the client: {problem}");
    ProtocolError::new(ErrorCode::InvalidRequest, words)
}

use std::path::Path;

use http::HeaderMap;
use keystile_protocol::messages::TokenResponse;
use keystile_protocol::{
    AuthorizationDetails, ClientId, ErrorCode, Issuer, Scope, Secret, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ToolError;
use super::ask::{ask_for_token, check_offered};
use crate::call::{Call, kept_key};
use crate::client::{Client, Inner};
use crate::exchange::{About, check_refreshed};
use crate::flow::{
    ProofKey, TokenError, read_revocation_response, refresh_request, revocation_request,
};
use crate::observe::Step;
use crate::refresh::SPARE;
use crate::session::Tokens;

/// The form of the file that it is kept in.
const FORMAT: &str = "keystile-grant-1";

/// What a person allowed a tool, and who they are. It can be kept in a file of the person's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    issuer: Issuer,
    client_id: ClientId,
    pub(super) subject: Option<String>,
    pub(super) claims: Map<String, Value>,
    tokens: Tokens,
    /// What the tokens are bound to, if they are (RFC 9449).
    proof_key: Option<Secret>,
}

impl Granted {
    pub(super) fn new(inner: &Inner, tokens: Tokens, proof_key: Option<Secret>) -> Self {
        let (issuer, client_id) = (inner.app.issuer.clone(), inner.app.client_id.clone());
        Self { issuer, client_id, subject: None, claims: Map::new(), tokens, proof_key }
    }

    /// The person (`sub`), where `openid` was asked for.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// A claim of the ID token about the person.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// What an API is called with. [`Client::renewed`] sees that it is good for a while.
    pub fn access_token(&self) -> &Secret {
        &self.tokens.access
    }

    /// What was granted.
    pub fn scope(&self) -> &Scope {
        &self.tokens.scope
    }

    /// What was granted beside it (RFC 9396).
    pub fn authorization_details(&self) -> &AuthorizationDetails {
        &self.tokens.details
    }

    /// Whether the access token is good for the next seconds.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.tokens.access_expires_at.is_none_or(|expires_at| now.plus(SPARE) < expires_at)
    }

    /// Keeps it in a file that nobody but the owner reads. There are tokens in it.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ToolError> {
        crate::private_file::write(path.as_ref(), FORMAT, self)
            .map_err(|error| ToolError::local("the grant could not be kept", error))
    }

    /// Reads it again; nothing where there is no such file.
    pub fn load(path: impl AsRef<Path>) -> Result<Option<Self>, ToolError> {
        crate::private_file::read(path.as_ref(), FORMAT)
            .map_err(|error| ToolError::local("the grant could not be read", error))
    }
}

/// The tokens of a refresh. Silence means that nothing changed (RFC 6749 section 6, RFC 9396 section 7).
fn after(before: &Tokens, response: &TokenResponse, now: Timestamp) -> Tokens {
    let mut tokens = Tokens::from_response(response, &before.scope, before.refresh.as_ref(), now);
    if tokens.details.is_empty() {
        tokens.details.clone_from(&before.details);
    }
    tokens
}

impl Client {
    /// The grant with an access token that is good for a while: the same one, or one that the
    /// refresh token brought. Keep the answer instead of what was there: a server may change the
    /// refresh token at each use. [`ToolError::Over`] where the person has to sign in again.
    ///
    /// A tool that runs several times at once takes a lock around this and around keeping the
    /// answer: of two that use one refresh token, a server may refuse both.
    pub async fn renewed(&self, granted: &Granted) -> Result<Granted, ToolError> {
        let inner = self.inner();
        let app = &inner.app;
        if granted.issuer != app.issuer || granted.client_id != app.client_id {
            return Err(ToolError::Over);
        }
        inner.taints.tokens(&granted.tokens, granted.proof_key.as_ref());
        if granted.is_good(inner.now()) {
            return Ok(granted.clone());
        }
        let token = granted.tokens.refresh.as_ref().ok_or(ToolError::Over)?;
        let request = refresh_request(&app.client_id, &app.credential, &app.resources, token);
        let key = kept_key(granted.proof_key.as_ref())?;
        let asked = ask_for_token(inner, &request, key.as_ref(), About::NO_LOGIN).await;
        let response = asked.map_err(|error| match error {
            TokenError::Refused { error: Some(ErrorCode::InvalidGrant), .. } => ToolError::Over,
            other => other.into(),
        })?;
        check_refreshed(inner, &response, granted.subject()).await?;
        Ok(Granted { tokens: after(&granted.tokens, &response, inner.now()), ..granted.clone() })
    }

    /// Gives the grant back (RFC 7009): what `logout` of a tool does, beside removing the file.
    pub async fn give_back(&self, granted: Granted) -> Result<(), ToolError> {
        let inner = self.inner();
        let app = &inner.app;
        let Some(token) = &granted.tokens.refresh else { return Ok(()) };
        let request = revocation_request(&app.client_id, &app.credential, token);
        let call = Call {
            endpoint: "revocation_endpoint",
            request: &request,
            key: None,
            repeatable: true,
            steps: (Step::RevocationRequest, Step::RevocationResponse),
            about: About::NO_LOGIN,
        };
        check_offered(inner, call.endpoint).await?;
        Ok(inner.call(&call, read_revocation_response).await?)
    }

    /// The headers of one request to an API: the grant's access token, and the proof that it is
    /// this client's where it is bound to a key (RFC 9449). Good for that request alone.
    pub fn authorization(
        &self,
        granted: &Granted,
        method: &str,
        url: &str,
    ) -> Result<HeaderMap, ToolError> {
        let key = kept_key(granted.proof_key.as_ref())?;
        self.inner().taints.tokens(&granted.tokens, key.as_ref().map(ProofKey::as_secret));
        let headers =
            self.inner().authorization(key.as_ref(), granted.access_token(), (method, url));
        headers.map_err(ToolError::Local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refresh_is_silent_about_stays_rfc_9396_7() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let read = |more: &str| -> TokenResponse {
            let answer = format!(r#"{{"access_token":"a","token_type":"Bearer"{more}}}"#);
            serde_json::from_str(&answer).expect("a token response")
        };
        let details = r#","authorization_details":[{"type":"payment"}],"refresh_token":"r""#;
        let asked = Scope::try_from("openid").expect("tokens");
        let first = Tokens::from_response(&read(details), &asked, None, now);
        assert!(!first.details.is_empty());
        let silent = after(&first, &read(""), now);
        assert_eq!((&silent.details, &silent.scope), (&first.details, &first.scope));
        assert_eq!(silent.refresh, first.refresh);
        let other = r#","authorization_details":[{"type":"account"}]"#;
        assert_ne!(after(&first, &read(other), now).details, first.details);
    }
}

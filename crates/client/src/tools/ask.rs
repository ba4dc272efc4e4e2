use keystile_protocol::messages::TokenResponse;

use super::ToolError;
use crate::call::Call;
use crate::client::Inner;
use crate::exchange::{About, token_request};
use crate::flow::{ProofKey, TokenError, TokenRequest};
use crate::observe::Step;

/// Posts to the token endpoint.
pub(super) async fn ask_for_token(
    inner: &Inner,
    request: &TokenRequest,
    key: Option<&ProofKey>,
    about: About<'_>,
) -> Result<TokenResponse, TokenError> {
    token_request(inner, &to_token_endpoint(request, key, about)).await
}

/// The call for that.
pub(super) fn to_token_endpoint<'a>(
    request: &'a TokenRequest,
    key: Option<&'a ProofKey>,
    about: About<'a>,
) -> Call<'a> {
    let steps = (Step::TokenRequest, Step::TokenResponse);
    Call { endpoint: "token_endpoint", request, key, repeatable: true, steps, about }
}

/// Whether the server has that endpoint at all.
pub(super) async fn check_offered(inner: &Inner, endpoint: &'static str) -> Result<(), ToolError> {
    let metadata = inner.provider.metadata(inner.now()).await.map_err(TokenError::Unavailable)?;
    let offered = inner.endpoint(&metadata, endpoint);
    offered.map(|_| ()).ok_or(ToolError::NotOffered(endpoint))
}

/// A key for tokens that are bound to one, where they are (RFC 9449).
pub(super) fn new_key(inner: &Inner) -> Result<Option<ProofKey>, ToolError> {
    let key = inner.app.features.dpop.then(ProofKey::generate).transpose();
    key.map_err(|error| ToolError::local("no key could be made", error))
}

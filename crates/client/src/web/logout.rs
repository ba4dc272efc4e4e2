use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use keystile_protocol::Secret;
use keystile_protocol::encoding::base64url;
use keystile_protocol::params::with_query;

use super::pages;
use super::same_origin::is_own_form;
use crate::client::{Client, Inner};
use crate::entropy::random;
use crate::observe::{Party, Step, shown};
use crate::retire::retire;
use crate::session::SessionKey;

/// `POST /logout`: ends the session here, then at the authorization server (OpenID Connect
/// RP-Initiated Logout 1.0 section 2).
pub(super) async fn logout(State(client): State<Client>, headers: HeaderMap) -> Response {
    let inner = client.inner();
    if !is_own_form(&headers, &inner.app.origin) {
        return pages::not_from_here(inner);
    }
    let mut hint = None;
    if let Some(key) = inner.cookies.session(&headers).map(SessionKey::of_handle) {
        hint = id_token(inner, &key).await;
        if let Err(error) = retire(&client, &key, "logout").await {
            tracing::error!(session = %key.digest(), %error, "a session could not be ended");
            return pages::unavailable();
        }
    }
    let cookies = [inner.cookies.remove_session(), inner.cookies.remove_just_signed_in()];
    let onward = onward(inner, hint.as_ref()).await;
    let onward = onward.unwrap_or_else(|| pages::redirect(&inner.paths.post_logout));
    pages::with_cookies(onward, cookies)
}

/// The ID token of a session that is about to end, where the server is to see it.
async fn id_token(inner: &Inner, key: &SessionKey) -> Option<Secret> {
    if !inner.app.id_token_hint {
        return None;
    }
    let loaded = inner.sessions.load(key, inner.now()).await.ok().flatten()?;
    loaded.record.id_token.clone()
}

/// The server's end of the logout. Without a hint it knows the session by its own cookie, or asks
/// the user. A hint is a token, which stands in no address: the browser posts it.
async fn onward(inner: &Inner, hint: Option<&Secret>) -> Option<Response> {
    let metadata = inner.provider.metadata(inner.now()).await.ok()?;
    let endpoint = metadata.end_session_endpoint.as_deref()?;
    let landing = format!("{}{}", inner.app.origin, inner.paths.post_logout);
    let state = base64url(random::<16>());
    let query = [
        ("client_id", inner.app.client_id.as_str()),
        ("post_logout_redirect_uri", landing.as_str()),
        ("state", state.as_str()),
    ];
    let method = if hint.is_some() { "POST" } else { "GET" };
    inner.tell(Step::LogoutStarted, Party::App, Party::Browser, |event| {
        event.request(method, endpoint).all(query.map(|(name, value)| shown(name, value)))
    });
    let Some(hint) = hint else { return Some(pages::redirect(&with_query(endpoint, &query))) };
    inner.taints.public(hint.expose());
    let fields = query.into_iter().chain([("id_token_hint", hint.expose())]);
    Some(pages::posting("Signing out", endpoint, fields))
}

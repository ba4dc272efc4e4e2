use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
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
    if let Some(key) = inner.cookies.session(&headers).map(SessionKey::of_handle)
        && let Err(error) = retire(&client, &key, "logout").await
    {
        tracing::error!(session = %key.digest(), %error, "a session could not be ended");
        return pages::unavailable();
    }
    let cookies = [inner.cookies.remove_session(), inner.cookies.remove_just_signed_in()];
    let onward = onward(inner).await.unwrap_or_else(|| inner.paths.post_logout.clone());
    pages::with_cookies(pages::redirect(&onward), cookies)
}

/// The server's end of the logout. An ID token as `id_token_hint` would be a token in a URL: the
/// server asks the user instead, or knows the session by its own cookie.
async fn onward(inner: &Inner) -> Option<String> {
    let metadata = inner.provider.metadata(inner.now()).await.ok()?;
    let endpoint = metadata.end_session_endpoint.as_deref()?;
    let landing = format!("{}{}", inner.app.origin, inner.paths.post_logout);
    let state = base64url(random::<16>());
    let query = [
        ("client_id", inner.app.client_id.as_str()),
        ("post_logout_redirect_uri", landing.as_str()),
        ("state", state.as_str()),
    ];
    inner.tell(Step::LogoutStarted, Party::App, Party::Browser, |event| {
        event.request("GET", endpoint).all(query.map(|(name, value)| shown(name, value)))
    });
    Some(with_query(endpoint, &query))
}

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use keystile_protocol::Params;

use crate::client::Client;
use crate::flow::check_frontchannel_logout;
use crate::retire::retire_all;
use crate::session::{Whose, sid_digest};

/// `GET` in a frame of the server's page: a session has ended there, so the app's own end too (OpenID
/// Connect Front-Channel Logout 1.0 section 3). The frame may be anywhere and shows nothing.
pub(super) async fn receive(State(client): State<Client>, RawQuery(query): RawQuery) -> Response {
    let (status, words) = match end_sessions(&client, &query.unwrap_or_default()).await {
        Ok(ended) => {
            tracing::info!(ended, "sessions ended by a logout at the authorization server");
            (StatusCode::OK, String::new())
        }
        Err((status, why)) => {
            tracing::warn!(%why, "a front-channel logout ended nothing");
            (status, why)
        }
    };
    // Section 3: it is not to be kept by anybody.
    (status, [(header::CACHE_CONTROL, "no-store")], words).into_response()
}

async fn end_sessions(client: &Client, query: &str) -> Result<usize, (StatusCode, String)> {
    let refused = |why: &dyn ToString| (StatusCode::BAD_REQUEST, why.to_string());
    let issuer = &client.inner().app.issuer;
    let params = Params::parse(query.as_bytes()).map_err(|why| refused(&why))?;
    let sid = check_frontchannel_logout(&params, issuer).map_err(|why| refused(&why))?;
    let whose = Whose::Sid(sid_digest(issuer, sid));
    let ended = retire_all(client, whose, "front-channel logout").await;
    ended.map_err(|error| {
        tracing::error!(%error, "sessions could not be ended");
        (StatusCode::SERVICE_UNAVAILABLE, "this does not work right now".into())
    })
}

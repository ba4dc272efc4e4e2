//! The axum side: routes, a layer, an extractor.

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use keystile_protocol::jose::JwkSet;

use crate::client::Client;

mod backchannel_logout;
mod callback;
mod cookies;
mod extract;
mod form_post;
mod frontchannel_logout;
mod layer;
mod login;
mod login_request;
mod logout;
mod pages;
mod request_reference;
mod required;
mod same_origin;
mod script;
mod step_up;
mod told;
mod user_endpoint;

pub(crate) use callback::verified;
pub(crate) use cookies::Cookies;
pub use extract::User;
pub use layer::{SessionLayer, SessionService};
pub(crate) use login::begin_for;
pub use login_request::LoginRequest;
pub(crate) use login_request::login;
pub use required::LoginRequired;
pub(crate) use same_origin::{Proof, is_own_form};
pub(crate) use step_up::Demand;
pub(crate) use told::Told;
pub(crate) use user_endpoint::user_endpoint;

/// Bytes of a message of the authorization server.
const LOGOUT_MESSAGE_AT_MOST: usize = 32 * 1024;

pub(crate) fn routes<S: Clone + Send + Sync + 'static>(client: &Client) -> Router<S> {
    let paths = &client.inner().paths;
    let bound = DefaultBodyLimit::max(LOGOUT_MESSAGE_AT_MOST);
    let backchannel = post(backchannel_logout::receive).layer(bound);
    let mut callback = get(callback::callback);
    if client.inner().app.features.form_post {
        let posted = post(form_post::receive).layer(DefaultBodyLimit::max(form_post::AT_MOST));
        callback = callback.merge(posted);
    }
    let mut routes = Router::new()
        .route(&paths.login, get(login::login))
        .route(&paths.callback, callback)
        .route(&paths.logout, post(logout::logout))
        .route(&paths.backchannel, backchannel)
        .route(&paths.frontchannel, get(frontchannel_logout::receive));
    if let Some(path) = &paths.jwks {
        routes = routes.route(path, get(keys));
    }
    if let Some(path) = &paths.requests {
        routes = routes.route(&format!("{path}/{{request}}"), get(request_reference::fetch));
    }
    routes.with_state(client.clone())
}

/// `GET` of the app's `jwks_uri` (RFC 7591 section 2).
async fn keys(State(client): State<Client>) -> Json<JwkSet> {
    Json(client.jwks())
}

//! The axum side: routes, a layer, an extractor.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::client::Client;

mod backchannel_logout;
mod callback;
mod cookies;
mod extract;
mod layer;
mod login;
mod logout;
mod pages;
mod required;
mod used;

pub(crate) use cookies::Cookies;
pub use extract::User;
pub use layer::{SessionLayer, SessionService};
pub use required::LoginRequired;
pub(crate) use used::UsedLogins;

/// Bytes of a message of the authorization server.
const LOGOUT_MESSAGE_AT_MOST: usize = 32 * 1024;

pub(crate) fn routes<S: Clone + Send + Sync + 'static>(client: &Client) -> Router<S> {
    let paths = &client.inner().paths;
    let bound = DefaultBodyLimit::max(LOGOUT_MESSAGE_AT_MOST);
    let backchannel = post(backchannel_logout::receive).layer(bound);
    Router::new()
        .route(&paths.login, get(login::login))
        .route(&paths.callback, get(callback::callback))
        .route(&paths.logout, post(logout::logout))
        .route(&paths.backchannel, backchannel)
        .with_state(client.clone())
}

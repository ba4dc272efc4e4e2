//! The axum side: routes, a layer, an extractor.

use axum::Router;
use axum::routing::{get, post};

use crate::client::Client;

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

pub(crate) fn routes<S: Clone + Send + Sync + 'static>(client: &Client) -> Router<S> {
    let paths = &client.inner().paths;
    Router::new()
        .route(&paths.login, get(login::login))
        .route(&paths.callback, get(callback::callback))
        .route(&paths.logout, post(logout::logout))
        .with_state(client.clone())
}

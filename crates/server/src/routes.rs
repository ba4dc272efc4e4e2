//! Every address that we answer, in one table.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};

use crate::face::SharedFace;
use crate::handlers::{
    account, assets, authorize, client_endpoints, device, errors, health, logos, logout, metadata,
    pages, registration, requests, userinfo,
};
use crate::limits::{self, Bounded};
use crate::{FaceLimits, Routers, turns};

pub(crate) fn routers(face: SharedFace, limits: FaceLimits) -> Routers {
    let (of_clients, of_browsers) =
        Bounded::of_each(SharedFace::clone(&face), limits.concurrent_requests);
    let base = face.authority.policy().issuer.path().to_owned();
    let oauth_metadata = format!("/.well-known/oauth-authorization-server{base}");

    let for_browsers = Router::new()
        .route("/", get(pages::home))
        .route("/login", get(pages::resume_sign_in).post(pages::sign_in))
        .route("/sign-up", get(pages::begin_sign_up).post(pages::sign_up))
        .route("/consent", get(pages::resume_consent).post(pages::consent))
        .route("/cancel", post(pages::cancel))
        .route("/logout", get(logout::get).post(logout::post))
        .route("/account", get(account::get).post(account::post))
        .route("/device", get(device::get).post(device::post))
        .route("/device/qr/{name}", get(device::qr))
        .route("/logos/{name}", get(logos::get))
        .route("/requests", get(requests::get).post(requests::post))
        .route("/errors/{code}", get(errors::help))
        .layer(from_fn_with_state(SharedFace::clone(&face), turns::in_turn))
        .route("/authorize", get(authorize::get).post(authorize::post))
        .method_not_allowed_fallback(errors::page_method_not_allowed);

    let for_clients = Router::new()
        .route("/token", post(client_endpoints::token))
        .route("/par", post(client_endpoints::push))
        .route("/device_authorization", post(client_endpoints::authorize_device))
        .route("/backchannel-authentication", post(client_endpoints::ask_user))
        .route("/revoke", post(client_endpoints::revoke))
        .route("/introspect", post(client_endpoints::introspect))
        .route("/register", post(registration::register))
        .route(
            "/register/{client_id}",
            get(registration::read).put(registration::change).delete(registration::remove),
        )
        .route("/userinfo", get(userinfo::get).post(userinfo::post))
        .route("/.well-known/openid-configuration", get(metadata::document))
        .route("/jwks", get(metadata::keys))
        .method_not_allowed_fallback(errors::json_method_not_allowed);

    // One layer and not two: each is a box around the request and one around its answer.
    let bound = |places| {
        (limits::catch_panic(SharedFace::clone(&face)), from_fn_with_state(places, limits::bound))
    };
    let for_browsers = for_browsers.layer(bound(of_browsers));
    let for_clients = for_clients.layer(bound(of_clients));
    let with_certificates = below(&base, for_clients.clone());
    let assets = Router::new().route("/assets/{name}", get(assets::get));
    let assets = assets.layer(limits::catch_panic(SharedFace::clone(&face)));
    let work = for_browsers.merge(for_clients).merge(assets);
    let metadata = Router::new().route(&oauth_metadata, get(metadata::document));
    Routers {
        all: complete(below(&base, work), metadata, SharedFace::clone(&face)),
        with_certificates: complete(with_certificates, Router::new(), face),
    }
}

/// Below the issuer's own path.
fn below(base: &str, work: Router<SharedFace>) -> Router<SharedFace> {
    if base.is_empty() { work } else { Router::new().nest(base, work) }
}

/// With what is at the host's own paths (`more` of it) and whatever is nowhere.
fn complete(work: Router<SharedFace>, more: Router<SharedFace>, face: SharedFace) -> Router {
    let at_host = more
        .route("/healthz", any(health::alive))
        .route("/readyz", any(health::ready))
        .fallback(errors::not_found)
        .layer(limits::catch_panic(SharedFace::clone(&face)));
    work.merge(at_host).with_state(face)
}

//! The photo-printing app.

mod attacks;
mod gallery;
mod login;
mod orders;
mod pages;
mod proof;
mod random;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use http::HeaderValue;

use crate::settings::{AppSettings, DemoError};
use attacks::Wire;
use pages::Pages;
use watch::{Browsers, Masker};

/// Bytes of a form.
const FORM_AT_MOST: usize = 16 * 1024;

/// What all requests share.
pub(crate) struct App {
    settings: AppSettings,
    pages: Pages,
    browsers: Arc<Browsers>,
    masker: Arc<Masker>,
    wire: Wire,
    /// Name of the cookie by which a browser's record is found.
    cookie: String,
    content_policy: HeaderValue,
}

impl App {
    fn new(settings: AppSettings) -> Result<Self, DemoError> {
        let secure = settings.base_url.starts_with("https:");
        let cookie = if secure { "__Host-photo-watch" } else { "photo-watch" };
        let content_policy = content_policy(&settings)?;
        Ok(Self {
            pages: Pages::new()?,
            browsers: Arc::new(Browsers::new(settings.leak_proof.clone())),
            masker: Arc::default(),
            wire: Wire::new()?,
            cookie: cookie.to_owned(),
            content_policy,
            settings,
        })
    }

    fn set_cookie(&self, name: &str) -> String {
        let secure = if self.cookie.starts_with("__Host-") { "; Secure" } else { "" };
        format!("{}={name}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie)
    }
}

/// Browsers apply `form-action` also to the redirects after a form, so that the authorization
/// server has to be in it: signing out and half of the break-it buttons lead there.
fn content_policy(settings: &AppSettings) -> Result<HeaderValue, DemoError> {
    let wrong = || DemoError::Issuer(settings.issuer.clone());
    let issuer = url::Url::parse(&settings.issuer).map_err(|_| wrong())?;
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {}; base-uri \
         'none'; frame-ancestors 'none'",
        issuer.origin().ascii_serialization()
    );
    HeaderValue::try_from(policy).map_err(|_| wrong())
}

/// The app: pages, sign-in and sign-out, flow inspector, break-it panel and proof.
pub fn app(settings: AppSettings) -> Result<Router, DemoError> {
    let app = Arc::new(App::new(settings)?);
    let client = login::client(&app)?;
    let router = Router::new()
        .route("/", get(gallery::front))
        .route("/photos", get(gallery::photos))
        .route("/pictures/{file}", get(gallery::picture))
        .route("/orders", post(orders::order))
        .route("/inspector", get(gallery::inspector))
        .route("/inspector/clear", post(gallery::clear))
        .route("/proof", get(proof::proof))
        .route("/break/callback", get(attacks::callback))
        .route("/break/{id}", get(attacks::result).post(attacks::play))
        .route("/assets/style.css", get(pages::style))
        .route("/assets/icon.svg", get(pages::icon))
        .route("/assets/hero.svg", get(pages::hero))
        .fallback(pages::not_found)
        .with_state(Arc::clone(&app))
        .merge(client.routes())
        .layer(client.layer())
        .layer(DefaultBodyLimit::max(FORM_AT_MOST))
        .layer(from_fn_with_state(Arc::clone(&app), watch::watch));
    Ok(match &app.settings.leak_proof {
        Some(proof) => router.layer(proof.layer()),
        None => router,
    })
}

//! The back end of a single-page front end, a noticeboard. The page and its script are in `front/`:
//! they talk to this app alone, and no token ever reaches them.
//!
//! | path | what |
//! | --- | --- |
//! | `/` | the page, its script and style |
//! | `/me` | who is signed in |
//! | `/api/…` | the API (`api.rs`), called with the user's access token: requests, events, a WebSocket |
//! | `/login`, `/callback`, `/logout` | as every app of `keystile-client` has them |
//!
//! ```sh
//! export ISSUER=https://login.example CLIENT_ID=noticeboard CLIENT_SECRET=...
//! cargo run --package keystile-example-bff --bin noticeboard-app
//! ```
//!
//! Registered at the issuer are the redirect URI `http://localhost:3000/callback` and the post-logout
//! redirect URI `http://localhost:3000/`; `APP` and `API` say where else the two are.

use std::env::var;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::InvalidHeaderValue;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use keystile_client::{Client, ClientBuilder};

/// The app, without a port: tests use it as it is.
pub(crate) fn app(client: &Client, issuer: &str, api: &str) -> Result<Router, Box<dyn Error>> {
    let api = client
        .proxy(api)?
        // Who signs out is gone from the others' screens soon.
        .session_checked_every(Duration::from_secs(2));
    let policy = content_policy(issuer)?;
    Ok(Router::new()
        .route("/", get(async || Html(include_str!("../front/index.html"))))
        .route("/app.js", get(async || file("text/javascript", include_str!("../front/app.js"))))
        .route("/style.css", get(async || file("text/css", include_str!("../front/style.css"))))
        .route("/icon.svg", get(async || file("image/svg+xml", include_str!("../front/icon.svg"))))
        .nest_service("/api", api)
        .route("/me", client.user_endpoint())
        .merge(client.routes())
        .layer(client.layer())
        .layer(map_response_with_state(policy, strict)))
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}

/// Scripts, styles and connections of this origin alone. Browsers apply `form-action` to the redirect
/// after the sign-out form too, and that leads to the issuer.
fn content_policy(issuer: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src \
         'self'; form-action 'self' {issuer}; base-uri 'none'; frame-ancestors 'none'"
    ))
}

async fn strict(State(policy): State<HeaderValue>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Who issues logins, and who this app is there.
pub(crate) fn client(
    issuer: &str,
    client_id: &str,
    secret: &str,
    urls: (&str, &str),
) -> ClientBuilder {
    let (app, api) = urls;
    Client::builder(issuer, client_id)
        .secret(secret)
        .app_url(app)
        .scope("openid profile offline_access notes:read notes:write")
        .userinfo(true)
        // The access token is for this API (RFC 8707), and is sent nowhere else.
        .resource(api)
        .api(api)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (issuer, client_id, secret) = (var("ISSUER")?, var("CLIENT_ID")?, var("CLIENT_SECRET")?);
    let url = var("APP").unwrap_or_else(|_| "http://localhost:3000".into());
    let api = var("API").unwrap_or_else(|_| "http://localhost:3001".into());
    let client = client(&issuer, &client_id, &secret, (&url, &api)).build()?;
    let address = url.trim_start_matches("http://").trim_start_matches("https://");
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app(&client, &issuer, &api)?).await?;
    Ok(())
}

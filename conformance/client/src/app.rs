//! The app: what a user of `keystile-client` writes.

use std::error::Error;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use keystile_client::{ApiError, Client, User};

use crate::settings::Settings;
use crate::tls::TlsListener;

/// Starts it, and says by which certificate it is known.
pub(crate) async fn serve(client: &Client, settings: &Settings) -> Result<Vec<u8>, Box<dyn Error>> {
    let app = Router::new()
        .route("/", get(home))
        .route("/me", get(me))
        .route("/refresh", get(refresh))
        .route("/userinfo", get(userinfo))
        .route("/api", get(api))
        .with_state(settings.api())
        .merge(client.routes())
        .layer(client.layer());
    let (listener, certificate) = TlsListener::bind(&settings.app_url).await?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(certificate)
}

async fn home(user: Option<User>) -> Html<&'static str> {
    Html(match user {
        None => r#"<title>Nobody</title><a href="/login">Sign in</a>"#,
        Some(_) => {
            r#"<title>Home</title><form method="post" action="/logout"><button>Sign out</button></form>"#
        }
    })
}

async fn me(user: User) -> String {
    format!("{} {}", user.subject(), user.name().unwrap_or_default())
}

async fn refresh(user: User) -> Response {
    match user.session().refresh().await {
        Ok(()) => "refreshed".into_response(),
        Err(problem) => (StatusCode::BAD_GATEWAY, problem.to_string()).into_response(),
    }
}

async fn userinfo(user: User) -> Result<String, ApiError> {
    let claims = user.session().userinfo().await?;
    Ok(claims.keys().map(String::as_str).collect::<Vec<_>>().join(" "))
}

async fn api(State(url): State<String>, user: User) -> Result<Response, ApiError> {
    let answer = user.api().get(url).send().await?;
    Ok((answer.status(), answer.bytes().await?).into_response())
}

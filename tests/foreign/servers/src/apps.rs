//! Three apps of one user, as their authors would write them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use keystile_client::{ApiError, Client, ClientBuilder, Profile, User};
use serde_json::{Value, json};

use crate::Result;
use crate::settings::{SECRET, Server, Settings};

pub(crate) struct Apps {
    /// Calls the API, and names its session to the server at the sign-out.
    pub(crate) printer: Client,
    /// Knows the user's claims.
    pub(crate) album: Client,
    /// Keeps to FAPI 2.0.
    pub(crate) vault: Client,
}

/// Starts them.
pub(crate) async fn serve(settings: &Settings) -> Result<Apps> {
    let printer = for_api(settings, client(settings, "printer", &settings.printer).secret(SECRET))
        .id_token_hint()
        .build()?;
    let album = client(settings, "album", &settings.album)
        .secret_in_body(SECRET)
        .scope("openid profile email")
        .userinfo(true)
        .build()?;
    let vault = for_api(settings, client(settings, "vault", &settings.vault))
        .private_key_jwt(settings.vault_key.clone())
        .profile(Profile::Fapi2)
        .build()?;
    let apps = Apps { printer, album, vault };
    for (client, origin) in [
        (&apps.printer, &settings.printer),
        (&apps.album, &settings.album),
        (&apps.vault, &settings.vault),
    ] {
        listen(origin, app(client, &settings.api)).await?;
    }
    Ok(apps)
}

fn client(settings: &Settings, client_id: &str, origin: &str) -> ClientBuilder {
    Client::builder(&settings.issuer, client_id)
        .app_url(origin)
        .cookie_name(client_id)
        .api(&settings.api)
}

/// Tokens for the API, and new ones while the user is away.
fn for_api(settings: &Settings, builder: ClientBuilder) -> ClientBuilder {
    match settings.server {
        // It gives refresh tokens to those who ask for offline_access, and makes sure that the
        // user knows (OpenID Connect Core 1.0 section 11).
        Server::NodeOidcProvider => builder
            .scope("openid profile photos:read offline_access")
            .resource(&settings.api)
            .prompt(keystile_client::Prompt::Consent),
        Server::Keycloak => builder.scope("openid profile photos:read"),
    }
}

pub(crate) async fn listen(origin: &str, app: Router) -> Result<()> {
    let port = origin.rsplit(':').next().unwrap_or_default().parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}

fn app(client: &Client, api: &str) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/me", get(me))
        .route("/claims", get(claims))
        .route("/refresh", get(refresh))
        .route("/photos", get(call).with_state(format!("{api}/photos")))
        .route("/orders", get(call).with_state(format!("{api}/orders")))
        .route("/elsewhere", get(call).with_state(format!("{api}/elsewhere")))
        .route("/asked", get(call).with_state(format!("{api}/asked")))
        .merge(client.routes())
        .layer(client.layer())
}

async fn home(user: Option<User>) -> Html<&'static str> {
    Html(match user {
        None => "nobody",
        Some(_) => r#"<form method="post" action="/logout"><button>Sign out</button></form>"#,
    })
}

async fn me(user: User) -> Json<Value> {
    Json(json!({ "sub": user.subject(), "name": user.name(), "email": user.email() }))
}

async fn claims(user: User) -> Result<Json<Value>, ApiError> {
    Ok(Json(Value::from(user.session().userinfo().await?)))
}

async fn refresh(user: User) -> Response {
    match user.session().refresh().await {
        Ok(()) => "refreshed".into_response(),
        Err(problem) => (StatusCode::BAD_GATEWAY, problem.to_string()).into_response(),
    }
}

/// Says what the API says.
async fn call(State(url): State<String>, user: User) -> Result<Response, ApiError> {
    let answer = user.api().get(url).send().await?;
    Ok((answer.status(), answer.bytes().await?).into_response())
}

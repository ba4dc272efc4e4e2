//! The app of the notebook. It shows its users their notes, which it gets from the API in their
//! name: with an access token that the browser never sees.
//!
//! ```sh
//! export ISSUER=https://login.example CLIENT_ID=notebook CLIENT_SECRET=...
//! cargo run --package keystile-example-web-app-and-api --bin notebook-app
//! ```
//!
//! Registered at the issuer are the redirect URI `http://localhost:3000/callback` and the post-logout
//! redirect URI `http://localhost:3000/`; `APP` and `API` say where else the two are.

use std::env::var;
use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use keystile_client::{ApiError, Client, ClientBuilder, SqliteSessions, User};
use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};

/// The templates. What is put into an `.html` one is escaped.
type Pages = Arc<Environment<'static>>;

#[derive(Deserialize, Serialize)]
struct New {
    note: String,
}

async fn home(State(pages): State<Pages>, user: Option<User>) -> Response {
    match user {
        Some(_) => Redirect::to("/notes").into_response(),
        None => page(&pages, "home.html", &context! {}),
    }
}

/// An `ApiError` is an answer too: a session that is over leads to the login and back here.
async fn notes(State(pages): State<Pages>, user: User) -> Result<Response, ApiError> {
    let notes: Vec<String> = user.api().get("/notes").send().await?.json().await?;
    let context = context! {
        name => user.name().unwrap_or(user.subject()),
        // They may have refused it on the consent page.
        may_write => user.session().scope().contains("notes:write"),
        notes,
    };
    Ok(page(&pages, "notes.html", &context))
}

async fn add(
    State(pages): State<Pages>,
    user: User,
    Form(new): Form<New>,
) -> Result<Response, ApiError> {
    let answer = user.api().post("/notes").json(&new).send().await?;
    if answer.status() == StatusCode::CREATED {
        return Ok(Redirect::to("/notes").into_response());
    }
    let name = user.name().unwrap_or(user.subject());
    let refused = answer.status() == StatusCode::FORBIDDEN;
    let mut response = page(&pages, "not-added.html", &context! { name, refused });
    *response.status_mut() = StatusCode::CONFLICT;
    Ok(response)
}

fn page(pages: &Environment<'_>, name: &str, context: &Value) -> Response {
    match pages.get_template(name).and_then(|template| template.render(context)) {
        Ok(html) => Html(html).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "This page is broken.").into_response(),
    }
}

/// A form counts if a page of this app sent it.
async fn from_own_pages(State(client): State<Client>, request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !client.is_own_form(request.headers()) {
        return (StatusCode::FORBIDDEN, "This form is not from here.").into_response();
    }
    next.run(request).await
}

/// Pages need nothing but their style sheet, so the browser is told to take nothing else.
async fn strict(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
    let entry = response.headers_mut().entry(header::CONTENT_SECURITY_POLICY);
    entry.or_insert(HeaderValue::from_static(policy));
    response
}

/// The app, without a port: tests use it as it is.
pub(crate) fn app(client: &Client) -> Result<Router, minijinja::Error> {
    let mut pages = Environment::new();
    pages.add_template("base.html", include_str!("../pages/base.html"))?;
    pages.add_template("home.html", include_str!("../pages/home.html"))?;
    pages.add_template("notes.html", include_str!("../pages/notes.html"))?;
    pages.add_template("not-added.html", include_str!("../pages/not-added.html"))?;
    let css = ([(header::CONTENT_TYPE, "text/css")], include_str!("../pages/style.css"));
    Ok(Router::new()
        .route("/", get(home))
        .route("/notes", get(notes).post(add))
        .route("/style.css", get(async || css))
        .layer(from_fn_with_state(client.clone(), from_own_pages))
        .with_state(Arc::new(pages))
        // Below this app's own check: the issuer posts to /backchannel-logout.
        .merge(client.routes())
        .layer(client.layer())
        .layer(map_response(strict)))
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
    let client = client(&issuer, &client_id, &secret, (&url, &api))
        .sessions(Arc::new(SqliteSessions::open("sessions.db")?))
        .key_file("sessions.key")
        .build()?;
    let address = url.trim_start_matches("http://").trim_start_matches("https://");
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app(&client)?).await?;
    Ok(())
}

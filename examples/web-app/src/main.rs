//! A web app whose users sign in. The browser gets a cookie that means nothing to anybody else; the
//! tokens stay here, encrypted.
//!
//! ```sh
//! export ISSUER=https://login.example CLIENT_ID=web-app CLIENT_SECRET=...
//! cargo run --package keystile-example-web-app
//! ```
//!
//! Registered at the issuer are the redirect URI `http://localhost:3000/callback` and, for signing
//! out, the post-logout redirect URI `http://localhost:3000/`. `APP` says where else it is.

use std::env::var;
use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use keystile_client::{Client, ClientBuilder, SqliteSessions, User};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};

/// The templates. What is put into an `.html` one is escaped.
type Pages = Arc<Environment<'static>>;

/// For everybody: `Option<User>` makes nobody sign in.
async fn home(State(pages): State<Pages>, user: Option<User>) -> Response {
    let name = user.as_ref().map(|user| user.name().unwrap_or(user.subject()));
    page(&pages, "home.html", &context! { name })
}

/// For users: `User` as an argument is the guard. Others sign in first, and come back here.
async fn profile(State(pages): State<Pages>, user: User) -> Response {
    let context = context! {
        name => user.name().unwrap_or(user.subject()),
        subject => user.subject(),
        issuer => user.issuer(),
        claims => Value::from(Serde(user.claims().clone())),
    };
    page(&pages, "profile.html", &context)
}

fn page(pages: &Environment<'_>, name: &str, context: &Value) -> Response {
    match pages.get_template(name).and_then(|template| template.render(context)) {
        Ok(html) => Html(html).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "This page is broken.").into_response(),
    }
}

/// Pages need nothing but their style sheet, so the browser is told to take nothing else: what an
/// attacker might smuggle into one would not run.
async fn strict(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    // The pages of the client crate have a policy of their own.
    let entry = headers.entry(header::CONTENT_SECURITY_POLICY);
    entry.or_insert(HeaderValue::from_static(policy));
    response
}

/// The app, without an address and a port: tests use it as it is.
pub(crate) fn app(client: &Client) -> Result<Router, minijinja::Error> {
    let mut pages = Environment::new();
    pages.add_template("base.html", include_str!("../pages/base.html"))?;
    pages.add_template("home.html", include_str!("../pages/home.html"))?;
    pages.add_template("profile.html", include_str!("../pages/profile.html"))?;
    let css = ([(header::CONTENT_TYPE, "text/css")], include_str!("../pages/style.css"));
    Ok(Router::new()
        .route("/", get(home))
        .route("/profile", get(profile))
        .route("/style.css", get(async || css))
        .with_state(Arc::new(pages))
        // /login, /callback, /logout and /backchannel-logout.
        .merge(client.routes())
        .layer(client.layer())
        .layer(map_response(strict)))
}

/// Who issues logins, and who this app is there: that is all it needs to know of a provider.
pub(crate) fn client(issuer: &str, client_id: &str, secret: &str, app: &str) -> ClientBuilder {
    Client::builder(issuer, client_id)
        .secret(secret)
        .app_url(app)
        .scope("openid profile email")
        // Some providers put name and address there, and not into the ID token.
        .userinfo(true)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (issuer, client_id, secret) = (var("ISSUER")?, var("CLIENT_ID")?, var("CLIENT_SECRET")?);
    let url = var("APP").unwrap_or_else(|_| "http://localhost:3000".into());
    let client = client(&issuer, &client_id, &secret, &url)
        // Users stay signed in over a restart; whoever reads the file without the key reads nothing.
        .sessions(Arc::new(SqliteSessions::open("sessions.db")?))
        .key_file("sessions.key")
        .build()?;
    let address = url.trim_start_matches("http://").trim_start_matches("https://");
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, app(&client)?).await?;
    Ok(())
}

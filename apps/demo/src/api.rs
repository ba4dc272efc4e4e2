//! The photo API: it knows nothing of logins, and lets in whoever brings a token that allows it.

mod album;
mod picture;
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use keystile_resource::{Guard, Token};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::settings::{ApiSettings, DemoError};
use album::Photo;

/// Bytes of an order.
const ORDER_AT_MOST: usize = 16 * 1024;
/// Copies of one picture.
const COPIES_AT_MOST: u32 = 20;

/// The photo API. Every route but `/` asks for an access token.
pub fn api(settings: ApiSettings) -> Result<Router, DemoError> {
    let guard = Guard::builder(&settings.issuer, &settings.audience).build()?;
    let (guard, metadata) = guard.announced("photos:read photos:order")?;
    let orders = Arc::new(AtomicU32::new(1));
    let read = Router::new()
        .route("/photos", get(photos))
        .route("/photos/{file}", get(picture))
        .layer(guard.require("photos:read"));
    let order = Router::new()
        .route("/orders", post(place_order))
        .with_state(orders)
        .layer(guard.require("photos:order"));
    let about = format!(
        "The photo API at {}. Ask with an access token from {}: GET /photos.\n",
        settings.base_url, settings.issuer
    );
    let about = move || async move { about };
    let open = Router::new().route("/", get(about)).merge(metadata);
    Ok(read.merge(order).merge(open).layer(DefaultBodyLimit::max(ORDER_AT_MOST)))
}

#[derive(Serialize)]
struct Photos {
    owner: String,
    photos: Vec<Photo>,
}

async fn photos(token: Token) -> Json<Photos> {
    let owner = token.subject().to_owned();
    Json(Photos { photos: album::photos_of(&owner), owner })
}

async fn picture(token: Token, Path(file): Path<String>) -> Response {
    let photo = file
        .strip_suffix(".svg")
        .and_then(|id| album::photos_of(token.subject()).into_iter().find(|p| p.id == id));
    match photo {
        Some(photo) => {
            let svg = picture::draw(&photo, token.subject());
            ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response()
        }
        None => refused(StatusCode::NOT_FOUND, "there is no such picture"),
    }
}

#[derive(Deserialize)]
struct Order {
    prints: Vec<Print>,
}

#[derive(Deserialize)]
struct Print {
    photo: String,
    copies: u32,
}

async fn place_order(
    State(orders): State<Arc<AtomicU32>>,
    token: Token,
    order: Result<Json<Order>, JsonRejection>,
) -> Response {
    let Ok(Json(order)) = order else {
        return refused(StatusCode::BAD_REQUEST, "an order is JSON with the member 'prints'");
    };
    let album = album::photos_of(token.subject());
    let known = |print: &Print| album.iter().any(|photo| photo.id == print.photo);
    if order.prints.is_empty() || !order.prints.iter().all(known) {
        return refused(StatusCode::BAD_REQUEST, "name at least one of your own photos");
    }
    if order.prints.len() > album.len()
        || !order.prints.iter().all(|print| (1..=COPIES_AT_MOST).contains(&print.copies))
    {
        return refused(StatusCode::BAD_REQUEST, "each photo once, with 1 to 20 copies");
    }
    let number = orders.fetch_add(1, Ordering::Relaxed);
    let prints: u32 = order.prints.iter().map(|print| print.copies).sum();
    let order = json!({ "order": format!("PP-{number:04}"), "prints": prints });
    (StatusCode::CREATED, Json(order)).into_response()
}

fn refused(status: StatusCode, problem: &str) -> Response {
    (status, Json(json!({ "error": "refused", "error_description": problem }))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn nothing_but_the_front_door_opens_without_a_token() {
        let api = api(ApiSettings {
            base_url: "http://localhost:4002".into(),
            issuer: "http://localhost:4000".into(),
            audience: "http://localhost:4002".into(),
        })
        .expect("good settings");
        for (method, path, status) in [
            ("GET", "/", 200),
            ("GET", "/photos", 401),
            ("GET", "/photos/p01.svg", 401),
            ("POST", "/orders", 401),
            ("GET", "/photos?access_token=x", 400),
        ] {
            let request = Request::builder().method(method).uri(path).body(Body::empty());
            let answer = api.clone().oneshot(request.expect("a request")).await;
            assert_eq!(answer.expect("infallible").status(), status, "{method} {path}");
        }
    }
}

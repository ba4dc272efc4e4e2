//! The pages with pictures, and those around them.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use keystile_client::{ApiError, User};
use minijinja::context;
use serde::{Deserialize, Serialize};

use super::App;
use super::pages::{Trouble, panels, to_value};
use super::watch::Record;

/// A picture of the API is not larger, in bytes.
const PICTURE_AT_MOST: usize = 256 * 1024;

/// What the API says of a photo.
#[derive(Deserialize, Serialize)]
struct Photo {
    id: String,
    title: String,
    taken: String,
}

#[derive(Deserialize)]
struct Photos {
    photos: Vec<Photo>,
}

/// `GET /`.
pub(super) async fn front(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    user: Option<User>,
) -> Response {
    let context = context! {
        person => user.as_ref().map(person),
        username => app.settings.username.clone(),
        issuer => app.settings.issuer.clone(),
        note => to_value(record.take_note()),
    };
    app.pages.render(StatusCode::OK, "front.html", &context)
}

/// `GET /photos`: the gallery, with flow inspector and break-it panel below.
pub(super) async fn photos(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    user: User,
) -> Response {
    let photos = match list(&app, &user).await {
        Ok(photos) => photos,
        Err(trouble) => return trouble,
    };
    let context = context! {
        person => person(&user),
        photos => to_value(photos),
        may_order => user.session().scope().contains("photos:order"),
        note => to_value(record.take_note()),
        ..panels(&record)
    };
    app.pages.render(StatusCode::OK, "photos.html", &context)
}

async fn list(app: &App, user: &User) -> Result<Vec<Photo>, Response> {
    let url = format!("{}/photos", app.settings.api_url);
    let answer = user.api().get(url).send().await.map_err(|error| troubled(app, error))?;
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(Trouble::api(status.as_u16()).page(app));
    }
    let photos: Photos = answer.json().await.map_err(|error| troubled(app, error))?;
    Ok(photos.photos)
}

/// `GET /pictures/{file}`: the app fetches the picture from the API and passes it on. The browser
/// never meets the API.
pub(super) async fn picture(
    State(app): State<Arc<App>>,
    Path(file): Path<String>,
    user: User,
) -> Response {
    let plain = file.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if !plain {
        return StatusCode::NOT_FOUND.into_response();
    }
    let url = format!("{}/photos/{file}", app.settings.api_url);
    let fetched = async {
        let answer = user.api().get(url).answer_at_most(PICTURE_AT_MOST).send().await?;
        Ok::<_, ApiError>((answer.status(), answer.bytes().await?))
    };
    match fetched.await {
        Ok((StatusCode::OK, svg)) => {
            let headers = [
                (header::CONTENT_TYPE, "image/svg+xml"),
                (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
            ];
            (headers, svg).into_response()
        }
        Ok((StatusCode::NOT_FOUND, _)) => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// `GET /inspector`: flow inspector and break-it panel, signed in or not.
pub(super) async fn inspector(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    user: Option<User>,
) -> Response {
    let context = context! { person => user.as_ref().map(person), ..panels(&record) };
    app.pages.render(StatusCode::OK, "inspector.html", &context)
}

/// `POST /inspector/clear`.
pub(super) async fn clear(
    Extension(record): Extension<Arc<Record>>,
    user: Option<User>,
) -> Redirect {
    record.clear_messages();
    Redirect::to(if user.is_some() { "/photos#flow" } else { "/inspector#flow" })
}

/// What to call the user.
pub(super) fn person(user: &User) -> String {
    user.name().unwrap_or("you").to_owned()
}

/// A call to the API that brought no answer, as a page.
pub(super) fn troubled(app: &App, error: ApiError) -> Response {
    match error {
        ApiError::SessionEnded(_) => error.into_response(),
        ApiError::Unreachable(_) => Trouble::away("The photo API cannot be reached").page(app),
        other => {
            tracing::warn!("the photo API: {other}");
            Trouble::away("The photos cannot be fetched").page(app)
        }
    }
}

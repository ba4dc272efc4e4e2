//! Prints.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use keystile_client::User;
use serde::Deserialize;
use serde_json::json;

use super::App;
use super::gallery::troubled;
use super::watch::Record;

/// Copies of one picture that the form offers.
const COPIES_AT_MOST: u32 = 20;

#[derive(Deserialize)]
struct Placed {
    order: String,
    prints: u32,
}

/// `POST /orders`: a field for each photo, with the number of copies.
pub(super) async fn order(
    State(app): State<Arc<App>>,
    Extension(record): Extension<Arc<Record>>,
    user: User,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let prints = prints(&fields);
    if prints.is_empty() {
        record.leave_note(false, "Choose a number of copies below at least one picture.");
        return back();
    }
    let order: Vec<_> =
        prints.iter().map(|(photo, copies)| json!({ "photo": photo, "copies": copies })).collect();
    let url = format!("{}/orders", app.settings.api_url);
    let sent = user.api().post(url).json(&json!({ "prints": order })).send().await;
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) => return troubled(&app, error),
    };
    match answer.status() {
        StatusCode::CREATED => match answer.json::<Placed>().await {
            Ok(placed) => record.leave_note(true, thanks(&placed)),
            Err(error) => return troubled(&app, error),
        },
        StatusCode::FORBIDDEN => record.leave_note(
            false,
            "You did not allow Photo Printer to order prints, and the API holds it to that.",
        ),
        other => record.leave_note(false, format!("The order was not taken (status {other}).")),
    }
    back()
}

fn thanks(placed: &Placed) -> String {
    let s = if placed.prints == 1 { "" } else { "s" };
    format!("Order {} is placed: {} print{s}, on heavy paper.", placed.order, placed.prints)
}

fn prints(fields: &[(String, String)]) -> Vec<(&str, u32)> {
    fields
        .iter()
        .filter_map(|(photo, copies)| Some((photo.as_str(), copies.parse().ok()?)))
        .filter(|(_, copies)| (1..=COPIES_AT_MOST).contains(copies))
        .collect()
}

fn back() -> Response {
    Redirect::to("/photos").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_the_pictures_with_copies() {
        let fields = [("p01", "0"), ("p02", "3"), ("p03", ""), ("p04", "-1"), ("p05", "21")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(prints(&fields), [("p02", 3)]);
    }
}

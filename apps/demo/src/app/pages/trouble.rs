//! Pages for what went wrong: what happened, and the way on.

use axum::response::Response;
use http::StatusCode;
use minijinja::context;
use serde::Serialize;

use super::to_value;
use crate::app::App;

/// One such page.
#[derive(Debug, Serialize)]
pub(crate) struct Trouble {
    #[serde(skip)]
    status: StatusCode,
    title: &'static str,
    text: String,
    /// Where the button leads, and what it says.
    way_on: (String, &'static str),
    reference: Option<String>,
}

impl Trouble {
    fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        let way_on = ("/".to_owned(), "Back to the start");
        Self { status, title, text: text.into(), way_on, reference: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Nothing here", "There is no such page in this app.")
    }

    /// A party does not answer; `what` says who.
    pub(crate) fn away(what: &str) -> Self {
        let text = format!("{what} right now. Nothing is lost: try again in a moment.");
        let mut trouble = Self::new(StatusCode::SERVICE_UNAVAILABLE, "One of us is away", text);
        trouble.way_on = ("/photos".to_owned(), "Try again");
        trouble
    }

    /// The API does not do what the app wants of it.
    pub(crate) fn api(status: u16) -> Self {
        let text = format!("The photo API answered with status {status}, which was not expected.");
        let mut trouble = Self::new(StatusCode::BAD_GATEWAY, "The photos did not come", text);
        trouble.way_on = ("/photos".to_owned(), "Try again");
        trouble
    }

    /// The user said no on the consent page.
    pub(crate) fn denied(again: &str) -> Self {
        let text = "You did not allow Photo Printer to see your photos, so it has none. That is \
                    all that happened.";
        let mut trouble = Self::new(StatusCode::FORBIDDEN, "As you wish", text);
        trouble.way_on = (again.to_owned(), "I changed my mind");
        trouble
    }

    /// The login failed and can be tried again later.
    pub(crate) fn login_later(again: &str, reference: &str) -> Self {
        let text = "The sign-in service does not answer as it should. Try again in a moment.";
        let mut trouble =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "Signing in does not work yet", text);
        trouble.way_on = (again.to_owned(), "Try again");
        trouble.reference = Some(reference.to_owned());
        trouble
    }

    /// The login failed.
    pub(crate) fn login(again: &str, reference: &str) -> Self {
        let text = "What came back from the sign-in service did not fit a sign-in that this \
                    browser began, so it was not used.";
        let mut trouble = Self::new(StatusCode::BAD_REQUEST, "You are not signed in", text);
        trouble.way_on = (again.to_owned(), "Sign in again");
        trouble.reference = Some(reference.to_owned());
        trouble
    }

    /// A break-it answer that belongs to no attempt.
    pub(crate) fn nothing_under_way() -> Self {
        let text = "This answer belongs to no attempt of this browser: it was used before, or it \
                    was forged. It was not looked at.";
        let mut trouble = Self::new(StatusCode::BAD_REQUEST, "Nothing to break here", text);
        trouble.way_on = ("/inspector#break".to_owned(), "Back to the buttons");
        trouble
    }

    pub(crate) fn page(&self, app: &App) -> Response {
        let context = context! { trouble => to_value(self) };
        app.pages.render(self.status, "trouble.html", &context)
    }
}

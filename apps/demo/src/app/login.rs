//! The login, as any app that uses the client crate sets it up.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header;
use keystile_client::protocol::ErrorCode;
use keystile_client::{Cause, Client, LoginFailure, SqliteSessions};

use super::App;
use super::pages::Trouble;
use super::watch::Recorder;
use crate::settings::DemoError;

/// What the app asks for. Ordering is optional on the consent page.
const SCOPE: &str = "openid profile email offline_access photos:read photos:order";

pub(super) fn client(app: &Arc<App>) -> Result<Client, DemoError> {
    let settings = &app.settings;
    let failed = |problem: &dyn ToString| DemoError::Client(problem.to_string());
    std::fs::create_dir_all(&settings.state_dir).map_err(|e| failed(&e))?;
    let sessions =
        SqliteSessions::open(settings.state_dir.join("sessions.db")).map_err(|e| failed(&e))?;
    let recorder =
        Recorder { browsers: Arc::clone(&app.browsers), masker: Arc::clone(&app.masker) };
    let page = Arc::clone(app);
    let mut builder = Client::builder(&settings.issuer, &settings.client_id);
    if let Some(proof) = &settings.leak_proof {
        builder = builder.leak_proof(proof);
    }
    builder
        .secret(&settings.client_secret)
        .app_url(&settings.base_url)
        .scope(SCOPE)
        .userinfo(true)
        .resource(&settings.audience)
        .api(&settings.api_url)
        .sessions(Arc::new(sessions))
        .key_file(settings.state_dir.join("sessions.key"))
        .cookie_name("photo-printer")
        .observer(Arc::new(recorder))
        .on_failure(move |failure| failed_login(&page, failure))
        .build()
        .map_err(|e| failed(&e))
}

fn failed_login(app: &App, failure: &LoginFailure) -> Response {
    let trouble = if failure.cause == Cause::Authorization(ErrorCode::AccessDenied) {
        Trouble::denied(&failure.again)
    } else if failure.cause.is_temporary() {
        Trouble::login_later(&failure.again, &failure.reference)
    } else {
        Trouble::login(&failure.again, &failure.reference)
    };
    // With a style sheet, unlike the client crate's own page.
    ([(header::CONTENT_SECURITY_POLICY, app.content_policy.clone())], trouble.page(app))
        .into_response()
}

//! A photo-printing web app and a photo API that use Keystile's crates as any user would: through
//! their public interface alone. `keystile demo` runs both beside the authorization server.
//!
//! The app shows what happens while it happens: its flow inspector draws every message between
//! browser, app, authorization server and API, and its break-it panel plays errors and attacks.

mod api;
mod app;
mod settings;

pub use api::api;
pub use app::app;
pub use settings::{ApiSettings, AppSettings, DemoError};
